# SPDX-License-Identifier: PostgreSQL
# Many notices race for few bytes: exactly what the devices have is granted, and all accounts agree afterwards. Then the
# background worker: it expires, wakes waiting event requests, and comes back after it was killed. GS_LONG=1: 10,048 notices by 64
# connections, and four rounds of 5,760 transactions of churn, or as many as there is time for.
use GroupShare::Test;

my $LONG = $ENV{GS_LONG};
my ($devices, $size) = (4, 100);
my ($grants, $clients, $each) = $LONG ? (500, 64, 157) : (50, 16, 63);
my $server = new_control_server(
    name => 'cs1',
    conf => {
        'groupshare.databases'                 => 'gs, later',
        'groupshare.device_headroom'           => 0,
        'groupshare.device_high_water_percent' => 100,
        'groupshare.placement_candidates'      => 3,
        'groupshare.placement_wait'            => '30s',
        'groupshare.maintenance_interval'      => '100ms',
        jit                                    => 'off',
    },
    fsync => 0);
add_crowd($server, 40, 'z/0');
$server->sql(<<'SQL', devices => $devices, free => $grants * $size + 1);
SELECT format('CREATE ROLE d%1$s LOGIN', n), format('SELECT groupshare.add_storage_device(%L, %L, %L)', 'd' || n, 'd' || n, 'z/' || n % 2),
       format('SET SESSION AUTHORIZATION d%s', n),
       format('SELECT groupshare.device_announce(1, %L, 1000000, %s, 0, 3600000, %L)', 'https://d.test', :free, '1'),
       'RESET SESSION AUTHORIZATION'
  FROM generate_series(1, :devices) n \gexec
CREATE SEQUENCE public.attempt;
CREATE TABLE public.free AS SELECT :free::bigint AS bytes;
CREATE TABLE public.outcome (code text NOT NULL);
-- One notice by some terminal; pgbench would end a client at an error, so the outcome is written down instead.
CREATE FUNCTION public.notice(size bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE n bigint := nextval('public.attempt');
BEGIN
    PERFORM groupshare.upload_notice('t' || n % 40 + 1 || '@example.org', 'f' || n, size);
    INSERT INTO public.outcome VALUES ('granted');
EXCEPTION WHEN SQLSTATE 'GS022' OR SQLSTATE 'GS023' THEN
    INSERT INTO public.outcome VALUES (SQLSTATE);
END $$;
-- What a device does: a report, or the receipt of some pending share. The device is the session's user.
CREATE FUNCTION public.device_call(what text, number int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE victim record; first CONSTANT uuid := gen_random_uuid();
BEGIN
    IF what = 'report' THEN
        PERFORM groupshare.device_report(1, 1000000, (SELECT bytes FROM public.free), 0, false);
        RETURN;
    END IF;
    SELECT c.object, s.size_bytes INTO victim FROM groupshare.share s
      JOIN groupshare.share_copy c ON c.share_id = s.id AND c.state = 'pending'
      JOIN groupshare.device d ON d.id = c.device_id AND d.name = 'd' || number
     WHERE c.object > first ORDER BY c.object LIMIT 1;
    PERFORM groupshare.device_receipt(1, victim.object, victim.size_bytes, sha256('x')) WHERE victim.object IS NOT NULL;
END $$;
-- One of three things that end a reservation, for some pending share; or a new notice.
CREATE FUNCTION public.churn(size bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE victim record; first CONSTANT uuid := gen_random_uuid();
BEGIN
    SELECT c.object, s.id, t.identifier, d.login_role INTO victim
      FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id AND c.state = 'pending'
      JOIN groupshare.terminal t ON t.id = s.owner JOIN groupshare.device d ON d.id = c.device_id
     WHERE c.object > first ORDER BY c.object LIMIT 1;
    CASE floor(random() * 4)
        WHEN 0 THEN PERFORM groupshare.delete_share(victim.identifier, victim.id);
        WHEN 1 THEN UPDATE groupshare.reservation SET expires_at = now() - interval '1 s' WHERE object = victim.object;
        WHEN 2 THEN PERFORM groupshare.upload_notice(victim.identifier, s.name, s.size_bytes, avoid => ARRAY[victim.login_role::text])
            FROM groupshare.share s WHERE s.id = victim.id AND s.state = 'pending';
        ELSE PERFORM public.notice(size);
    END CASE;
EXCEPTION WHEN SQLSTATE 'GS012' OR SQLSTATE 'GS022' OR SQLSTATE 'GS023' THEN NULL;
END $$;
SQL

sub pgbench {
    my ($scripts, $parallel, $times) = @_;
    my $dir = scratch('pgbench');
    my @files = map { "$dir/script$_.sql" } 0 .. $#{$scripts};
    spit($files[$_], "$scripts->[$_]\n") for 0 .. $#files;
    my ($status, $out, $err) = run({
        command => [ pg_program('pgbench'), '-n', '-c', $parallel, '-j', 2, '-t', $times, (map { ('-f', $_) } @files) ],
        env     => $server->env(database => $server->{database}) });
    return $status == 0 ? '' : $err;
}

# Each account says the same: ledger and live reservations, usage and shares, shares and copies.
sub accounts_agree {
    my ($what) = @_;
    is($server->sql(<<'SQL'), '0|0|0|0', "$what: the accounts agree");
SELECT (SELECT count(*) FROM groupshare.device_ledger l WHERE l.available_bytes < 0 OR l.reserved_bytes <>
            (SELECT coalesce(sum(r.size_bytes), 0) FROM groupshare.reservation r WHERE r.device_id = l.device_id AND r.state = 'live')),
       (SELECT count(*) FROM groupshare.usage u, LATERAL (SELECT coalesce(sum(s.size_bytes), 0) AS bytes, count(*) AS n
              FROM groupshare.share s WHERE s.owner = u.terminal_id AND s.state IN ('pending', 'stored')) a
         WHERE u.used_bytes <> a.bytes OR u.shares <> a.n),
       (SELECT count(*) FROM groupshare.share s WHERE (s.state = 'pending') <> EXISTS (SELECT 1 FROM groupshare.share_copy c
            JOIN groupshare.reservation r ON r.object = c.object AND r.state = 'live' WHERE c.share_id = s.id AND c.state = 'pending')),
       (SELECT count(*) FROM groupshare.share_copy c WHERE c.state = 'abandoned' AND NOT EXISTS
            (SELECT 1 FROM groupshare.device_work w WHERE w.object = c.object))
SQL
    return;
}

is(pgbench([ "SELECT public.notice($size);" ], $clients, $each), '', "$clients clients send $each notices each");
is($server->sql(q{SELECT count(*) FROM public.outcome}), $clients * $each, 'each has an outcome');
is($server->sql(q{SELECT count(*) FROM public.outcome WHERE code = 'granted'}), $devices * $grants,
    'exactly the capacity is granted');
is($server->sql(q{SELECT string_agg(DISTINCT available_bytes::text, ' ') FROM groupshare.devices}), 1,
    'every device is filled to the last byte that may be promised');
accounts_agree('after the race');

my @devices = map { <<"SQL" } 1 .. $devices;
SET SESSION AUTHORIZATION d$_;
SELECT public.device_call(CASE WHEN random() < 0.5 THEN 'report' ELSE 'receipt' END, $_);
RESET SESSION AUTHORIZATION;
SQL
my $live = q{SELECT count(*) FROM groupshare.reservation WHERE state = 'live'};
my $rounds = 0;
until ($rounds && ($ENV{GS_SOAK_SECONDS} ? time_is_up() : $rounds >= ($LONG ? 4 : 1))) {
    is(pgbench([ "SELECT public.churn($size);", @devices ], 24, $LONG ? 240 : 50),
        '', 'notices, moves, deletions, expiry, receipts and reports race, the worker among them');
    wait_for(sub { !$server->sql("$live AND expires_at < now()") }, 'the worker expires what is due');
    accounts_agree('after the churn');
    $rounds++;
}
tell_soak($clients * $each . " racing notices, $devices x $grants granted; $rounds rounds of churn");
is($server->sql(q{SELECT count(*) FROM pg_stat_database WHERE datname = 'gs' AND deadlocks > 0}), 0, 'without a deadlock');

# The worker
my $worker = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'groupshare maintenance'};
my $pid = wait_for(sub { $server->sql($worker) }, 'the worker');
$server->sql("SELECT pg_terminate_backend($pid)");
isnt(wait_for(sub { my $now = $server->sql($worker); $now && $now != $pid ? $now : undef }, 'the next worker'), $pid,
    'a worker that ends is started again');
$server->sql(q{UPDATE groupshare.reservation SET expires_at = now() - interval '1 s' WHERE state = 'live'});
ok(wait_for(sub { !$server->sql($live) }, 'expiry'), 'and goes on where it was');
my $heard = $server->sql(<<'SQL');
LISTEN groupshare_event;
INSERT INTO groupshare.event (terminal_id, kind, data) SELECT id, 'share', '{}' FROM groupshare.terminal LIMIT 1;
DO $$ BEGIN FOR i IN 1..300 LOOP
    EXIT WHEN NOT EXISTS (SELECT 1 FROM groupshare.event WHERE NOT sent);
    PERFORM pg_sleep(0.1); COMMIT;
END LOOP; END $$;
SELECT 'end';
SQL
like($heard, qr/Asynchronous notification "groupshare_event" with payload "[0-9a-f-]{36}/, 'it wakes who waits for events');

# A database that groupshare.databases names before it is made.
my $missing = sub { my $n = () = slurp("$server->{dir}/log") =~ /database "later" of groupshare.databases does not exist/g; return $n };
my $there   = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'groupshare maintenance' AND datname = 'later'};
is($missing->(), 1, 'a database that is not there is logged once');
unlike(slurp("$server->{dir}/log"), qr/FATAL:  database "later" does not exist/, 'and not tried');
$server->sql('CREATE DATABASE later', -database => 'postgres');
ok(wait_for(sub { $server->sql($there) }, 'its worker'), 'once it is made, it has a worker');
$server->sql('DROP DATABASE later WITH (FORCE)', -database => 'postgres');
wait_for(sub { $missing->() == 2 }, 'its end to be noticed');
is($server->sql($worker), wait_for(sub { $server->sql($worker) }, 'the worker'), 'the other one goes on');
$pid = $server->sql($worker);
unlike(slurp("$server->{dir}/log"), qr/cannot read|launcher" \(PID \d+\) exited/, 'no launcher has ended, also on a cluster that has just been made');
$server->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'groupshare launcher'});
isnt(wait_for(sub { my $now = $server->sql($worker); $now =~ /^\d+$/ && $now ne $pid ? $now : undef }, 'the next worker'), $pid,
    'a launcher that ends takes its workers along and both are started again');
is($server->sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'groupshare maintenance'}), 1, 'once');

$server->sql('DROP EXTENSION groupshare CASCADE');
$server->sql('SELECT pg_sleep(0.5)');
is($server->sql($worker), wait_for(sub { $server->sql($worker) }, 'the worker'), 'without the extension it idles');

done_testing;
