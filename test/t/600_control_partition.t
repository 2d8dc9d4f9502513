# SPDX-License-Identifier: PostgreSQL
# Packets between a control server and those who need it are dropped, in one direction, the other, both: nothing says that anything is
# closed. The device keeps what it is given and promises no more than that, is not chosen any more, and settles when the network is
# back; the gateway answers that it can't, and serves again; what was done without an answer is done at most once. In a network
# namespace of its own. GS_LONG=1: long enough for a try to connect and for a connection of nobody to be given up.
use GroupShare::Test;
use GroupShare::History;
use GroupShare::Storage;

if (!$ENV{GS_IN_NAMESPACE}) {
    my @inside = qw(unshare --map-current-user --keep-caps --net);
    my ($status) = run({ command => [ @inside, 'sh', '-c', 'ip link set lo up && nft add table inet probe && ss -V' ] });
    plan skip_all => 'no network namespace for this user, or no nft, ip or ss here' if $status;
    $ENV{GS_IN_NAMESPACE} = 1;
    exec @inside, $^X, '-I' . root() . '/test/lib', $0 or die "unshare: $!\n";
}
run_ok(qw(ip link set lo up));
run_ok(qw(nft add table inet bad));
run_ok('nft', 'add chain inet bad in { type filter hook input priority 0 ; }');
sub rules {
    run_ok(qw(nft flush chain inet bad in));
    run_ok(qw(nft add rule inet bad in tcp), $_, qw(5432 drop)) for @_;
    return;
}

# The daemons come by TCP, the test itself by the socket. The port is this namespace's own.
my $cs  = new_control_server(name => 'cs1', fsync => 0, conf => { listen_addresses => '127.0.0.1' });
my $tcp = "host=127.0.0.1 port=5432 dbname=$cs->{database} user";
my $device = add_device(
    servers  => [$cs], name => 'd1', location => 'eu/a',
    settings => {
        storage       => { report_interval_ms => 200, receipt_wait_ms => 300, call_timeout_ms => 1500 },
        'control.cs1' => { conninfo => "$tcp=d1" } });
# Without the kernel's help: what bounds its waiting is its own.
my $gateway = start_gateway(
    servers  => [$cs],
    settings => {
        gateway       => { statement_timeout_ms => 1000, connect_timeout_ms => 1000, reconnect_max_ms => 500 },
        'control.cs1' => { conninfo => "$tcp=gateway tcp_user_timeout=0" } });
my $ann     = new_terminal('ann@example.org', gateway => $gateway, server => $cs);
my $owner   = new_owner($cs, 'owner@example.org');
my $history = GroupShare::History->new($owner);

sub is_chosen { return $cs->sqlstate(q{SELECT groupshare.upload_notice(:'id', :'name', 10)}, id => 'owner@example.org', name => 'try ' . rand) eq '' }

my @workers = map { worker_of($_) } $device, $gateway;
my $made = 0;
for my $cut ([ 'requests', 'dport' ], [ 'answers', 'sport' ], [ 'both', 'dport', 'sport' ]) {
    my ($what, @directions) = @{$cut};
    my @uploads = $history->notices(3, 50_000);
    $history->heard($uploads[0], put($uploads[0], $uploads[0]{file}));
    my $link = () = $device->log =~ /no connection to the control server/g;
    rules(@directions);
    my $promised = put($uploads[1], $uploads[1]{file});
    is($promised->{status}, 202, "$what lost: the device keeps what it is given, and no more is promised") or diag(explain($promised));
    $history->heard($uploads[1], $promised);
    my $asked = $ann->post('/v1/groups', { name => 'made ' . ++$made, settings => { join => { rule => 'anyone' } } });
    is_problem($asked, 503, 'unavailable', "$what lost: the gateway says that it can't");
    wait_for(sub { !is_chosen() }, 'the device to be passed over');
    pass("$what lost: no new bytes for a device that is not heard");
    my $now = 0;
    wait_for(sub { $now = () = $device->log =~ /no connection to the control server/g; $now > $link }, 'the device to give the connection up');
    is_reply(put($uploads[2], $uploads[2]{file}), 202, "$what lost: likewise without any connection");
    $history->heard($uploads[2], 202);
    wait_for(sub { $device->log =~ /no connection within 10 s/ }, 'its tries to be bounded too') if $ENV{GS_LONG} && @directions > 1;
    rules();
    wait_for(sub { (grep { share_state($_) eq 'stored' } @uploads) == 3 }, 'what was promised to be settled', 30);
    pass("$what back: all that was promised is settled");
    wait_for(sub { is_chosen() }, 'the device to be chosen again', 30);
    wait_for(sub { $ann->get('/v1/groups/mine')->{status} == 200 }, 'the gateway to serve again', 30);
    cmp_ok($cs->sql(q{SELECT count(*) FROM groupshare.sharing_group WHERE name = :'name'}, name => "made $made"), '<=', 1, "$what back: asked once, done at most once");
}
is_deeply([ map { worker_of($_) } $device, $gateway ], \@workers, 'no worker has died of it');

# The server's ends find out by themselves that theirs is gone, in a minute instead of the kernel's two hours, so that no daemon's
# connections add up over partitions until there are none left.
my @probes;    # of a connection on which something is on its way the kernel shows another timer
wait_for(sub { @probes = run_ok(qw(ss -Htno state established sport = :5432)) =~ /timer:\(keepalive,([^,)]+)/g; @probes >= 2 }, 'connections to be probed');
is_deeply([ grep { !/^[0-9.]+m?s(?:ec)?$/ } @probes ], [], 'within a minute');
if ($ENV{GS_LONG}) {
    rules(qw(dport sport));
    $_->kill9 for $device, $gateway;
    wait_for(sub { $cs->sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename IN ('d1', 'gateway')}) == 0 }, 'their connections to end', 150);
    pass('the connections of daemons that have gone without a word end');
    rules();
    $device->start;
}
is($cs->sql(q{SELECT count(*) FROM groupshare.groups WHERE state <> 'live' OR administrators <> 1}), 0, 'nothing is done halfway');
is_deeply([ $history->check ], [], 'the history: ' . $history->acknowledged . ' acknowledged, all there and right');
is($cs->sql('SELECT count(DISTINCT object) = count(DISTINCT share_id) FROM groupshare.share_copy'), 't', 'one object each');
settled($device);
is_deeply(files_under($device, 'staging'), [], 'staging is empty');
done_testing;
