# SPDX-License-Identifier: PostgreSQL
# Everything at once, over and over: groups, uploads whole and in parts, downloads, deletions, mistakes. What the daemons and the
# database's backends hold of memory does not grow, to a few bytes a request (faults/heap.c), and their descriptors are those of the start. A few rounds in make check; with GS_LONG=1 as long
# as make soak has given it time, without such a time a hundred. The sanitizers keep what is freed: under them nothing is said of the daemons' memory.
use GroupShare::Test;
use GroupShare::History;
use GroupShare::Storage;

my $LONG    = $ENV{GS_LONG};
my $cs      = new_control_server(name => 'cs1', fsync => 0);
my $heaps   = scratch('heaps');
my %told    = sanitized() ? () : (env => { LD_PRELOAD => program('test/heap.so'), GS_HEAP_DIR => $heaps, GLIBC_TUNABLES => 'glibc.malloc.tcache_count=0' });
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a', settings => { storage => { report_interval_ms => 200 } }, %told);
my $gateway = start_gateway(servers => [$cs], settings => { gateway => { pool_size => 1 } }, %told);
my $ann     = new_terminal('ann@example.org', gateway => $gateway, server => $cs);
my $group   = $ann->create_group('mixed', { join => { rule => 'anyone' } });
my $history = GroupShare::History->new({ cs => $cs, identifier => 'ann@example.org' });
$cs->sql(q{ALTER DATABASE gs SET groupshare.delete_hold = 0});

my @paths = (
    '/v1/groups/mine', '/v1/groups?name=mix&match=prefix', '/v1/groups?name=ixe&match=part', "/v1/groups/$group", '/v1/shares?limit=5',
    '/v1/inquiries', '/v1/events?wait=0&cursor=0', '/v1/groups?name=', '/v1/nothing', '/v1/shares/not-a-uuid');

# 100 requests over one connection, in the background; each path has one answer, whatever the round.
my %answer;
sub begin_asking {
    my $dir = scratch('asking');
    my $config = join "next\n", map {
        join '', map {"$_\n"} 'silent', 'http2', 'max-time = 30', 'cacert = "' . tls_dir() . '/ca.pem"', 'output = "/dev/null"',
            "header = \"authorization: Bearer $ann->{session}\"", "url = \"$gateway->{url}$paths[$_ % @paths]\"",
            "write-out = \"%{stderr}$paths[$_ % @paths] %{http_code}\\n\""
    } 0 .. 99;
    spit("$dir/config", $config);
    return GroupShare::Process->start(name => 'curl', command => [ 'curl', '--config', "$dir/config" ], log => "$dir/log", cwd => '/');
}

sub end_asking {
    my ($client) = @_;
    $client->wait(60);
    my $log = $client->log;
    $answer{$1}{$2}++ while $log =~ /^(\S+) (\d+)$/mg;
    return;
}

# In two parts, from another offset than that of the first end: refused, and then right.
sub in_parts {
    my ($u) = @_;
    my $bytes = slurp($u->{file});
    my $end;
    for my $part ([ 0, 8_000 ], [ 100, 5 ], [ 8_000, length $bytes ]) {
        $end = http('PATCH', $u->{url}, token => $u->{ticket}, body => substr($bytes, $part->[0], $part->[1]),
            headers => [ 'upload-offset' => $part->[0], 'content-type' => 'application/partial-upload' ]);
    }
    return $history->heard($u, $end);
}

sub backends { return split /\n/, $cs->sql(q{SELECT pid FROM pg_stat_activity WHERE usename IN ('gateway', 'd1') OR backend_type ~ 'groupshare'}) }
sub descriptors { my ($pid) = @_; my @all = glob "/proc/$pid/fd/*"; return scalar @all }
# What both daemons have allocated and not freed, and the named backends in their memory contexts, when they are at rest.
sub held {
    my (@who) = @_;
    my ($gateway_pid, $device_pid, @backends) = @who;
    my %least;
    return { map { ("backend $_" => in_contexts($_)) } @backends } if sanitized();
    for my $look (1 .. 8) {
        select undef, undef, undef, 0.25;
        for my $pid ($gateway_pid, $device_pid) {
            my $now = 0 + slurp("$heaps/$pid");
            $least{$pid} = $now if !defined $least{$pid} || $now < $least{$pid};
        }
    }
    # The device keeps what was revoked, 20,000 at most, of 160 bytes each.
    my ($revoked) = http('GET', $device->url . '/metrics')->{body} =~ /^groupshare_storaged_revocations_total\S* (\d+)/m;
    return {
        gateway => $least{$gateway_pid}, device => $least{$device_pid} - 160 * $revoked,
        map { ("backend $_" => in_contexts($_)) } @backends };
}

sub in_contexts {
    my ($pid) = @_;
    my $log   = "$cs->{dir}/log";
    my $from  = -s $log;
    $cs->sql("SELECT pg_log_backend_memory_contexts($pid)");
    return wait_for(sub { substr(slurp($log), $from) =~ /\[$pid\][^\n]*Grand total: [^\n]*; (\d+) used/ ? $1 : undef }, 'what a backend holds');
}

sub own_kib { my ($pid) = @_; return slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m ? $1 : 0 }

my @before;
sub round {
    my @asking = map { begin_asking() } 1 .. 2;
    my @whole  = $history->notices(20, 20_000);
    $history->load(2, \@whole);
    my ($parts) = $history->notices(1, 20_000);
    my $end = in_parts($parts);
    end_asking($_) for @asking;
    $history->load_end;
    my @wrong = $history->check;
    $history->delete($_) for @before;
    @before = (@whole, $parts);
    return ($end eq 'ok' ? () : "in parts: $end", @wrong);
}

# Of the backends, those that are named, or all; another one may be started for more work at a time.
sub measured {
    my @backends = @_ ? @_ : backends();
    wait_for(sub { !@{ files_under($device, 'staging') } }, 'uploads to end');
    my %pid = (gateway => worker_of($gateway), device => worker_of($device));
    my %own = ((map { $_ => own_kib($pid{$_}) } keys %pid), backends => eval { my $sum = 0; $sum += own_kib($_) for @backends; $sum });
    return (\%own, { map { $_ => descriptors($pid{$_}) } keys %pid }, [ @pid{qw(gateway device)}, @backends ]);
}

# Until caches are full: each backend has met each statement.
my @wrong = map { round() } 1 .. 4;
my ($memory, $open, $who) = measured();
my ($rounds, $now) = (0);
my ($held, %grown) = (held(@{$who}));
my $least_rounds = $LONG && !$ENV{GS_SOAK_SECONDS} ? 100 : 4;
until ($rounds >= $least_rounds && (!$LONG || !$ENV{GS_SOAK_SECONDS} || time_is_up())) {
    push @wrong, round();
    $rounds++;
    my $after = held(@{$who});
    push @{ $grown{$_} }, $after->{$_} - $held->{$_} for keys %{$held};
    $held = $after;
}
my %alive = map { $_ => 1 } worker_of($gateway), worker_of($device), backends();
is_deeply([ grep { !$alive{$_} } @{$who} ], [], 'nobody has ended');
($now) = measured(@{$who}[ 2 .. $#{$who} ]);
is_deeply(\@wrong, [], "$rounds rounds: " . $history->acknowledged . ' uploads acknowledged, all there and right');
is_deeply([ grep { keys %{ $answer{$_} } != 1 } @paths ], [], 'each question had one answer') or diag(explain(\%answer));
cmp_ok($now->{$_}, '<=', $memory->{$_} * 1.05 + 1024, "memory of $_: $memory->{$_} KiB, then $now->{$_}")
    for grep { !sanitized() || $_ eq 'backends' } sort keys %{$memory};
# A leak is there in each round, of 200 questions and 21 uploads; a buffer that had to become larger is not.
for my $who (sort keys %grown) {
    my ($least) = sort { $a <=> $b } @{ $grown{$who} };
    cmp_ok($least, '<=', 512, "$who: the round after which it held least more: $least bytes of what it has allocated");
}
for my $daemon ([ gateway => $gateway ], [ device => $device ]) {
    my ($name, $it) = @{$daemon};
    ok(eval { wait_for(sub { descriptors(worker_of($it)) <= $open->{$name} }, 'descriptors', 20) }, "descriptors of $name: $open->{$name}, as before");
}
tell_soak("$rounds rounds, " . join ', ', map {"$_ $memory->{$_} -> $now->{$_} KiB"} sort keys %{$memory});
done_testing;
