# SPDX-License-Identifier: PostgreSQL
# A gateway drains while an event stream is being asked for, and while its client, which does not read, keeps the stream
# from being closed: the answer that comes then belongs to nobody.
use GroupShare::Test;
use GroupShare::StubControl;
use GroupShare::Env qw(pg_program);
use IPC::Open2 qw(open2);

my $cs      = new_stub_server(name => 'cs1');
my $gateway = start_gateway(servers => [$cs], settings => { gateway => { event_heartbeat_ms => 1000 }, limits => { max_streams => 1000 }, process => { drain_timeout_ms => 20000 } });
my $session = session_of('cs1', '0a1b2c3d-4e5f-4172-8a3b-4c5d6e7f8091');
my ($HEADERS, $SETTINGS, $WINDOW) = (1, 4, 8);

sub frame { my ($type, $flags, $stream, $payload) = @_; return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload }
sub size { my ($n) = @_; return $n < 127 ? pack('C', $n) : pack('CCC', 127, ($n - 127) % 128 + 128, int(($n - 127) / 128)) }
sub field { my ($name, $value) = @_; return "\0" . size(length $name) . $name . size(length $value) . $value }
sub get {
    my ($stream, $path, @more) = @_;
    return frame($HEADERS, 5, $stream, join '', map { field(@{$_}) } [ ':method', 'GET' ], [ ':scheme', 'http' ], [ ':authority', 'x' ], [ ':path', $path ], @more);
}

# It stops reading from the gateway when nobody reads from it.
my $client = open2(my $from, my $to, qw(openssl s_client -quiet -alpn h2 -connect), "127.0.0.1:$gateway->{port}");
$to->autoflush;
print {$to} "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame($SETTINGS, 0, 0, pack 'nN', 4, 0x7fffffff), frame($WINDOW, 0, 0, pack 'N', 0x7fff0000 - 65535),
    get(1, '/v1/events', [ 'authorization', "Bearer $session" ]);
my $seen = '';
wait_for(sub { sysread $from, $seen, 65536, length $seen; $seen =~ /retry: / }, 'the event stream to begin');

my $lock = GroupShare::Process->start(
    name => 'lock', log => scratch('lock') . '/out', cwd => '/',
    command => [ pg_program('psql'), '-Xqc', 'BEGIN; LOCK TABLE stub.event; SELECT pg_sleep(60)' ], env => $cs->env(database => 'stub'));
wait_for(sub { $cs->sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}) }, 'the lock');
$cs->sql(q{SELECT pg_notify('groupshare_event', '')});
wait_for(sub { $cs->running }, 'the stream to be asked for');
# More than all buffers on the way take.
# The client reads all requests at once, so they must be short: by the dynamic table.
print {$to} frame($HEADERS, 5, 3, "\x82\x87\x41\x01x\x44\x0d/openapi.json"), map { frame($HEADERS, 5, 2 * $_ + 3, "\x82\x87\xbf\xbe") } 1 .. 550;
wait_for(
    sub {
        my $sent = sub { slurp('/proc/net/tcp') =~ /: \w+:@{[ sprintf '%04X', $gateway->{port} ]} \w+:\w+ 01 0*([1-9A-F]\w*):/ ? $1 : 0 };
        my $before = $sent->();
        select undef, undef, undef, 2.5;    # heartbeats fill up the gateway's own buffer, too
        return $before && $before eq $sent->();
    },
    'the way to the client to be full');
$gateway->{process}->signal('TERM');
wait_for(sub { $gateway->log =~ /msg=draining/ }, 'it to drain');
$cs->sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
wait_for(sub { !$cs->running }, 'the answer');
kill 'KILL', $client;
waitpid $client, 0;
is($gateway->{process}->wait, 0, 'it ends well');
unlike($gateway->log, qr/Assertion|worker died/, 'and no worker died');

done_testing;
