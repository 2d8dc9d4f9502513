# SPDX-License-Identifier: PostgreSQL
# A control server fails over to its synchronous standby while terminals work: gateway and device follow within 10 s, sessions and
# tickets go on, nothing that was acknowledged is lost, and what was not done is said to be so.
use GroupShare::Test;
use GroupShare::History;
use GroupShare::Storage;
use Time::HiRes qw(time);

my $WITHIN = 10;
my $cs     = new_control_server(name => 'cs1');
$cs->add_standby('synchronous');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a',
    settings => { storage => { report_interval_ms => 200, receipt_wait_ms => 1000 } });
my $gateway = start_gateway(servers => [$cs]);
my $ann     = new_terminal('ann@example.org', gateway => $gateway, server => $cs);

sub make_group { return $ann->post('/v1/groups', { name => $_[0], settings => { join => { rule => 'anyone' } } })->{status} == 201 }
ok(make_group('first'), 'a group');
my $history = GroupShare::History->new({ cs => $cs, identifier => 'ann@example.org' });
is($cs->sql(q{SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'}), 1, 'commits wait for the standby');

my @uploads = $history->notices(300, 20_000);
my ($later) = $history->notices(1, 20_000);
$history->load(3, \@uploads);
wait_for(sub { $history->load_heard >= 100 }, 'uploads to be acknowledged');
my @made = grep { make_group($_) } map {"group $_"} 1 .. 20;
is(scalar @made, 20, 'groups are made');

$cs->fail_over;
my $promoted = time;
my %heard;
$heard{ $ann->get('/v1/groups/mine')->{status} }++ while !$heard{200} && time < $promoted + 60;
cmp_ok(time - $promoted, '<', $WITHIN, 'the gateway follows, and the session is good there too');
is_deeply([ grep { $_ != 200 && $_ != 503 } keys %heard ], [], 'until then it says that it is away');
my $stored = eval { wait_for(sub { $history->heard($later, put($later, $later->{file})) eq 'ok' }, 'an upload', 30) };
cmp_ok(time - $promoted, '<', $WITHIN + 5, 'the device follows, with a ticket of before') if ok($stored, 'an upload is taken');
$history->load_end;
$history->fault('the failover', 100);
is_deeply([ $history->check ], [], 'nothing acknowledged is lost: ' . $history->acknowledged . ' acknowledged');
my %there = map { $_->{name} => 1 } @{ json_decode($ann->get('/v1/groups/mine?limit=100')->{body})->{groups} };
is_deeply([ grep { !$there{$_} } @made ], [], 'nor a group that was made');

# The standby is a whole control server: notices, the worker, and what the old one reserved.
is($ann->post('/v1/uploads', { name => 'after', size => 1000 })->{status}, 201, 'notices are taken');
wait_for(sub { $cs->sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'groupshare maintenance'}) > 0 }, 'the worker on the new primary');
$cs->sql(q{UPDATE groupshare.reservation SET expires_at = now() WHERE state = 'live'});
wait_for(sub { $cs->sql('SELECT sum(reserved_bytes) FROM groupshare.devices') == 0 }, 'the worker to free what nobody sent');
is_deeply([ $history->check ], [], 'and what is stored stays');
done_testing;
