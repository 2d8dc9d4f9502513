# SPDX-License-Identifier: PostgreSQL
# Hostile connections to the gateway, all at once, beside clients that behave and notice nothing. What each attack does to one
# connection is test/t/010_daemon.t's; here is what it does to others, to the control server, and to memory.
use GroupShare::Test;
use GroupShare::StubControl;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my $cs      = new_stub_server(name => 'cs1');
my $gateway = start_gateway(servers => [$cs], settings => { limits => { idle_timeout_ms => 5000, max_connections_per_address => 2000 } });
my $session = session_of('cs1', '0a1b2c3d-4e5f-4172-8a3b-4c5d6e7f8091');
my ($master) = $gateway->{process}->pid;
my ($worker) = split ' ', slurp("/proc/$master/task/$master/children");
my $resident = sub { return (split ' ', slurp("/proc/$worker/statm"))[1] * 4 };

# Frames (RFC 9113), and fields without compression (RFC 7541).
my ($DATA, $HEADERS, $PRIORITY, $RST, $SETTINGS, $PING, $GOAWAY, $WINDOW, $CONTINUATION) = (0 .. 4, 6 .. 9);
my ($END_STREAM, $END_HEADERS) = (1, 4);
sub frame { my ($type, $flags, $stream, $payload) = @_; return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload }
sub size { my ($n) = @_; return $n < 127 ? pack('C', $n) : pack('CCC', 127, ($n - 127) % 128 + 128, int(($n - 127) / 128)) }
sub field { my ($name, $value) = @_; return "\0" . size(length $name) . $name . size(length $value) . $value }
sub request {
    my ($path, @more) = @_;
    my $block = join '', map { field(@{$_}) } [ ':method', 'GET' ], [ ':scheme', 'https' ], [ ':authority', 'localhost' ], [ ':path', $path ], @more;
    return $block;
}
my $shares = request('/v1/shares', [ 'authorization', "Bearer $session" ]);
my $many   = sub { my ($count, $make) = @_; return join '', map { $make->(2 * $_ - 1) } 1 .. $count };
my $opened = frame($HEADERS, $END_HEADERS, 1, request('/v1/shares'));

my %attack = (
    'rapid reset' => $many->(4000, sub { frame($HEADERS, $END_STREAM | $END_HEADERS, $_[0], $shares) . frame($RST, 0, $_[0], pack 'N', 8) }),
    'resets by the server, no path' => $many->(5000, sub { frame($HEADERS, $END_STREAM | $END_HEADERS, $_[0], field(':method', 'GET') . field(':scheme', 'https')) }),
    'resets by the server, window of 0' => $many->(5000, sub { frame($HEADERS, $END_HEADERS, $_[0], request('/v1/shares')) . frame($WINDOW, 0, $_[0], pack 'N', 0) }),
    'resets by the server, window too wide' =>
        $many->(5000, sub { frame($HEADERS, $END_STREAM | $END_HEADERS, $_[0], $shares) . frame($WINDOW, 0, $_[0], pack 'N', 0x7fffffff) }),
    ping             => frame($PING, 0, 0, '12345678') x 100000,
    settings         => frame($SETTINGS, 0, 0, pack 'nN', 4, 65535) x 100000,
    priority         => frame($PRIORITY, 0, 1, pack 'NC', 3, 1) x 100000,
    'empty data'     => $opened . frame($DATA, 0, 1, '') x 100000,
    'unknown frames' => frame(0xfa, 0, 0, '') x 100000,
    continuations    => frame($HEADERS, 0, 1, request('/v1/shares')) . frame($CONTINUATION, 0, 1, '') x 100000,
    'HPACK bomb'     => join('', map {
        frame($HEADERS, $END_STREAM | $END_HEADERS, 2 * $_ - 1, request('/v1/inquiries') . "\x40" . size(1) . 'x' . size(3900) . 'y' x 3900 . "\xbe" x 10000)
    } 1 .. 60));

# Well-behaved clients: each asks at its pace over one connection, all along.
my @polite = map {
    my $log = scratch('polite') . '/out';
    GroupShare::Process->start(
        name => 'polite', log => $log, cwd => '/',
        command => [ qw(curl --silent --show-error --http2 --max-time 60 --rate 15/s --output /dev/null --write-out), '%{http_code} %{time_total}\n',
            '--cacert', tls_dir() . '/ca.pem', $gateway->url . ($_ % 2 ? '/openapi.json?' : '/healthz?') . "n=[1-100]" ])
} 1 .. 4;
wait_for(sub { !grep { $_->log !~ /^200 / } @polite }, 'the polite ones to begin');

my $calls  = $cs->calls;
my $before = $resident->();
my %running;
for my $name (sort keys %attack) {
    my $dir = scratch('attack');
    spit("$dir/in", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame($SETTINGS, 0, 0, '') . $attack{$name});
    push @{ $running{$name} }, map {
        GroupShare::Process->start(
            name => $name, log => "$dir/out$_", cwd => '/',
            command => [ 'sh', '-c', 'exec openssl s_client -quiet -alpn h2 -connect "$1" < "$2" 2> /dev/null', 'sh', "127.0.0.1:$gateway->{port}", "$dir/in" ])
    } 1 .. 2;
}

# Half handshakes, which send a byte now and then.
my @half = grep {defined} map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $gateway->{port}) } 1 .. 300;
is(scalar @half, 300, '300 half handshakes are open');
$_->blocking(0) for @half;
my $hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . 'r' x 200;
my $at    = 0;
local $SIG{PIPE} = 'IGNORE';
wait_for(
    sub {
        @half = grep { my $n = sysread $_, my $bytes, 100; defined $n ? $n > 0 : $!{EAGAIN} } @half;
        syswrite $_, substr($hello, $at % 200, 1) for @half;
        $at++;
        sleep 0.2;
        return !@half;
    },
    'half handshakes to be closed');
pass('all are closed, though they made progress');

# What the server said last on a connection: the code of GOAWAY.
sub goaway {
    my ($bytes) = @_;
    my $code;
    while (length $bytes >= 9) {
        my ($size, $type) = (unpack('N', "\0" . substr $bytes, 0, 3), ord substr $bytes, 3, 1);
        $code  = unpack 'N', substr $bytes, 13, 4 if $type == $GOAWAY && length $bytes >= 17;
        $bytes = length $bytes >= 9 + $size ? substr $bytes, 9 + $size : '';
    }
    return $code;
}
for my $name (sort keys %running) {
    $_->wait for @{ $running{$name} };
    my @codes = map { my $code = goaway($_->log); defined $code ? $code : 'closed' } @{ $running{$name} };
    # A code of 0 would be the idle timeout: all of it was taken.
    is(scalar(grep { $_ eq '0' } @codes), 0, "$name: cut off (GOAWAY @codes)") if $name ne 'HPACK bomb';
}
my $log = $gateway->log;
like($log, qr/why="$_/, "the log says why: $_") for 'too many frames with', 'streams reset for', 'streams reset by', 'frames are not read';
unlike($log, qr{path=/v1/inquiries status=(?!431)[1-9]}, 'no header bomb was taken for a request');
cmp_ok($cs->calls - $calls, '<=', 4 * 200, 'resets cost the control server a bounded number of calls');
cmp_ok($resident->() - $before, '<', 32 * 1024, 'memory is bounded') if !$ENV{ASAN_OPTIONS};

my ($answers, @slow) = (0);
for my $client (@polite) {
    $client->wait;
    my @lines = split /\n/, $client->log;
    $answers += grep {/^200 /} @lines;
    push @slow, map { (split ' ', $_)[1] } @lines;
    is(scalar(grep { !/^200 / } @lines), 0, 'a polite client: no failed request') or diag(grep { !/^200 / } @lines);
}
is($answers, 400, 'every one of their requests was answered');
note('slowest: ' . (sort { $b <=> $a } @slow)[0] . ' s');
like(http('GET', $gateway->url . '/healthz')->{body}, qr/ok/, 'the service is up');
is((split ' ', slurp("/proc/$master/task/$master/children"))[0], $worker, 'with the same worker');

done_testing;
