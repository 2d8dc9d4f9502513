# SPDX-License-Identifier: PostgreSQL
# Events over real processes: none is lost when the gateway, the worker or PostgreSQL is killed between the commit and the
# delivery; a stream ends with its session; a command is run on each event.
use GroupShare::Test;
use GroupShare::Authz;
use GroupShare::Cli;

# The worker looks once an hour: what reaches a stream soon came by another way than its wake-up.
my $cs      = new_control_server(name => 'cs1', conf => { 'groupshare.maintenance_interval' => '1h' });
my %slow    = (event_heartbeat_ms => 600000);
my $gateway = start_gateway(servers => [$cs], settings => { gateway => {%slow} });
my $ann     = new_terminal('ann@x.org', gateway => $gateway, server => $cs);
my $group   = $ann->create_group('friends', { join => { rule => 'anyone' } });

sub stream {
    my ($session, %o) = @_;
    my $log = scratch('stream') . '/out';
    return {
        log => $log,
        process => GroupShare::Process->start(
            name => 'stream', log => $log, cwd => '/',
            command => [ qw(curl --silent --no-buffer --http2 --max-time 120), '--cacert', tls_dir() . '/ca.pem',
                '--header', "authorization: Bearer $session", '--header', 'accept: text/event-stream',
                (defined $o{last} ? ('--header', "last-event-id: $o{last}") : ()), $gateway->url . '/v1/events' ]) };
}
sub got { my ($stream, $pattern) = @_; return wait_for(sub { -e $stream->{log} && slurp($stream->{log}) =~ $pattern && $1 // 1 }, "$pattern in a stream") }
sub waiting { my ($n) = @_; return wait_for(sub { http('GET', $gateway->url . '/metrics')->{body} =~ /^groupshare_gateway_event_waiters\S* $n$/m }, "$n to wait") }
sub joins {
    my ($who) = @_;
    return $cs->sql(q{SELECT groupshare.add_terminal(:'who'); SELECT groupshare.join_group(:'who', :'group')}, who => $who, group => $group);
}
sub member { my ($who) = @_; return qr/^id: (\d+)\nevent: member\ndata: \{[^\n]*"$who"/m }

# Nothing is lost between commit and delivery.
my $stream = stream($ann->{session});
got($stream, qr/^retry: \d+$/m);
joins('first@x.org');
$cs->sql('SELECT groupshare.run_maintenance()');
my $first = got($stream, member('first@x.org'));
ok($first, 'the worker wakes an open stream');

joins('postgres@x.org');
$cs->kill9;
$cs->start;
ok(got($stream, member('postgres@x.org')) > $first, 'PostgreSQL killed after the commit: the same stream goes on');

joins('worker@x.org');
my $worker = wait_for(sub { $cs->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'groupshare maintenance'}) }, 'the worker');
kill 'KILL', $worker or die "kill: $!";
my $last = got($stream, member('worker@x.org'));
ok($last, 'the worker killed: the same');
# It may have told before it was killed, and the database, which all of it starts anew after that, may not be back.
wait_for(sub { eval { $cs->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'groupshare maintenance' AND pid <> $worker") } }, 'the next worker');

joins('gateway@x.org');
$gateway->kill9;
$stream->{process}->wait;
unlike(slurp($stream->{log}), qr/gateway\@x\.org/, 'the gateway killed before it told');
$gateway->start;
my $resumed = stream($ann->{session}, last => $last);
ok(got($resumed, member('gateway@x.org')) > $last, 'Last-Event-ID goes on behind it');
joins('end@x.org');
$cs->sql('SELECT groupshare.run_maintenance()');
got($resumed, member('end@x.org'));
my @ids = map { slurp($_->{log}) =~ /^id: (\d+)$/mg } $stream, $resumed;
is_deeply(\@ids, [ sort { $a <=> $b } keys %{ { map { $_ => 1 } @ids } } ], 'each event once, in order, over all of it');
my ($all) = slurp($resumed->{log}) =~ /^(?:id: (\d+)\n)/m;
is(scalar(() = slurp($resumed->{log}) =~ /\@x\.org/g), 2, 'and nothing again');

# A session that ends, ends its requests. Their heartbeat comes after ten minutes, so it is not that which tells.
my $ended = 0;

sub ends {
    my ($how, $what) = @_;
    my $who = 'ends' . ++$ended . '@x.org';
    joins($who);
    $cs->sql(q{UPDATE groupshare.terminal SET enrolled_at = now(), public_key = sha256('x') WHERE identifier = :'who'}, who => $who);
    my $session = session_for($cs, $who);
    my ($live, $poll) = (stream($session), http_begin('GET', $gateway->url . '/v1/events?after=999999&wait=60', token => $session));
    got($live, qr/^retry: \d+$/m);
    waiting(3);
    $cs->sql($how, who => $who);
    is($live->{process}->wait(30), 0, "$what: the stream ends");
    is_problem(http_finish($poll), 401, 'session_invalid', "$what: the long poll is refused");
    return;
}
waiting(1);
ends(q{SELECT groupshare.revoke_terminal(:'who')}, 'revoked');
ends(q{UPDATE groupshare.terminal SET epoch = epoch + 1 WHERE identifier = :'who'}, 'a DBA raises the epoch');
$cs->sql(q{INSERT INTO groupshare.plan (name, sharing) VALUES ('none', false)});
ends(q{SELECT groupshare.set_terminal_plan(:'who', 'none')}, 'a plan without sharing');
ok($resumed->{process}->alive, "another terminal's stream goes on");
$cs->sql('SELECT groupshare.rotate_secrets(revoke => true)');
is($resumed->{process}->wait(30), 0, 'all sessions revoked: it ends too');

# watch --exec: what others typed is data.
my $eve = new_person('eve@x.org', gateway => $gateway, server => $cs);
my $bad = q{$(touch pwned) `touch pwned` "; touch pwned; '};
$eve->type('create', 'group ' . $bad, '--join', 'anyone');
my ($id) = map { $_->{id} } grep { $_->{name} =~ /pwned/ } @{ ($eve->ask('groups'))[0]{groups} || [] };
$cs->sql(q{SELECT groupshare.add_terminal('bob@x.org'); SELECT groupshare.join_group('bob@x.org', id) FROM groupshare.sharing_group WHERE name LIKE '%pwned%'});
my $command = 'cat >> seen; printf "%s\n" "$GROUPSHARE_EVENT_ID $GROUPSHARE_EVENT_KIND $GROUPSHARE_EVENT_TERMINAL $GROUPSHARE_EVENT_GROUP_NAME" >> said; exit 3';
my ($status, $out, $err) = $eve->type('watch', '--once', '--after', 0, '--exec', $command);
is($status, 0, 'watch --exec') or diag $err;
is($out, '', 'prints nothing itself');
like($err, qr/command failed with 3/, 'says that the command failed, and goes on');
my @seen = map { json_decode($_) } split /\n/, slurp("$eve->{cwd}/seen");
my ($joined) = grep { $_->{kind} eq 'member' && $_->{data}{terminal} eq 'bob@x.org' } @seen;
ok($joined, 'the event is on the standard input');
ok(scalar(grep { $_ eq "$joined->{id} member bob\@x.org $joined->{data}{group_name}" } split /\n/, slurp("$eve->{cwd}/said")), 'and in the environment')
    or diag(slurp("$eve->{cwd}/said"));
like($joined->{data}{group_name}, qr/\Q$bad\E/, 'a name that would be a command');
ok(!-e "$eve->{cwd}/pwned", 'is none');
is(scalar(split /\n/, slurp("$eve->{cwd}/seen")), do { $eve->type('watch', '--once', '--exec', 'cat >> seen'); scalar(split /\n/, slurp("$eve->{cwd}/seen")) },
    'each event once');
my $live = GroupShare::Process->start(
    name => 'watch', command => [ program('groupshare'), 'watch', '--exec', 'exec cat >> live' ], log => scratch('watch') . '/log',
    cwd => $eve->{cwd}, env => $eve->env);
waiting(1);
$cs->sql(q{SELECT groupshare.leave_group('bob@x.org', id) FROM groupshare.sharing_group WHERE name LIKE '%pwned%'; SELECT groupshare.run_maintenance()});
ok(wait_for(sub { -e "$eve->{cwd}/live" && slurp("$eve->{cwd}/live") =~ /"left"/ }, 'a live event'), 'live events too');
$live->stop;

done_testing;
