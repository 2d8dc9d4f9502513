# SPDX-License-Identifier: PostgreSQL
# The storage daemon when something around it fails: the control server, the disk, its own end.
use GroupShare::Test;
use GroupShare::Storage;

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', program => program('faults/groupshare-storaged'),
    capacity => 1 << 30, settings => { storage => { report_interval_ms => 200, receipt_wait_ms => 300 } });
my $ann  = new_owner($cs, 'ann@example.org');
my $file = spit(scratch('f') . '/f', 'x' x 100_000);
sub read_only { return $cs->sql('SELECT read_only FROM groupshare.device_ledger') }

# The control server is away: 202, and settled when it is back, also over a start of the daemon.
my @uploads = map { notice($ann, 100_000) } 1 .. 3;
$cs->stop('immediate');
my $reply = put($uploads[0], $file);
is_reply($reply, 202, 'without its control server the device holds the bytes');
is($reply->{json}{state}, 'receipt_pending', 'and says so');
is_reply(put($uploads[0], $file), 202, 'again, identical');
is_problem(put($uploads[0], spit(scratch('f') . '/f', 'y' x 100_000)), 409, 'different', 'again, different');
is_problem(http('DELETE', $uploads[0]{url}, token => $uploads[0]{ticket}), 409, 'stored', 'it is stored');
is_deeply(files_under($device, 'journal'), ["$uploads[0]{object}.json"], 'its receipt waits');
$cs->start;
wait_for(sub { share_state($uploads[0]) eq 'stored' }, 'the receipt');
wait_for(sub { !@{ files_under($device, 'journal') } }, 'the journal to be empty');
$cs->stop('immediate');
is_reply(put($uploads[1], $file), 202, 'away again');
$device->{started_unready} = 1;
$device->kill9;
$device->start;
is_problem(http('GET', $device->url . '/readyz'), 503, 'not_ready', 'not ready without a control server');
is(http('GET', $device->url . '/healthz')->{status}, 200, 'but alive');
for my $method ('GET', 'PUT', 'PATCH', 'DELETE') {
    my $reply = http($method, $uploads[1]{url}, token => $uploads[1]{ticket}, $method =~ /^P/ ? (file => $file) : ());
    is_problem($reply, 503, 'unavailable', "$method: no ticket is believed before the first contact, nor called wrong");
    cmp_ok($reply->{headers}{'retry-after'} // 0, '>', 0, 'and the client knows when to come again');
}
is(http('HEAD', $uploads[1]{url}, token => $uploads[1]{ticket})->{status}, 503, 'HEAD likewise');
is_problem(http('GET', $uploads[1]{url}, token => 'nonsense'), 401, 'ticket_invalid', 'what is no ticket is refused');
is_problem(http('GET', $uploads[1]{url}), 401, 'ticket_missing', 'and so is none');
$cs->start;
wait_for(sub { share_state($uploads[1]) eq 'stored' }, 'the receipt after a start');
is_reply(put($uploads[1], $file), 201, 'the client hears so');
delete $device->{started_unready};
is_problem(http('GET', $uploads[1]{url}, token => forge($cs, $uploads[1]{ticket}, {}, header => { kid => 'nobody' }, key => 'k' x 32)), 401, 'ticket_invalid',
    'a key that it has not is wrong now');

# The server fails on a receipt: it is tried again, the others go on.
$device->wait_announced;
$cs->sql(q{CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$});
$cs->sql(q{CREATE TRIGGER fail BEFORE UPDATE ON groupshare.share FOR EACH ROW WHEN (NEW.name = 'bad') EXECUTE FUNCTION public.fail()});
my $bad = notice($ann, 100_000, name => 'bad');
is_reply(put($bad, $file), 202, 'a receipt that fails');
is_reply(put($uploads[2], $file), 201, 'another one is not held up');
$cs->sql('DROP TRIGGER fail ON groupshare.share');
wait_for(sub { share_state($bad) eq 'stored' }, 'the failed one');
pass('the failed one is tried again');

# Those that waited travel together, in one transaction; one that is bad among them is not the others' business.
my %together = map { $_ => notice($ann, 100_000, name => $_) } qw(bad2 wrong good1 good2 good3);
$cs->sql(q{CREATE TRIGGER fail BEFORE UPDATE ON groupshare.share FOR EACH ROW WHEN (NEW.name = 'bad2') EXECUTE FUNCTION public.fail()});
$cs->sql(q{UPDATE groupshare.share SET sha256 = sha256('other') WHERE name = 'wrong'});
$cs->stop('immediate');
is_reply(put($together{$_}, $file), 202, "away: $_") for sort keys %together;
$cs->start;
wait_for(sub { 3 == grep { share_state($together{$_}) eq 'stored' } qw(good1 good2 good3) }, 'the good ones');
isnt(share_state($together{$_}), 'stored', "$_ is not") for qw(bad2 wrong);
wait_for(sub { !grep {/\Q$together{wrong}{object}\E/} @{ files_under($device) } }, 'the wrong one to be dropped');
ok((grep {/\Q$together{bad2}{object}\E/} @{ files_under($device, 'journal') }), 'the failing one is kept');
$cs->sql('DROP TRIGGER fail ON groupshare.share');
wait_for(sub { share_state($together{bad2}) eq 'stored' }, 'the failing one at last');
my @more = map { notice($ann, 100_000) } 1 .. 5;
$cs->stop('immediate');
is_reply(put($_, $file), 202, 'away') for @more;
$cs->start;
wait_for(sub { 5 == grep { share_state($_) eq 'stored' } @more }, 'all');
is($cs->sql(q{SELECT count(DISTINCT stored_at) FROM groupshare.share WHERE id = ANY (:'ids')},
    ids => '{' . join(',', map { $_->{share} } @more) . '}'), 1, 'one transaction for all');

# A backend is killed: a new connection.
$cs->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'd1'});
is_reply(put(notice($ann, 100_000), $file), 201, 'after its backend was killed');

# TERM: the running upload ends well, then the daemon.
my $slow    = notice($ann, 100_000);
my $request = http_begin('PUT', $slow->{url}, token => $slow->{ticket}, file => $file, curl => [ '--limit-rate', '100k' ]);
wait_for(sub { -e "$device->{root}/staging/$slow->{object}" }, 'an upload to run');
$device->{process}->signal('TERM');
is_reply(http_finish($request), 201, 'TERM lets a running upload end');
is($device->{process}->wait, 0, 'then the daemon ends with 0');
is(share_state($slow), 'stored', 'and the share is stored');
$device->start;

# Room.
my $second = add_device(
    servers => [$cs], name => 'd2', location => 'eu/b', start => 0);
my $claims = notice($ann, 100_000);
is_problem(put({ %{$claims}, ticket => forge($cs, $claims->{ticket}, { size => 2 << 30 }) }, $file, curl => [ '--header', 'content-length:' ]),
    507, 'no_room', 'more than the capacity');
is_deeply(files_under($device, 'staging'), [], 'nothing was staged');
is($cs->sql('SELECT capacity_bytes FROM groupshare.device_ledger ORDER BY epoch LIMIT 1'), 1 << 30, 'the capacity is reported');
$device->{env} = { GROUPSHARE_STORAGED_FAIL_AT => 'fallocate:28' };
$device->restart;
$reply = put($claims, $file);
is_problem($reply, 507, 'no_room', 'the disk is full');
ok($reply->{headers}{'retry-after'}, 'with Retry-After');
$device->{env} = { GROUPSHARE_STORAGED_FAIL_AT => 'write:5' };
$device->restart;
is_problem(put($claims, $file), 500, 'internal', 'a write fails');
is_deeply([ grep {/\Q$claims->{object}\E/} @{ files_under($device) } ], [], 'nothing is left');

# The file system has turned read-only by itself, and nothing had told so yet.
$device->{env} = { GROUPSHARE_STORAGED_FAIL_AT => 'fallocate:30' };
$device->restart;
is_problem(put($claims, $file), 507, 'no_room', 'a file system that has turned read-only sends the client elsewhere');
wait_for(sub { read_only() =~ /^t/m }, 'the control server to know');
pass('and others too');

# fsync fails: never acknowledged, and nothing is promised on this disk any more.
$device->{env} = { GROUPSHARE_STORAGED_FAIL_AT => 'fsync:5' };
$device->restart;
is_problem(put($claims, $file), 500, 'internal', 'fsync fails');
is(share_state($claims), 'pending', 'not acknowledged');
is_deeply([ grep {/\Q$claims->{object}\E/} @{ files_under($device) } ], [], 'the staged file is gone');
is_problem(put($claims, $file), 507, 'no_room', 'the device takes no more');
wait_for(sub { read_only() =~ /^t/m }, 'the control server to know');
ok(get(designation($ann, $slow))->{status} == 200, 'reading goes on');
$device->{env} = {};
$device->restart;
is_reply(put($claims, $file), 201, 'a start forgets it');
wait_for(sub { read_only() !~ /^t/m }, 'the control server to know');

# One daemon a disk, one daemon a device.
my ($status, $out, $err) = run({
    command => [ program('groupshare-storaged'), '--config', "$device->{dir}/config.ini" ],
    env => { GROUPSHARE_STORAGED_LISTEN_PORT => 0, GROUPSHARE_STORAGED_LISTEN_PORT_FILE => scratch('p') . '/port' } });
isnt($status, 0, 'a second daemon does not start');
like("$out$err", qr/another groupshare-storaged uses/, 'and says why');
is_reply(put(notice($ann, 100_000), $file), 201, 'the first goes on');
$cs->sql(q{SELECT groupshare.device_announce((extract(epoch FROM now()) * 2000000)::bigint, 'https://x', 1, 1, 0, 1000, 'x')}, -user => 'd1');
wait_for(sub { !$device->{process}->alive }, 'the stale daemon to end');
is($device->{process}{status} >> 8, 1, 'a daemon that was superseded ends with 1');
like($device->log, qr/another daemon has announced itself/, 'and says why');

sub notice_at {
    my ($where) = @_;
    my $json = $cs->sql(q{SELECT row_to_json(n) FROM groupshare.upload_notice('ann@example.org', gen_random_uuid()::text, 100000,
        avoid => (SELECT array_agg(name) FROM groupshare.device WHERE name <> :'w')) n}, w => $where);
    return { %{ json_decode($json) }, size => 100_000, cs => $cs };
}

# A transaction holds the device's row for long: the daemon keeps its connection, hears its work, and what can't be taken now is taken later.
my $third = add_device(
    servers => [$cs], name => 'd3', location => 'eu/c', settings => { storage => { report_interval_ms => 200, receipt_wait_ms => 500 } });
my $of_third = q{l.device_id = (SELECT id FROM groupshare.device WHERE name = 'd3')};
my $reported = sub { $cs->sql("SELECT reported_at FROM groupshare.device_ledger l WHERE $of_third") };
my $calls    = sub { $cs->sql(q{SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE usename = 'd3'}) };
my ($kept, $late) = map { notice_at('d3') } 1 .. 2;
is_reply(put($kept, $file), 201, 'before it');
my $by = $calls->();
my $lock = GroupShare::Process->start(
    name => 'lock', log => scratch('lock') . '/out', cwd => '/', env => $cs->env(database => $cs->{database}),
    command => [ pg_program('psql'), '-Xqc', "BEGIN; SELECT FROM groupshare.device_ledger l WHERE $of_third FOR UPDATE; SELECT pg_sleep(300)" ]);
wait_for(sub { $cs->sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}) }, 'the lock');
is_reply(put($late, $file), 202, 'an upload is kept by the device');
my $before = $reported->();
$cs->sql(q{INSERT INTO groupshare.device_work (device_id, kind, terminal_id) SELECT id, 'revoke', gen_random_uuid() FROM groupshare.device WHERE name = 'd3'});
wait_for(sub { $cs->sql(q{SELECT count(*) FROM groupshare.device_work w JOIN groupshare.device d ON d.id = w.device_id WHERE d.name = 'd3' AND w.kind = 'revoke' AND w.done_at IS NOT NULL}) },
    'a revocation to be heard of meanwhile');
is($reported->(), $before, 'its reports wait for the next ones');
is($calls->(), $by, 'all by the one connection');
$cs->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
wait_for(sub { $reported->() ne $before }, 'a report when the row is free again');
wait_for(sub { $cs->sql(q{SELECT count(*) FROM groupshare.share WHERE state = 'pending' AND id = :'s'}, s => $late->{share}) == 0 }, 'the receipt to be taken');
is($calls->(), $by, 'still by that connection');
like(slurp("$cs->{dir}/log"), qr/a report of storage device "d3" was passed over: its row is locked/, 'the server says why it hears nothing');

# A call that can't be answered in time, whatever it does over there: what the daemon has given up does not go on there.
my $fourth = add_device(
    servers => [$cs], name => 'd4', location => 'eu/d', settings => { storage => { report_interval_ms => 200, call_timeout_ms => 400 } });
$cs->sql(q{CREATE FUNCTION public.dream() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(300); RETURN NEW; END$$});
$cs->sql(q{CREATE TRIGGER dream BEFORE UPDATE ON groupshare.device_ledger FOR EACH ROW WHEN (NEW.name = 'd4') EXECUTE FUNCTION public.dream()});
my $dreams = sub { $cs->sql(q{SELECT pid FROM pg_stat_activity WHERE usename = 'd4' AND wait_event = 'PgSleep' LIMIT 1}) };
my $dream = wait_for($dreams, 'a call that does not end');
wait_for(sub { $fourth->log =~ /no answer within call_timeout_ms/ }, 'the daemon to give it up');
ok(wait_for(sub { !$cs->sql('SELECT count(*) FROM pg_stat_activity WHERE pid = :p', p => $dream) }, 'its backend to end'), 'a call that was given up ends by itself');
$cs->sql('DROP TRIGGER dream ON groupshare.device_ledger');
$reported = sub { $cs->sql(q{SELECT reported_at FROM groupshare.device_ledger WHERE name = 'd4'}) };
$before = $reported->();
wait_for(sub { $reported->() ne $before }, 'a report when nothing is in the way');
cmp_ok($cs->sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'd4'}), '<=', 2, 'by one connection');

# Settings.
my %wrong = (
    'workers must be 1' => { process => { workers => 2 } }, 'public_url must start' => { storage => { public_url => 'ftp://x' } },
    'must not end with a slash' => { storage => { public_url => 'https://x/' } }, 'unknown setting' => { storage => { rot => 1 } },
    'is not a libpq connection string' => { 'control.cs1' => { conninfo => "host=x password='a" } },
    'log.level is none of' => { log => { level => 'loud' } },
    'unknown setting, \[control' => { 'control.cs1' => { conninfo => 'dbname=x', host => 'x' } });
for my $what (sort keys %wrong) {
    my %config = map { $_ => { %{ $second->{config}{$_} || {} }, %{ $wrong{$what}{$_} || {} } } } keys %{ $second->{config} }, keys %{ $wrong{$what} };
    my $ini = spit("$second->{dir}/wrong.ini", GroupShare::System::ini(\%config));
    ($status, $out, $err) = run({ command => [ program('groupshare-storaged'), '--config', $ini, '--check-config' ] });
    isnt($status, 0, "--check-config: $what");
    like($err, qr/$what/, 'says so');
}
my %shown = (%{ $second->{config} }, 'control.cs1' => { conninfo => "host=/x user='a b' password=s3cret sslmode=prefer" });
my $ini = spit("$second->{dir}/shown.ini", GroupShare::System::ini(\%shown));
($status, $out, $err) = run({ command => [ program('groupshare-storaged'), '--config', $ini, '--dump-config' ] });
like($out, qr/^\[control\.cs1\]\nconninfo = (?=.*user='a b')(?=.*host='\/x').*password=\*\*\*/m, '--dump-config shows the control servers');
unlike("$out$err", qr/s3cret/, 'but no password');

done_testing;
