# SPDX-License-Identifier: PostgreSQL
# The gateway is killed and drained while terminals ask it: transfers, which go past it, go on; a drain fails no request that
# was taken; a kill leaves who waited without an answer, and nothing is done twice or halfway. GS_LONG=1: 200 kills, 50 drains.
use GroupShare::Test;
use GroupShare::Storage;

my $LONG    = $ENV{GS_LONG};
my $cs      = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a');
my $gateway = start_gateway(servers => [$cs], settings => { process => { drain_timeout_ms => 20000 } });
my $ann     = new_terminal('ann@example.org', gateway => $gateway, server => $cs);
$cs->sql('UPDATE groupshare.plan SET max_groups = NULL');    # 40 a round are made
$ann->create_group('kept', { join => { rule => 'anyone' } });

my ($asked, %outcome, @running) = (0);

# A client that asks 100 times over one connection, and over the next when that ends; each tenth request makes a group of its own.
# Where nobody listens it waits and tries again, and says so.
sub begin_client {
    my $base   = scratch('client') . "/$asked";
    my $config = '';
    for my $n (1 .. 100) {
        my $what = 'get';
        $config .= "next\n" if $n > 1;
        $config .= join '', map {"$_\n"} 'no-progress-meter', 'http2', 'max-time = 30', 'retry = 60', 'retry-connrefused', 'retry-delay = 1', 'cacert = "' . tls_dir() . '/ca.pem"', 'output = "/dev/null"',
            "header = \"authorization: Bearer $ann->{session}\"";
        if ($n % 10) {
            $config .= "url = \"$gateway->{url}/v1/groups/mine?limit=1\"\n";
        } else {
            $what = 'made ' . ++$asked;
            $config .= "url = \"$gateway->{url}/v1/groups\"\njson = \"{\\\"name\\\":\\\"$what\\\",\\\"settings\\\":{\\\"join\\\":{\\\"rule\\\":\\\"anyone\\\"}}}\"\n";
        }
        $config .= "write-out = \"%{stderr}$what: %{http_code} %{exitcode}\\n\"\n";
    }
    spit("$base.config", $config);
    push @running, GroupShare::Process->start(name => 'curl', command => [ 'curl', '--config', "$base.config" ], log => "$base.log", cwd => '/');
    return;
}

sub answers { return map { $_->log =~ /^(.*): (\d+) (\d+)$/mg } @running }

# Of all that was asked: answered, first refused before it was sent, left without an answer.
sub end_clients {
    $_->wait(120) for @running;
    my @all   = answers();
    my @again = map { $_->log =~ /^Warning: (Problem.*?)(?:Will|$)/mg } @running;
    my @wrong = grep { !/connection refused/ } @again;
    my %count = (ok => 0, refused => @again - @wrong, unknown => 0);
    while (my ($what, $status, $exit) = splice @all, 0, 3) {
        my $right = $status == ($what eq 'get' ? 200 : 201);
        push @wrong, "$what: $status" if $exit == 0 && !$right;
        $outcome{$what} = $exit == 0 ? 'ok' : 'unknown';
        $count{ $outcome{$what} }++;
    }
    @running = ();
    return (\%count, @wrong);
}

# What went wrong, times, and what was counted. `before` is told how many rounds were before this one.
sub load {
    my ($name, $fault, $times, $before) = @_;
    $times = 0 if !in_part($name);
    my $done = 0;
    my @wrong;
    my %sum = (ok => 0, refused => 0, unknown => 0);
    while ($done < $times && !($done >= 3 && time_is_up())) {
        $before->($done) if $before;
        begin_client() for 1 .. 4;
        wait_for(sub { answers() > 3 * 100 }, 'answers');
        $fault->();
        $done++;
        my ($count, @bad) = end_clients();
        push @wrong, @bad;
        $sum{$_} += $count->{$_} for keys %{$count};
    }
    return (\@wrong, $done, \%sum);
}

# A slow upload, over all that happens to the gateway.
my $size  = 3_000_000;
my $file  = random_file($size);
my $slow  = $ann->post('/v1/uploads', { name => 'slow', size => $size })->{json};
my $bytes = http_begin('PUT', $slow->{url}, token => $slow->{ticket}, file => $file, timeout_s => 600, curl => [ '--limit-rate', '400k' ]);

my ($wrong, $drains, $count) = load('drains', sub { $gateway->restart }, $LONG ? 50 : 3);
is_deeply($wrong, [], "$drains drains: no other answers");
is("$count->{ok} $count->{unknown}", 400 * $drains . ' 0', "all that was asked is answered, $count->{refused} times after a wait for who listens");
(my $more, my $kills, $count) = load(
    'kills', sub {
        kill 'KILL', worker_of($gateway);
        wait_for(sub { http('GET', "$gateway->{url}/readyz")->{status} == 200 }, 'the next worker', 10);
    },
    $LONG ? 200 : 3,
    sub { $gateway->restart if $_[0] && $_[0] % 5 == 0 });    # a worker that dies again and again has to wait, 10 s in the end
is_deeply($more, [], "$kills kills: no other answers");
cmp_ok($count->{unknown}, '<=', 8 * $kills, "who waited has none, all others have theirs: $count->{ok} and $count->{unknown}");
tell_soak("$drains drains, $kills kills of the gateway");

my $sent = http_finish($bytes);
is($sent->{status}, 201, 'an upload went on meanwhile') or diag(explain($sent));
my %groups = map { split /=/ } split /\n/, $cs->sql(q{SELECT name || '=' || count(*) FROM groupshare.sharing_group WHERE name LIKE 'made %' GROUP BY name});
is_deeply([ grep { ($groups{$_} || 0) != 1 } grep { /^made/ && $outcome{$_} eq 'ok' } keys %outcome ], [], 'what was answered is done, once');
is_deeply([ grep { ($groups{$_} || 0) > 1 } grep { $outcome{$_} eq 'unknown' } keys %outcome ], [], 'what was not answered is done or not, never twice');
is($cs->sql(q{SELECT count(*) FROM groupshare.groups WHERE state <> 'live' OR administrators <> 1}), 0, 'and never halfway');
$gateway->stop;
done_testing;
