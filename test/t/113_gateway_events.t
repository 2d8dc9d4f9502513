# SPDX-License-Identifier: PostgreSQL
# GET /v1/events: long poll and server-sent events, who is woken and who is not, and the end of waiting.
use GroupShare::Test;
use GroupShare::StubControl;
use Time::HiRes qw(time);

my ($ann, $bob, $eve) = map {"${_}b1c2d3e-4f50-4172-8a3b-4c5d6e7f8091"} 0, 1, 2;
my %session = map { $_ => session_of('cs1', $_) } $ann, $bob, $eve;
my $cs      = new_stub_server(name => 'cs1');
my $gateway = start_gateway(servers => [$cs], settings => { gateway => { event_heartbeat_ms => 200, max_event_waiters => 6 } });

# curl has more patience than the longest wait, so that an event that wakes nobody is told from no answer.
sub asked_for { my ($who, $query) = @_; return ('GET', $gateway->url . "/v1/events?$query", token => $session{$who}, timeout_s => 90) }
sub poll { return http(asked_for(@_)) }
sub poll_begin { return http_begin(asked_for(@_)) }

# The ids of its events, or what it is instead.
sub ids {
    my ($reply) = @_;
    my $events = ref $reply->{json} eq 'HASH' && $reply->{json}{events};
    return $events ? join ',', map { $_->{id} } @{$events} : "status $reply->{status}, curl $reply->{curl}: $reply->{body}";
}

# Called so often, and each call has ended: who asks just when the database goes away is told so, and not kept waiting.
sub asked { my ($calls) = @_; return wait_for(sub { $cs->calls == $calls && $cs->running == 0 }, 'her to wait') }
sub waiters { return http('GET', $gateway->url . '/metrics')->{body} =~ /^groupshare_gateway_event_waiters(?:\{[^}]*\})? (\d+)/m ? $1 : die }

# An event stream: what it has got so far, by its file.
sub stream {
    my ($who, %o) = @_;
    my $log = scratch('stream') . '/out';
    my $process = GroupShare::Process->start(
        name => 'stream', log => $log, cwd => '/',
        command => [ qw(curl --silent --no-buffer --http2 --max-time 60), '--cacert', tls_dir() . '/ca.pem',
            '--header', "authorization: Bearer $session{$who}", map({ ('--header', $_) } @{ $o{headers} || ['accept: text/event-stream'] }),
            $gateway->url . '/v1/events' . ($o{query} || '') ]);
    return { process => $process, log => $log };
}
sub got { my ($stream, $pattern) = @_; return wait_for(sub { -e $stream->{log} && slurp($stream->{log}) =~ $pattern }, "$pattern in a stream") }

# Long poll.
is(ids(poll($ann, 'wait=0')), '', 'nothing yet: no waiting when none is asked for');
for my $wait ('61', '-1', 'x', '', '1.5') {
    is_problem(poll($ann, "wait=$wait"), 400, 'invalid_parameter', "wait=$wait");
}
my $calls = $cs->calls;
my ($hers, $his) = (poll_begin($ann, 'after=0&wait=30'), poll_begin($bob, 'after=0&wait=1'));
wait_for(sub { waiters() == 2 && $cs->calls == $calls + 2 }, 'two to wait');
$cs->add_event($ann);
is(ids(http_finish($hers)), '1', 'her event wakes her');
is(ids(http_finish($his)),  '',  'his wait ends without one');
is($cs->calls, $calls + 4, 'and he was asked for again only at its end');
is(ids(poll($ann, 'after=0&wait=30')), '1', 'what is there already is not waited for');
is(ids(poll($ann, 'after=1&wait=0')),  '',  'and not given twice');
$calls = $cs->calls;
$hers  = poll_begin($ann, 'after=1&wait=30');
asked($calls + 1);
$cs->add_event($ann, "$bob,$ann");
is(ids(http_finish($hers)), '2', 'a notification for several');
$calls = $cs->calls;
$hers  = poll_begin($ann, 'after=2&wait=30');
asked($calls + 1);
$cs->add_event($ann, '');
is(ids(http_finish($hers)), '3', 'a notification for all');
$calls = $cs->calls;
$hers  = poll_begin($ann, 'after=3&wait=30');
asked($calls + 1);
$cs->sql(q{SELECT pg_notify('groupshare_event', :'x')}, x => $_) for 'nonsense', ',,,', $eve, substr($ann, 0, 35);
is($cs->calls, $calls + 1, 'notifications for others do not have her asked for');
$cs->add_event($ann, 'not her name');
$cs->restart;
is(ids(http_finish($hers)), '4', 'what was notified while the gateway was not connected is found when it is again');
is(http('HEAD', $gateway->url . '/v1/events', token => $session{$ann})->{status}, 200, 'HEAD does not wait');

# Server-sent events.
my $all = stream($ann, headers => [], query => '');
got($all, qr/^retry: \d+\n\n/);
got($all, qr/^id: $_\nevent: share\ndata: \{.*"id":$_\b.*\}\n\n/m) for 1 .. 4;
pass('without after and wait: a stream, from the beginning');
my $late = stream($ann, headers => [ 'accept: text/event-stream', 'last-event-id: 3' ]);
got($late, qr/^id: 4$/m);
unlike(slurp($late->{log}), qr/^id: [123]$/m, 'Last-Event-ID: only what came after');
my $bobs = stream($bob, query => '?after=0');
got($bobs, qr/^: /m);
$cs->add_event($ann);
got($_, qr/^id: 5$/m) for $all, $late;
unlike(slurp($bobs->{log}), qr/^id: /m, 'a live event reaches all her streams, and none of his');
$cs->sql(q{INSERT INTO stub.event (terminal, data) SELECT :'t', '{}' FROM generate_series(1, 2000)}, t => $bob);
$cs->sql(q{SELECT pg_notify('groupshare_event', :'t')}, t => $bob);
got($bobs, qr/^id: 2005$/m);
my @bobs_ids = slurp($bobs->{log}) =~ /^id: (\d+)$/mg;
is_deeply(\@bobs_ids, [ 6 .. 2005 ], 'many at once: each once and in order');
$cs->restart;
$cs->add_event($ann);
got($all, qr/^id: 2006$/m);
is(scalar(() = slurp($all->{log}) =~ /^id: 2006$/mg), 1, 'a stream outlives a restart of the database, and loses and repeats nothing');

# Bounds.
my @more = map { stream($eve) } 1 .. 3;
got($_, qr/^: /m) for @more;
is(waiters(), 6, 'six are open');
is_problem(poll($eve, 'after=0'), 503, 'unavailable', 'the seventh is refused');
$_->{process}->stop('KILL') for @more;
ok(wait_for(sub { waiters() == 3 }, 'them to be forgotten'), 'closed streams are forgotten');

# A session that ends, ends the stream.
is_problem(http('GET', $gateway->url . '/v1/events', token => 'a.b.c'), 401, 'session_invalid', 'no stream without a session');
$cs->sql(q{INSERT INTO stub.dead VALUES (:'s')}, s => $session{$bob});
is_problem(poll($bob, ''), 401, 'session_invalid', 'nor with one that has ended: a problem, no stream');
is($bobs->{process}->wait(30), 0, 'a silent stream whose session has ended is closed');

# TERM: requests in flight are answered, waiting ends, streams end.
my $request = http_begin('GET', $gateway->url . '/v1/groups?name=gate', token => $session{$ann});
wait_for(sub { $cs->running == 1 }, 'the request to run');
$calls = $cs->calls;
my $parked = poll_begin($eve, 'after=0&wait=60');
wait_for(sub { $cs->calls > $calls }, 'her to wait');
my $begun = time;
$gateway->{process}->signal('TERM');
is($all->{process}->wait, 0, 'TERM: a stream ends in order');
my $answer = http_finish($parked);
is("$answer->{status} " . ids($answer), '200 ', 'a long poll is answered');
$cs->open_gate;
is_reply(http_finish($request), 200, 'a request in flight is answered');
$gateway->{process}->wait(30);
is($gateway->{process}{status}, 0, 'and the gateway ends in order');
unlike($gateway->log, qr/drain timeout|open handles/, 'without running into the deadline, leaving nothing open');

done_testing;
