# SPDX-License-Identifier: PostgreSQL
# Floods of the full size (GS_LONG=1; the short ones are 150_floods.t's) against both daemons, beside 100 clients that behave. Of
# each daemon there are two, with as many of these clients each, and only one is attacked: what the attackers cost the machine
# both feel, so the difference is what the attack did to the daemon.
use GroupShare::Test;
use GroupShare::StubControl;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

plan skip_all => 'GS_LONG=1 runs it' if !$ENV{GS_LONG};
plan skip_all => 'h2load (nghttp2-client) is not installed' if !grep { -x "$_/h2load" } split /:/, $ENV{PATH};

my ($DATA, $HEADERS, $PRIORITY, $RST, $SETTINGS, $PING, $GOAWAY, $WINDOW, $CONTINUATION) = (0 .. 4, 6 .. 9);
my ($END_STREAM, $END_HEADERS) = (1, 4);
my $PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
sub frame { my ($type, $flags, $stream, $payload) = @_; return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload }
sub size { my ($n) = @_; return $n < 127 ? pack('C', $n) : pack('CCC', 127, ($n - 127) % 128 + 128, int(($n - 127) / 128)) }
sub field { my ($name, $value) = @_; return "\0" . size(length $name) . $name . size(length $value) . $value }
sub request {
    my ($method, $path, @more) = @_;
    return join '', map { field(@{$_}) } [ ':method', $method ], [ ':scheme', 'https' ], [ ':authority', 'localhost' ], [ ':path', $path ], @more;
}
sub many { my ($count, $make) = @_; return join '', map { $make->(2 * $_ - 1) } 1 .. $count }

sub attacks {
    my ($path, @more) = @_;
    my $full   = $END_STREAM | $END_HEADERS;
    my $get    = request('GET', $path, @more);
    my $opened = frame($HEADERS, $END_HEADERS, 1, request('PUT', '/v1/shares/x', @more));
    return (
        'rapid reset'                  => many(20_000, sub { frame($HEADERS, $full, $_[0], $get) . frame($RST, 0, $_[0], pack 'N', 8) }),
        'server-made resets, no path'  => many(20_000, sub { frame($HEADERS, $full, $_[0], field(':method', 'GET') . field(':scheme', 'https')) }),
        'server-made resets, window 0' => many(20_000, sub { frame($HEADERS, $END_HEADERS, $_[0], $get) . frame($WINDOW, 0, $_[0], pack 'N', 0) }),
        'server-made resets, window too wide' => many(20_000, sub { frame($HEADERS, $full, $_[0], $get) . frame($WINDOW, 0, $_[0], pack 'N', 0x7fffffff) }),
        'server-made resets, data after the end' => many(20_000, sub { frame($HEADERS, $full, $_[0], $get) . frame($DATA, 0, $_[0], 'x') }),
        ping             => frame($PING, 0, 0, '12345678') x 200_000,
        settings         => frame($SETTINGS, 0, 0, pack 'nN', 4, 65535) x 200_000,
        priority         => frame($PRIORITY, 0, 1, pack 'NC', 3, 1) x 200_000,
        'empty data'     => $opened . frame($DATA, 0, 1, '') x 200_000,
        'unknown frames' => frame(0xfa, 0, 0, '') x 200_000,
        continuations    => frame($HEADERS, 0, 1, $get) . frame($CONTINUATION, 0, 1, '') x 200_000,
        'HPACK bomb'     => many(60, sub { frame($HEADERS, $full, $_[0], request('GET', '/v1/inquiries') . "\x40" . size(1) . 'x' . size(3900) . 'y' x 3900 . "\xbe" x 10_000) }));
}

# 100 connections, each asks twice a second.
sub polite {
    my ($daemon, $path, $seconds) = @_;
    my $log = scratch('polite') . '/log';
    return { times => $log, process => GroupShare::Process->start(
        name => 'h2load', log => "$log.out", cwd => '/',
        command => [ qw(h2load -p h2c -c 100 --rps=2 -D), $seconds, "--log-file=$log", "$daemon->{url}$path" ]) };
}

# (failed, p99 in ms, requests)
sub judge {
    my ($polite) = @_;
    $polite->{process}->wait(300);
    my @rows = map { [split] } split /\n/, slurp($polite->{times});
    my @ms = sort { $a <=> $b } map { $_->[2] / 1000 } @rows;
    return (scalar(grep { $_->[1] != 200 } @rows) + ($polite->{process}->log =~ /, [1-9]\d* errored/), $ms[ $#ms * 0.99 ], scalar @rows);
}

sub beside {
    my ($what, $pair, $path, $seconds, $attack) = @_;
    my @polite = map { polite($_, $path, $seconds) } @{$pair};
    sleep 2;
    $attack->($pair->[0]);
    my ($attacked, $spared) = map { [ judge($_) ] } @polite;
    diag(sprintf '%s: p99 %.1f ms of %d requests, beside it %.1f ms of %d', $what, @{$attacked}[ 1, 2 ], @{$spared}[ 1, 2 ]);
    is($attacked->[0], 0, "$what: no failed request of those who behave");
    cmp_ok($attacked->[2], '>', $spared->[2] * 0.9, "$what: they got as many answers");
    # Below 20 ms a doubling is the machine's noise.
    cmp_ok($attacked->[1], '<=', 2 * ($spared->[1] > 20 ? $spared->[1] : 20), "$what: their p99 at most doubled");
    return;
}

sub goaway {
    my ($bytes) = @_;
    my $code = 'closed';
    while (length $bytes >= 9) {
        my ($size, $type) = (unpack('N', "\0" . substr $bytes, 0, 3), ord substr $bytes, 3, 1);
        $code  = unpack 'N', substr $bytes, 13, 4 if $type == $GOAWAY && length $bytes >= 17;
        $bytes = length $bytes >= 9 + $size ? substr $bytes, 9 + $size : '';
    }
    return $code;
}

# Each flood by one who reads and one who does not, three at a time, so that they last.
sub flood {
    my ($daemon, %attack) = @_;
    my @left = map { [ $_, 0 ], [ $_, 1 ] } sort keys %attack;
    my %running;
    my $dir = scratch('flood');
    spit("$dir/$_", $PREFACE . frame($SETTINGS, 0, 0, '') . $attack{$_}) for keys %attack;
    while (@left || %running) {
        while (@left && keys %running < 3) {
            my ($name, $deaf) = @{ shift @left };
            my $label = $name . ($deaf ? ', not reading' : '');
            my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $daemon->{port}) or die "connect: $!";
            $socket->blocking(0);
            $running{$label} = { socket => $socket, out => slurp("$dir/$name"), in => '', deaf => $deaf, sent => 0, since => time };
        }
        for my $label (keys %running) {
            my $c = $running{$label};
            my $n = $c->{sent} < length $c->{out} ? syswrite $c->{socket}, $c->{out}, 65536, $c->{sent} : 0;
            $c->{sent} += $n || 0;
            my $gone = !defined $n && !$!{EAGAIN};
            if (!$c->{deaf} || $gone || time - $c->{since} > 5) {
                my $got = sysread $c->{socket}, $c->{in}, 65536, length $c->{in};
                $gone ||= defined $got ? $got == 0 : !$!{EAGAIN};
            }
            next if !$gone && time - $c->{since} < 40;
            ok($gone, "$label: closed");
            isnt(goaway($c->{in}), 0, "$label: as abuse") if $label !~ /HPACK/;
            delete $running{$label};
        }
        sleep 0.001;
    }
    return;
}

# 2,000 at a byte a second: beginnings, header blocks, bodies, windows.
sub slow {
    my ($daemon, $path, @more) = @_;
    my $hello = $PREFACE . frame($SETTINGS, 0, 0, pack 'nN', 4, 1);
    my $block = frame($HEADERS, $END_STREAM | $END_HEADERS, 1, request('GET', $path));
    my @kinds = (
        [ '',                                                                                             $PREFACE ],
        [ $hello,                                                                                         $block ],
        [ $hello . frame($HEADERS, $END_HEADERS, 1, request('POST', '/v1/challenge')) . "\0\x40\0\0\0\0\0\0\1", 'x' x 1000 ],
        [ $hello . $block,                                                                                frame($WINDOW, 0, 1, pack 'N', 1) x 100 ]);
    my (@clients, %left);
    for my $i (0 .. 1999) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $daemon->{port}) or die "connect: $!";
        my ($at_once, $then) = @{ $kinds[ $i % 4 ] };
        $socket->blocking(0);
        syswrite $socket, $at_once if length $at_once;
        push @clients, { socket => $socket, then => $then, at => 0, kind => $i % 4 };
    }
    my $begin = time;
    while (@clients && time - $begin < 90) {
        my $turn = time;
        @clients = grep {
            my $c = $_;
            local $SIG{PIPE} = 'IGNORE';
            my $n   = syswrite $c->{socket}, substr $c->{then}, $c->{at}++ % length $c->{then}, 1;
            my $got = sysread $c->{socket}, my $bytes, 65536;
            (defined $n || $!{EAGAIN}) && (defined $got ? $got > 0 : $!{EAGAIN})
        } @clients;
        sleep 1 - (time - $turn) if time - $turn < 1;
    }
    my $took = time - $begin;
    $left{ $_->{kind} }++ for @clients;
    is_deeply(\%left, {}, 'all slow clients are gone');
    diag(sprintf 'slow clients: the last went after %.0f s', $took);
    cmp_ok($took, '<', 60, 'within a minute');
    return;
}

sub half_handshakes {
    my ($daemon) = @_;
    my @half = grep {defined} map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $daemon->{port}) } 1 .. 5000;
    is(scalar @half, 5000, '5,000 half handshakes are open');
    for my $socket (@half) { $socket->blocking(0); syswrite $socket, "\x16\x03\x01\x02" }
    wait_for(
        sub {
            @half = grep { my $n = sysread $_, my $bytes, 100; defined $n ? $n > 0 : $!{EAGAIN} } @half;
            sleep 0.2;
            return !@half;
        },
        'half handshakes to be closed');
    pass('all are closed');
    return;
}

sub resident {
    my ($daemon) = @_;
    my $master = $daemon->{process}->pid;
    my ($worker) = split ' ', slurp("/proc/$master/task/$master/children");
    return ($worker, (split ' ', slurp("/proc/$worker/statm"))[1] * 4);
}

local $SIG{PIPE} = 'IGNORE';
my %limits = (max_connections => 12_000, max_connections_per_address => 12_000, idle_timeout_ms => 20_000);
my $stub   = new_stub_server(name => 'cs1');
my $cs     = new_control_server(name => 'cs2');
my $session = session_of('cs1', '0a1b2c3d-4e5f-4172-8a3b-4c5d6e7f8091');

# HTTP/2 without TLS, so that the attackers cost little; handshakes need it.
sub settings { my ($clear) = @_; return { $clear ? (listen => { cleartext => 'true' }) : (), limits => \%limits } }
my %start = (
    gateway => sub { my ($name, $clear) = @_; return start_gateway(name => $name, servers => [$stub], started_unready => 1, settings => settings($clear)) },
    device  => sub { my ($name, $clear) = @_; return add_device(servers => [$cs], name => $name, location => 'eu/a', started_unready => 1, settings => settings($clear)) });
my %target = (gateway => [ '/v1/shares', [ 'authorization', "Bearer $session" ] ], device => ['/v1/objects/0a1b2c3d-4e5f-4172-8a3b-4c5d6e7f8091']);
my %big    = (gateway => '/openapi.json', device => '/metrics');
for my $kind ('gateway', 'device') {
    my $pair = [ map { $start{$kind}->("$kind$_", 1) } 1, 2 ];
    wait_for(sub { qx(curl -s --http2-prior-knowledge $_->{url}/readyz) =~ /ok/ }, "$_->{name} to be ready") for @{$pair};
    my ($worker, $before) = resident($pair->[0]);
    my $calls = $stub->calls;
    beside("$kind: floods", $pair, '/healthz', 30, sub { flood($_[0], attacks(@{ $target{$kind} })) });
    cmp_ok($stub->calls - $calls, '<=', 10 * 200, "$kind: the control server was hardly called");
    beside("$kind: slow clients", $pair, '/healthz', 40, sub { slow($_[0], $big{$kind}) });
    my ($same, $after) = resident($pair->[0]);
    is($same, $worker, "$kind: still the same worker");
    diag("$kind: memory $before KiB, after it all $after KiB");
    # What 2,000 connections take at once stays with the allocator.
    cmp_ok($after - $before, '<', 2000 * 48, "$kind: memory stayed bounded");
    $_->stop for @{$pair};
    my $tls = $start{$kind}->("${kind}3", 0);
    wait_for(sub { http('GET', "$tls->{url}/readyz")->{status} == 200 }, "$kind with TLS");
    half_handshakes($tls);
    is(http('GET', "$tls->{url}/healthz")->{status}, 200, "$kind: the service is up");
    $tls->stop;
}

done_testing;
