# SPDX-License-Identifier: PostgreSQL
# Requests and frames that nobody should send: none is taken for a request, none reaches the control server, and each costs its own
# connection at most. Fields that would name another client are read by nobody.
use GroupShare::Test;
use GroupShare::StubControl;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

my $cs      = new_stub_server(name => 'cs1');
my $gateway = start_gateway(
    servers => [$cs], started_unready => 1,
    settings => { listen => { cleartext => 'true' }, limits => { max_connections_per_address => 1000, header_timeout_ms => 5000 } });
wait_for(sub { qx(curl -s --http2-prior-knowledge $gateway->{url}/readyz) =~ /ok/ }, 'the gateway to be ready');
my ($worker) = split ' ', slurp('/proc/' . $gateway->{process}->pid . '/task/' . $gateway->{process}->pid . '/children');
my $session = session_of('cs1', '0a1b2c3d-4e5f-4172-8a3b-4c5d6e7f8091');

my ($DATA, $HEADERS, undef, $RST, $SETTINGS, $PUSH, $PING, $GOAWAY, $WINDOW, $CONTINUATION) = (0 .. 9);
my ($END_STREAM, $ACK, $END_HEADERS, $PADDED, $WITH_PRIORITY) = (1, 1, 4, 8, 32);
my $PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
sub frame { my ($type, $flags, $stream, $payload) = @_; return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload }
sub size { my ($n) = @_; return $n < 127 ? pack('C', $n) : pack('CCC', 127, ($n - 127) % 128 + 128, int(($n - 127) / 128)) }
sub field { my ($name, $value) = @_; return "\0" . size(length $name) . $name . size(length $value) . $value }

# request({name => value}, [name, value], ...): pseudo fields in their order, changed or (undef) left out; then fields.
my @ORDER = (':method', ':scheme', ':authority', ':path');
sub request {
    my ($change, @more) = @_;
    my %pseudo = (':method' => 'GET', ':scheme' => 'http', ':authority' => 'x', ':path' => '/v1/groups?name=count&match=x', %{$change});
    return join '', map { field(@{$_}) } (map { [ $_, $pseudo{$_} ] } grep { defined $pseudo{$_} } @ORDER), [ 'authorization', "Bearer $session" ], @more;
}
sub ask { my ($block, $flags, $stream) = @_; return frame($HEADERS, $END_HEADERS | ($flags // $END_STREAM), $stream // 1, $block) }
sub get { return ask(request(@_)) }
sub post { my ($body, @more) = @_; return ask(request({ ':method' => 'POST', ':path' => '/v1/groups' }, @more), 0) . frame($DATA, $END_STREAM, 1, $body) }

my @DIGITS = map { $_ < 3 ? sprintf '%05b', $_ : sprintf '%06b', $_ + 22 } 0 .. 9;
my %STATUS = (0x88 => 200, 0x89 => 204, 0x8a => 206, 0x8b => 304, 0x8c => 400, 0x8d => 404, 0x8e => 500);

# The status of an answer's header block (RFC 7541), whose first field it is.
sub status_of {
    my ($block) = @_;
    return $STATUS{ ord $block } if $STATUS{ ord $block };
    my ($length) = unpack 'x C', $block;
    return substr $block, 2, 3 if $length < 128;
    my $bits = unpack 'B*', substr $block, 2, $length & 127;
    my $text = '';
    while (length $text < 3) {
        my ($digit) = grep { index($bits, $DIGITS[$_]) == 0 } 0 .. 9;
        return 'unknown' if !defined $digit;
        $text .= $digit;
        $bits = substr $bits, length $DIGITS[$digit];
    }
    return $text;
}

# What becomes of the bytes: a status, 'reset', 'goaway CODE', 'closed', or 'nothing'.
sub fate {
    my ($bytes, %o) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $gateway->{port}) or die "connect: $!";
    my $in     = '';
    my $end    = time + 20;
    local $SIG{PIPE} = 'IGNORE';
    syswrite $socket, ($o{preface} // $PREFACE . frame($SETTINGS, 0, 0, '')) . $bytes;
    while (time < $end) {
        while (length $in >= 9 && length $in >= 9 + unpack 'N', "\0" . substr $in, 0, 3) {
            my $length = unpack 'N', "\0" . substr $in, 0, 3;
            my ($type, $flags, $stream) = unpack 'x3 C C N', $in;
            my $payload = substr $in, 9, $length;
            $in = substr $in, 9 + $length;
            return 'reset' if $type == $RST;
            return 'goaway ' . unpack 'x4 N', $payload if $type == $GOAWAY;
            return status_of($payload) if $type == $HEADERS;
        }
        IO::Select->new($socket)->can_read(1) or next;
        sysread $socket, $in, 65536, length $in or return 'closed';
    }
    return 'nothing';
}

my %case;    # name => [bytes, what may become of it[, preface => ...]]
my $REFUSED = qr/^(?:4\d\d|reset|closed|goaway [1-9]\d*)$/;
sub refused { my ($name, $bytes, %o) = @_; $case{$name} = [ $bytes, $REFUSED, %o ]; return }

# Characters that would be read as the end of something by whoever comes next.
my %cut = ('NUL' => "\0", 'CR' => "\r", 'LF' => "\n", 'CR LF' => "\r\n", 'DEL' => "\x7f");
for my $what (sort keys %cut) {
    for my $at ('first', 'amid', 'last') {
        my $spoilt = sub { my ($value) = @_; return $at eq 'first' ? "$cut{$what}$value" : $at eq 'last' ? "$value$cut{$what}" : substr($value, 0, 2) . $cut{$what} . substr $value, 2 };
        refused("$what $at in $_", get({ $_ => $spoilt->($_ eq ':path' ? '/v1/groups?name=count&match=x' : 'GETS') })) for ':method', ':path', ':scheme', ':authority';
        refused("$what $at in a value", get({}, [ 'x-a', $spoilt->('some') ]));
        refused("$what $at in cookie",  get({}, [ 'cookie', $spoilt->('a=b; c') ]));
        refused("$what $at in a name",  get({}, [ $spoilt->('x-some'), 'a' ]));
    }
}
refused(sprintf('0x%02x in a name', ord $_), get({}, [ "x${_}a", 'b' ])) for split //, " \t\"(),/:;<=>?\@[\\]{}AZ\x80\xff";
refused('a field without a name', get({}, [ '', 'b' ]));
refused("the field $_->[0]: $_->[1]", get({}, $_))
    for [ connection => 'close' ], [ connection => 'x-a' ], [ 'keep-alive' => '5' ], [ 'proxy-connection' => 'keep-alive' ], [ upgrade => 'h2c' ],
    [ 'transfer-encoding' => 'chunked' ], [ 'transfer-encoding' => 'identity' ], [ te => 'gzip' ], [ te => 'trailers, gzip' ];
refused('authorization twice', get({}, [ 'authorization', "Bearer $session" ]));
refused('another host than the authority', get({}, [ 'host', 'y' ]));
refused('two hosts', get({ ':authority' => undef }, [ 'host', 'x' ], [ 'host', 'y' ]));

# Pseudo fields.
refused("without $_", get({ $_ => undef })) for ':method', ':path', ':scheme';
refused("$_ twice", ask(request({}) =~ s/^/field($_, ':path' eq $_ ? '\/x' : 'GET')/er)) for @ORDER;
refused("$_ behind a field", ask(field('x-a', 'b') . request({}))) for 'pseudo fields';
refused("$_ in a request", ask(field($_, '200') . request({}))) for ':status', ':protocol', ':foo', ':';
refused("path '$_'", get({ ':path' => $_ })) for '', 'v1/groups', '*', 'http://x/v1/groups', '/v1/groups#a', '/v1/%', '/v1/groups?a=%zz', "/v1/groups?name=count&match=x\x80";
refused("method '$_'", get({ ':method' => $_ })) for '', 'G T', 'get', 'GET /', 'TRACE', 'CONNECT';
refused('pseudo fields in trailers', ask(request({ ':method' => 'POST', ':path' => '/v1/groups' }), 0) . frame($DATA, 0, 1, '{}') . ask(field(':path', '/x')));
refused('trailers that do not end',  ask(request({ ':method' => 'POST', ':path' => '/v1/groups' }), 0) . frame($DATA, 0, 1, '{}') . ask(field('x-a', 'b'), 0));

# Lengths.
refused("content-length '$_'", post('{"name":"count"}', [ 'content-length', $_ ]))
    for '', '-1', '+16', ' 16x', '16x', '0x10', '1e1', '16,16', '16, 16', '18446744073709551616', '99999999999999999999', '9223372036854775808', '15', '17', '0';
refused('two content-lengths', post('{"name":"count"}', [ 'content-length', 16 ], [ 'content-length', 15 ]));
refused('content-length of a request without body', get({}, [ 'content-length', '5' ]));

# UTF-8 and percent-encoding.
refused('target with ' . unpack('H*', $_), get({ ':path' => "/v1/groups?match=x&name=$_" }))
    for "\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xe0\x80\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\xfe";
refused("target with $_", get({ ':path' => "/v1/groups?match=x&name=$_" })) for '%', '%2', '%2x', '%00', '%80', '%c0%af', '%ed%a0%80', '%f4%90%80%80', '%ff';
refused('a parameter twice', get({ ':path' => '/v1/groups?name=count&name=count&match=x' }));
refused('a path that climbs', get({ ':path' => '/v1/../v1/groups?name=count&match=x' }));

# Frames.
my $ok = get({});
my %frames = (
    'DATA on stream 0' => frame($DATA, 0, 0, 'x'), 'HEADERS on stream 0' => frame($HEADERS, 5, 0, request({})), 'an even stream' => ask(request({}), $END_STREAM, 2),
    'DATA on an idle stream' => frame($DATA, 0, 1, 'x'), 'RST_STREAM on an idle stream' => frame($RST, 0, 1, pack 'N', 8), 'RST_STREAM on stream 0' => frame($RST, 0, 0, pack 'N', 8),
    'WINDOW_UPDATE on an idle stream' => frame($WINDOW, 0, 1, pack 'N', 1), 'WINDOW_UPDATE of 0' => frame($WINDOW, 0, 0, pack 'N', 0),
    'WINDOW_UPDATE too wide' => frame($WINDOW, 0, 0, pack 'N', 0x7fffffff), 'WINDOW_UPDATE of 3 bytes' => frame($WINDOW, 0, 0, 'xxx'),
    'SETTINGS on a stream' => frame($SETTINGS, 0, 1, ''), 'SETTINGS of 5 bytes' => frame($SETTINGS, 0, 0, 'xxxxx'), 'SETTINGS ACK with values' => frame($SETTINGS, $ACK, 0, pack 'nN', 4, 1),
    'SETTINGS that pushes' => frame($SETTINGS, 0, 0, pack 'nN', 2, 2), 'SETTINGS with a window too wide' => frame($SETTINGS, 0, 0, pack 'nN', 4, 0x80000000),
    'SETTINGS with frames too small' => frame($SETTINGS, 0, 0, pack 'nN', 5, 16383), 'SETTINGS with frames too large' => frame($SETTINGS, 0, 0, pack 'nN', 5, 16777216),
    'PING of 7 bytes' => frame($PING, 0, 0, 'xxxxxxx'), 'PING on a stream' => frame($PING, 0, 1, 'xxxxxxxx'), 'GOAWAY on a stream' => frame($GOAWAY, 0, 1, pack 'NN', 0, 0),
    'GOAWAY of 7 bytes' => frame($GOAWAY, 0, 0, 'xxxxxxx'), 'RST_STREAM of 3 bytes' => ask(request({}), 0) . frame($RST, 0, 1, 'xxx'),
    'PUSH_PROMISE' => frame($PUSH, $END_HEADERS, 1, pack('N', 2) . request({})), 'CONTINUATION alone' => frame($CONTINUATION, $END_HEADERS, 1, request({})),
    'another frame in a header block' => frame($HEADERS, $END_STREAM, 1, request({})) . frame($PING, 0, 0, 'xxxxxxxx'),
    'CONTINUATION of another stream' => frame($HEADERS, $END_STREAM, 1, request({})) . frame($CONTINUATION, $END_HEADERS, 3, ''),
    'DATA with more padding than bytes' => ask(request({}), 0) . frame($DATA, $PADDED, 1, "\x05xx"), 'HEADERS with more padding than bytes' => frame($HEADERS, 5 | $PADDED, 1, "\xff" . request({})),
    'DATA without its padding' => ask(request({}), 0) . frame($DATA, $PADDED, 1, ''), 'a frame of 16,385 bytes' => frame(0xfa, 0, 0, 'x' x 16385),
    'HEADERS that depend on themselves' => frame($HEADERS, 5 | $WITH_PRIORITY, 1, pack('NC', 1, 1) . request({})),
    'index 0' => ask("\x80"), 'an index beyond the table' => ask("\xff\x80\x01"), 'a table too large' => ask("\x3f\xe1\xff\x03" . request({})), 'a table size behind fields' => ask(request({}) . "\x20"),
    'an integer without end' => ask("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 'a string cut off' => ask("\x40\x10x"), 'a string with the end of Huffman codes' => ask("\x40\x84\xff\xff\xff\xff\x01a"),
    'Huffman padding of zeros' => ask("\x40\x81\x00\x01a"), 'a name cut off' => ask("\x40"));
refused($_, $frames{$_}) for keys %frames;
refused("preface '$_->[0]'", '', preface => $_->[1])
    for [ 'HTTP/1.1', "GET /v1/groups?name=count&match=x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $session\r\n\r\n" ], [ 'HTTP/1.0', "GET / HTTP/1.0\r\n\r\n" ],
    [ 'TLS', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . 'r' x 600 ], [ 'another version', "PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n" . frame($SETTINGS, 0, 0, '') ],
    [ 'no SETTINGS', $PREFACE . frame($PING, 0, 0, 'xxxxxxxx') ];

is(fate($ok), 200, 'what all are made from is a good request');
my $calls = $cs->calls;
for my $name (sort keys %case) {
    my ($bytes, $may, %o) = @{ $case{$name} };
    like(fate($bytes, %o), $may, $name =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger);
}
cmp_ok(scalar keys %case, '>=', 150, 'that were ' . scalar(keys %case) . ' cases');
is($cs->calls, $calls, 'none of them reached the control server');

# Who the client is said to be.
for my $name (qw(x-forwarded-for forwarded x-real-ip x-client-ip true-client-ip x-user x-remote-user remote-user x-terminal x-groupshare-terminal x-session)) {
    my ($out) = qx(curl -s --http2-prior-knowledge -H 'authorization: Bearer $session' -H '$name: 203.0.113.7' '$gateway->{url}/v1/shares') =~ /"peer": *"([^"]*)"/;
    is($out, '127.0.0.1', "$name does not change who asks");
}
is((split ' ', slurp('/proc/' . $gateway->{process}->pid . '/task/' . $gateway->{process}->pid . '/children'))[0], $worker, 'the worker lives');

done_testing;
