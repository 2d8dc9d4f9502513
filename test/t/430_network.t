# SPDX-License-Identifier: PostgreSQL
# Bad networks: 1, 5 and 30 % of packets lost, 1 Mbit/s, 200 ms on a wide line, and a partition in one direction. Transfers complete or are resumed,
# every byte right. In a network namespace of the test's own; with GS_LONG=1 500 transfers.
use GroupShare::Test;
use GroupShare::History;
use GroupShare::Storage;
use Digest::SHA qw(sha256_hex);

my $LONG = $ENV{GS_LONG};
if (!$ENV{GS_IN_NAMESPACE}) {
    my @inside = qw(unshare --map-current-user --keep-caps --net);
    my ($status) = run({ command => [ @inside, 'sh', '-c', 'ip link set lo up && nft add table inet probe && python3 -c 0' ] });
    plan skip_all => 'no network namespace for this user, or no nft, ip or python3 here' if $status;
    $ENV{GS_IN_NAMESPACE} = 1;
    exec @inside, $^X, '-I' . root() . '/test/lib', $0 or die "unshare: $!\n";
}
# As on a network: packets of its size, each with its own luck.
run_ok(qw(ip link set lo up mtu 1500));
run({ command => [qw(ip link set lo gso_max_segs 1 gro_max_size 1500)] });
run_ok(qw(nft add table inet bad));
run_ok('nft', 'add chain inet bad in { type filter hook input priority 0 ; }');

my $cs     = new_control_server(name => 'cs1', fsync => 0);
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', settings => { storage => { report_interval_ms => 500 } });
my $ann     = new_owner($cs, 'ann@example.org');
my $history = GroupShare::History->new($ann);

sub rule { my (@rule) = @_; run_ok(qw(nft flush chain inet bad in)); run_ok(qw(nft add rule inet bad in), @rule) if @rule; return }

# The way to the device, when it is not the straight one.
my $line;
sub via { my ($url) = @_; $url =~ s/:$device->{port}\b/:$line/ if $line; return $url }

# Each from the offset that the device names, all at once, a few seconds a try, until it is stored or the tries are used up.
sub upload_all {
    my ($tries, $seconds, @uploads) = @_;
    my %at   = map { $_->{share} => 0 } @uploads;
    my $cuts = 0;
    while (@uploads && $tries-- > 0) {
        my @put = map {
            my $part = substr slurp($_->{file}), $at{ $_->{share} };
            http_begin('PATCH', via($_->{url}), token => $_->{ticket}, body => $part, timeout_s => $seconds,
                headers => [ 'upload-offset' => $at{ $_->{share} }, 'content-type' => 'application/partial-upload' ])
        } @uploads;
        my @replies = map { http_finish($_) } @put;
        my @left = map { $uploads[$_] } grep { $history->heard($uploads[$_], $replies[$_]) ne 'ok' } 0 .. $#uploads;
        $cuts += @left;
        my @ask = map { http_begin('HEAD', via($_->{url}), token => $_->{ticket}, timeout_s => $seconds) } @left;
        for my $u (@left) {
            my $head = http_finish(shift @ask);
            $at{ $u->{share} } = $head->{headers}{'upload-offset'} if $head->{status} == 200 && defined $head->{headers}{'upload-offset'};
        }
        @uploads = @left;
    }
    return ($cuts, @uploads);
}

# The same for downloads, by ranges.
sub download_all {
    my ($tries, $seconds, @uploads) = @_;
    my %d = map { $_->{share} => designation($ann, $_) } @uploads;
    my %have = map { $_->{share} => '' } @uploads;
    while ($tries-- > 0) {
        my @left = grep { length $have{ $_->{share} } < $_->{size} } @uploads or last;
        my @get = map {
            http_begin('GET', via($d{ $_->{share} }{url}), token => $d{ $_->{share} }{ticket}, timeout_s => $seconds,
                headers => [ range => 'bytes=' . length($have{ $_->{share} }) . '-' ])
        } @left;
        for my $u (@left) {
            my $reply = http_finish(shift @get);
            $have{ $u->{share} } .= $reply->{body} if $reply->{status} == 206;
        }
    }
    return grep { sha256_hex($have{ $_->{share} }) ne $_->{sha256} } @uploads;
}

my @networks = (
    [ '1 % lost',  150, 8,  400_000, [qw(numgen random mod 100 < 1 drop)] ],
    [ '5 % lost',  150, 6,  200_000, [qw(numgen random mod 100 < 5 drop)] ],
    [ '30 % lost', 150, 3,  20_000,  [qw(numgen random mod 100 < 30 drop)] ],
    [ '1 Mbit/s',  25,  2,  100_000, [], [qw(tbf rate 1mbit burst 3000 latency 200ms)] ]);
my ($transfers, %each) = (0);
for my $network (grep { in_part($_->[0]) } @networks) {
    my ($name, $long, $short, $size, $rule, $qdisc) = @{$network};
    my $many = $LONG ? $long : $short;
    if ($qdisc && (run({ command => [ qw(tc qdisc add dev lo root), @{$qdisc} ] }))[0]) {
        note("$name: this kernel has no $qdisc->[0]");
        next;
    }
    rule(@{$rule});
    while ($many > 0 && !time_is_up()) {
        my @uploads = $history->notices($many < 12 ? $many : 12, $size);
        $many -= @uploads;
        my ($cuts, @failed) = upload_all(30, 10, @uploads);
        is(@failed, 0, "$name: " . @uploads . " uploads of $size bytes end well, after $cuts interruptions");
        is(scalar download_all(30, 10, @uploads), 0, "$name: and are downloaded whole");
        $transfers += 2 * @uploads;
        $each{$name} += 2 * @uploads;
    }
    run_ok(qw(tc qdisc del dev lo root)) if $qdisc;
}

# 200 ms there and back, a wide line: by a program that holds every byte back, since few kernels have netem. What the device lets be on its
# way decides: with HTTP/2's first window, 64 KiB, the large one would take more than 50 s.
rule();
my $delayed = scratch('line') . '/port';
my $process = GroupShare::Process->start(
    name => 'delay', command => [ 'python3', '-B', root() . '/test/faults/delay.py', $delayed, $device->{port}, 100 ], log => "$delayed.log", cwd => '/');
$line = wait_for(sub { -s $delayed && slurp($delayed) }, 'the long line');
my @far = $history->notices($LONG ? 25 : 3, 100_000);
my ($far_cuts, @far_failed) = upload_all(30, 30, @far);
is(@far_failed, 0, '200 ms: ' . @far . " uploads end well, after $far_cuts interruptions");
is(scalar download_all(30, 30, @far), 0, '200 ms: and are downloaded whole');
my ($wide) = $history->notices(1, 16 << 20);
my $began = time;
is($history->heard($wide, put({ %{$wide}, url => via($wide->{url}) }, $wide->{file}, timeout_s => 60)), 'ok', '200 ms: 16 MiB in one go');
my $took = time - $began;
cmp_ok($took, '<', 40, "200 ms: in $took s, so more than 64 KiB was on its way");
is(scalar download_all(3, 60, $wide), 0, '200 ms: and downloaded whole');
$transfers += 2 * @far + 2;
tell_soak("16 MiB over a line of 200 ms in $took s");
$line = undef;
$process->stop;

# What the device says is lost, what it hears is not: no client is told anything, whatever the device has; sent again, it is one object.
rule();
my @uploads = $history->notices(4, 50_000);
my $port    = $device->{port};
$history->load(4, \@uploads);
$history->load_end;
@uploads = $history->notices(4, 800_000);    # more than curl sends before it looks at its rate
my @sent = map {
    http_begin('PUT', $_->{url}, token => $_->{ticket}, file => $_->{file}, timeout_s => 12, curl => [ '--limit-rate', '80k' ])
} @uploads;
wait_for(sub { @{ files_under($device, 'staging') } >= 2 }, 'uploads to run');
rule('tcp', 'sport', $port, 'drop');
my %heard = map { $_ => 1 } map { $history->heard($uploads[$_], http_finish($sent[$_])) } 0 .. $#sent;
ok(!$heard{ok}, 'a partition in the direction of the answers: nothing is acknowledged');
rule();
for my $u (@uploads) {
    is($history->heard($u, wait_for(sub { my $r = put($u, $u->{file}); $r->{status} =~ /^20/ ? $r : undef }, 'the network')),
        'ok', 'sent again when it is over');
}
# Until there is an answer, of whatever kind: curl before 8.2 breaks an upload off by itself now and then (its exit status 55, of nghttpd's too)
# when the socket takes no more and less than 1024 bytes are left, as here.
sub answer_to { my ($u) = @_; return wait_for(sub { my $r = put($u, $u->{file}); $r->{status} ? $r : undef }, 'an answer') }
rule('tcp', 'dport', $port, 'drop');
my ($late) = $history->notices(1, 50_000);
is($history->heard($late, put($late, $late->{file}, timeout_s => 2)), 'unknown', 'a partition in the other direction: no answer');
rule();
my $whole = answer_to($late);
is($history->heard($late, $whole), 'ok', 'and none needed') or diag("status $whole->{status}, curl $whole->{curl}: $whole->{body}\n", $device->log);

tell_soak("$transfers transfers over bad networks: " . join ', ', map {"$_: $each{$_}"} sort keys %each);
is_deeply([ $history->check ], [], 'the history: ' . $history->acknowledged . ' acknowledged, all there and right');
is($cs->sql('SELECT count(DISTINCT object) = count(DISTINCT share_id) FROM groupshare.share_copy'), 't', 'one object each');
settled($device);
is_deeply(files_under($device, 'staging'), [], 'staging is empty');
done_testing;
