# SPDX-License-Identifier: PostgreSQL
# One part is away: the others say so, lose nothing, and go on when it is back, without a restart of their own.
use GroupShare::Test;

my $cs      = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu');
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my $ann     = new_terminal('ann@example.org', @known);
my $bob     = new_terminal('bob@example.org', @known);
my $group   = $ann->create_group('ours', { join => { rule => 'anyone' } });
$bob->join_group($group);
my $file   = random_file(1 << 20);
my $sha256 = sha256_file($file);
my $out    = scratch('out') . '/f';

sub download_ok {
    my ($what, %share) = @_;
    my $reply = wait_for(
        sub { my $r = $bob->post('/v1/downloads', \%share); return $r->{status} < 500 ? $r : undef },
        'the control server');
    is_reply($reply, 200, "$what: designation");
    is_reply($bob->get_file($reply->{json}, $out), 200, "$what: bytes");
    is(sha256_file($out), $sha256, "$what: every one");
    return;
}

# PostgreSQL is down.
$ann->share_file('one', $file);
my $early = $ann->post('/v1/uploads', { name => 'two', size => -s $file })->{json};
$cs->stop;
my $reply = $ann->get('/v1/groups/mine');
is_problem($reply, 503, 'unavailable', 'no database: 503');
ok($reply->{headers}{'retry-after'}, 'with Retry-After');
is($ann->get('/healthz')->{status}, 200, 'the gateway lives');
is($ann->get('/readyz')->{status},  503, 'but is not ready');
my $put = $ann->put_file($early, $file);
is("$put->{status} $put->{json}{state}", '202 receipt_pending', 'the device keeps the bytes and says what is missing');
$cs->start;
my $mine = wait_for(sub { my $r = $ann->get('/v1/groups/mine'); $r->{status} == 200 && $r }, 'the gateway to reconnect');
is(scalar @{ $mine->{json}{groups} }, 1, 'the gateway is back without a restart');
wait_for(sub { $cs->sql(q{SELECT state FROM groupshare.share WHERE name = 'two'}) eq 'stored' }, 'the receipt');
download_ok('what was uploaded during the outage', owner => 'ann@example.org', name => 'two');

$cs->kill9;
$cs->start;
download_ok('after a crash of PostgreSQL', owner => 'ann@example.org', name => 'one');

# The device is down.
my $pending = $ann->post('/v1/uploads', { name => 'three', size => -s $file })->{json};
$device->kill9;
is($ann->put_file($pending, $file)->{status}, 0, 'no device: no answer');
$device->start;
is_reply($ann->put_file($pending, $file), 201, 'it is back: the same ticket is good') or diag($pending->{url});
download_ok('after a crash of the device', owner => 'ann@example.org', name => 'three');

# Killed between rename and receipt: what is durable is reported when it comes back. (How it got there is the same as
# during the outage above; here the process that would send the receipt is gone as well.)
my $late = $ann->post('/v1/uploads', { name => 'four', size => -s $file })->{json};
$cs->stop;
is($ann->put_file($late, $file)->{status}, 202, 'stored while nobody can take the receipt');
$device->kill9;
$cs->start;
is($cs->sql(q{SELECT state FROM groupshare.share WHERE name = 'four'}), 'pending', 'no receipt yet');
$device->start;
wait_for(sub { $cs->sql(q{SELECT state FROM groupshare.share WHERE name = 'four'}) eq 'stored' }, 'the journal');
download_ok('what was stored before the kill', owner => 'ann@example.org', name => 'four');
is($cs->sql(q{SELECT reserved_bytes FROM groupshare.devices WHERE name = 'd1'}), 0, 'no reservation is left behind');

# TERM drains: what runs ends well.
my $designation = $bob->post('/v1/downloads', { owner => 'ann@example.org', name => 'one' })->{json};
my $last = scratch('last') . '/f';
my $slow = http_begin('GET', $designation->{url}, token => $designation->{ticket}, output => $last,
    curl => [qw(--limit-rate 700k)]);
wait_for(sub { -s $last }, 'the first bytes');
$device->{process}->signal('TERM');
my $end = http_finish($slow);
is($end->{status}, 200, 'a download goes on while the device drains') or diag(explain($end));
is(sha256_file($last), $sha256, 'to its end');
is($device->{process}->wait, 0, 'then the device ends');

done_testing;
