# SPDX-License-Identifier: PostgreSQL
# Placement among many devices: which indexes it uses and how little it reads; a backend killed between reserving and
# committing; 64 connections that race for the last bytes.
use GroupShare::Test;

my $server = new_control_server(
    name => 'cs1',
    conf => {
        'groupshare.device_headroom'           => 0,
        'groupshare.device_high_water_percent' => 100,
        'groupshare.placement_wait'            => '60s',
        max_connections                        => 100,
        jit                                    => 'off',
    },
    fsync => 0);

my $many = 10_000;
add_crowd($server, 200, 'r0/c0/s0');
$server->sql(<<'SQL', devices => $many);
INSERT INTO groupshare.device (home, name, login_role, location)
    SELECT server_id, 'd' || n, 'many_' || n, format('r%s/c%s/s%s', n % 5, n / 5 % 5, n / 25 % 5)
      FROM groupshare.self, generate_series(1, :devices) n;
-- 99 of 100 are full; of those that are not, half are nearly so.
UPDATE groupshare.device_ledger l SET epoch = 1, url = 'https://d.test', capacity_bytes = 1000000,
       free_bytes = CASE WHEN substr(d.name, 2)::int % 100 > 0 THEN 100 * (substr(d.name, 2)::int % 2) ELSE 500000 END,
       announced_at = now(), reported_at = now(), report_interval_ms = 3600000
  FROM groupshare.device d WHERE d.id = l.device_id;
INSERT INTO groupshare.device_key (device_id, key, created_at) SELECT id, groupshare.random_key(), now() - interval '1 h' FROM groupshare.device;
ANALYZE;
SQL

# What a statement read: sequential scans, and rows fetched by indexes, of the tables that grow with the devices.
sub reads {
    my ($statement) = @_;
    my $out = $server->sql(<<"SQL");
BEGIN;
DO \$\$ BEGIN FOR n IN 1..10 LOOP $statement; END LOOP; END \$\$;
SELECT sum(seq_scan) || ' ' || sum(idx_tup_fetch) FROM pg_stat_xact_user_tables
 WHERE relid = ANY ('{groupshare.device,groupshare.device_area,groupshare.device_ledger}'::regclass[]);
ROLLBACK;
SQL
    my ($line) = $out =~ /^(\d+ \d+)$/m;
    return split / /, $line;
}

for my $case (
    [ 'a small file',             50 ],
    [ 'one that few devices hold', 1000 ]) {
    my ($what, $size) = @{$case};
    my ($scans, $rows) = reads("PERFORM groupshare.upload_notice('t1\@example.org', 'f' || n, $size)");
    is($scans, 0, "$what: no sequential scan of devices");
    cmp_ok($rows, '<', 10 * 500, "$what: a notice reads few rows, however many devices there are");
}
my ($scans) = reads("BEGIN PERFORM groupshare.upload_notice('t1\@example.org', 'f' || n, 600000); EXCEPTION WHEN SQLSTATE 'GS022' THEN END");
is($scans, 0, 'a refusal scans none either');
my $plan = $server->sql(<<'SQL');
SET enable_seqscan = on;
EXPLAIN (COSTS off) SELECT a.depth, a.room_class FROM groupshare.device_area a
    WHERE a.area = 'r0/c0' AND (a.depth, a.room_class) >= (0, 5) ORDER BY a.depth, a.room_class LIMIT 1;
SQL
like($plan, qr/Index (?:Only )?Scan using device_area_room/, 'the next group is one descent of the index');
unlike($plan, qr/Sort/, 'in its order');

# The tables of shares are empty, as a new server's when its first connections plan their statements.
my $scanned = $server->sql(<<'SQL');
BEGIN;
SELECT FROM groupshare.upload_notice('t1@example.org', 'first', 50);
DO $$ BEGIN FOR n IN 1..10 LOOP PERFORM groupshare.upload_notice('t1@example.org', 'f' || n, n); END LOOP; END $$;
SELECT 'scanned: ' || coalesce(string_agg(relname, ', ' ORDER BY relname), 'none') FROM pg_stat_xact_user_tables
 WHERE schemaname = 'groupshare' AND seq_scan > 0;
SELECT 'devices: ' || count(DISTINCT device_id) FROM groupshare.reservation;
SELECT 'queues: ' || count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;
SQL
like($scanned, qr/^devices: (?:[2-9]|1[01])$/m, 'notices of one transaction, on several devices');
like($scanned, qr/^queues: 1$/m, 'keep one lock, not one for each device');
like($scanned, qr/^scanned: none$/m, 'a notice scans no table, while it is empty neither, since the plans stay');

# The network map, as a DBA loads it. GS_LONG=1: half a million prefixes.
my $prefixes = $ENV{GS_LONG} ? 500_000 : 20_000;
my $map = scratch('network') . '/map.tsv';
spit($map, join '', map { sprintf "%d.%d.%d.0/24\tr1/c1/s1\n", 10 + ($_ >> 16), $_ >> 8 & 255, $_ & 255 } 0 .. $prefixes - 1);
my ($loaded, undef, $trouble) = run({ command => [ pg_program('psql'), '-Xq', '-c', "\\copy groupshare.network (prefix, location) FROM '$map'" ],
    env => $server->env(database => $server->{database}) });
is($loaded, 0, "$prefixes prefixes are loaded by COPY") or diag($trouble);
$server->sql(q{INSERT INTO groupshare.network VALUES ('10.0.0.0/8', 'r3/c3/s3');
    UPDATE groupshare.terminal SET location = NULL WHERE identifier = 't4@example.org'});
is($server->sql(q{SELECT min(distance) FROM groupshare.explain_placement('t4@example.org', 1, peer => '10.1.2.3') WHERE location = 'r1/c1/s1'}), 0,
    'the longest prefix says where a terminal is');
my $matched = $server->sql(<<'SQL');
BEGIN;
DO $$ BEGIN FOR n IN 1..20 LOOP PERFORM groupshare.nearest_devices('t4@example.org', 1, peer => '10.1.2.3'); END LOOP; END $$;
SELECT seq_scan || ' ' || idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'groupshare.network'::regclass;
ROLLBACK;
SQL
my ($read) = $matched =~ /^(\d+ \d+)$/m;
is($read, '0 40', 'and a match reads the matching rows only, by index');

my $spread = $server->sql(<<'SQL');
SELECT count(DISTINCT device) FROM generate_series(1, 60) n, LATERAL groupshare.nearest_devices('t1@example.org', n) d;
SQL
cmp_ok($spread, '>', 10, 'not always the same ten of many equally near ones');

# Killed between reserving and committing
$server->sql(q{UPDATE groupshare.device SET state = 'draining' WHERE name <> 'd100'; UPDATE groupshare.device SET location = 'r0/c0/s0' WHERE name = 'd100'});
my $before = $server->sql(q{SELECT available_bytes, reserved_bytes FROM groupshare.devices WHERE name = 'd100'});
my $sql = scratch('killed') . '/killed.sql';
spit($sql, <<'SQL');
BEGIN;
SELECT groupshare.upload_notice('t2@example.org', 'killed', 400000);
SELECT pg_sleep(600);
SQL
my $victim = GroupShare::Process->start(name => 'a notice to be killed', command => [ pg_program('psql'), '-Xq', '-f', $sql ],
    env => $server->env(database => $server->{database}), log => "$sql.log");
my $pid = wait_for(sub { $server->sql(q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'}) },
    'the reservation');
kill 'KILL', $pid;
wait_for(sub { eval { $server->sql('SELECT 1') } }, 'recovery');
is($server->sql(q{SELECT available_bytes, reserved_bytes FROM groupshare.devices WHERE name = 'd100'}), $before, 'a backend killed after it reserved: nothing is reserved');
is($server->sql(q{SELECT state FROM groupshare.upload_notice('t2@example.org', 'killed', 400000)}), 'pending', 'and the notice can be repeated');

# Cancelled in a part that runs in a subtransaction of its own: the session is as before, in no block that nobody began.
$server->sql(<<'SQL');
CREATE SCHEMA dba;
CREATE FUNCTION dba.slow(text, bigint, text, text, int, bigint, preference float8) RETURNS float8 LANGUAGE sql
    AS $$ SELECT preference FROM pg_sleep(60) $$;
SELECT FROM groupshare.upload_notice('t3@example.org', 'placed', 1);
SELECT groupshare.set_placement_policy('dba.slow', 'standard');
SQL
for my $call (q{upload_notice('t3@example.org', 'cancelled', 1)}, q{replay_notices(now() - interval '1 day', now())}) {
    my $cancelled = scratch('cancelled') . '/cancelled.sql';
    spit($cancelled, "SET statement_timeout = '200ms';\nSELECT groupshare.$call;\nSELECT 'alive';\n");
    my (undef, $out, $err) = run({ command => [ pg_program('psql'), '-XAtq', '-f', $cancelled ], env => $server->env(database => $server->{database}) });
    like($err, qr/statement timeout/, "cancelled: $call");
    is($out, "alive\n", 'and the session goes on');
}
$server->sql(q{SELECT groupshare.set_placement_policy(NULL, 'standard')});

# 64 connections race for exactly what the devices have. GS_LONG=1: 10,000 notices.
my ($grants, $each) = $ENV{GS_LONG} ? (1000, 157) : (100, 16);
$server->sql(<<'SQL', free => $grants * 100 + 1);
UPDATE groupshare.device SET state = 'active' WHERE name IN ('d1', 'd2', 'd3', 'd4', 'd5');
UPDATE groupshare.device SET state = 'draining' WHERE name = 'd100';
UPDATE groupshare.device_ledger l SET free_bytes = :free FROM groupshare.device d WHERE d.id = l.device_id AND d.state = 'active';
CREATE SEQUENCE public.attempt;
CREATE TABLE public.outcome (code text NOT NULL);
CREATE FUNCTION public.notice() RETURNS void LANGUAGE plpgsql AS $$
DECLARE n bigint := nextval('public.attempt');
BEGIN
    PERFORM groupshare.upload_notice('t' || n % 200 + 1 || '@example.org', 'f' || n, 100);
    INSERT INTO public.outcome VALUES ('granted');
EXCEPTION WHEN SQLSTATE 'GS022' OR SQLSTATE 'GS023' THEN
    INSERT INTO public.outcome VALUES (SQLSTATE);
END $$;
SQL
my $script = scratch('pgbench') . '/script.sql';
spit($script, "SELECT public.notice();\n");
my ($status, undef, $err) = run({ command => [ pg_program('pgbench'), '-n', '-c', 64, '-j', 2, '-t', $each, '-f', $script ],
    env => $server->env(database => $server->{database}) });
is($status, 0, '64 connections send ' . 64 * $each . ' notices') or diag($err);
is($server->sql(q{SELECT count(*) FROM public.outcome}), 64 * $each, 'each has an outcome');
is($server->sql(q{SELECT count(*) FROM public.outcome WHERE code = 'granted'}), 5 * $grants, 'exactly the capacity is granted');
is($server->sql(q{SELECT string_agg(DISTINCT available_bytes::text, ' ') FROM groupshare.devices WHERE state = 'active'}), 1, 'to the last byte');
is($server->sql(q{SELECT count(*) FROM groupshare.device_area a JOIN groupshare.device_ledger l USING (device_id) WHERE a.room_class <> l.room_class}), 0,
    'and the index agrees with the ledger');

done_testing;
