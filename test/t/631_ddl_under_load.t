# SPDX-License-Identifier: PostgreSQL
# A DBA works on the tables while notices come in: indexes are made anew, tables rewritten, columns, constraints, triggers added and taken
# away. No notice fails, and all accounts agree afterwards. GS_LONG=1: as long as make soak has given it time.
use GroupShare::Test;

my $LONG    = $ENV{GS_LONG};
my $seconds = $LONG ? $ENV{GS_SOAK_SECONDS} || 300 : 12;
my $server  = new_control_server(name => 'cs1', conf => { 'groupshare.placement_wait' => '30s', jit => 'off' }, fsync => 0);
add_crowd($server, 200, 'z');
$server->sql(<<'SQL');
SELECT format('CREATE ROLE d%1$s LOGIN', n), format('SELECT groupshare.add_storage_device(%L, %L, %L)', 'd' || n, 'd' || n, 'z'),
       format('SET SESSION AUTHORIZATION d%s', n),
       $$SELECT groupshare.device_announce(1, 'https://d.test', 1000000000000, 1000000000000, 0, 3600000, '1')$$, 'RESET SESSION AUTHORIZATION'
  FROM generate_series(1, 4) n \gexec
UPDATE groupshare.plan SET max_shares = 1000000000, quota_bytes = 1000000000000;
CREATE FUNCTION public.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
SQL

my $dir    = scratch('load');
my $script = spit("$dir/notice", <<'PGBENCH');
\set t random(1, 200)
SELECT groupshare.upload_notice('t' || :t || '@example.org', gen_random_uuid()::text, 100);
PGBENCH
my $load = GroupShare::Process->start(
    name => 'pgbench', log => "$dir/log", cwd => '/', env => $server->env(database => $server->{database}),
    command => [ pg_program('pgbench'), qw(-n -c 6 -M prepared -T), $seconds, '-f', $script ]);

my @work = (
    (map {"REINDEX TABLE CONCURRENTLY groupshare.$_"} qw(device_ledger share share_copy reservation usage terminal membership device self)),
    q{ALTER TABLE groupshare.share ADD COLUMN dba text DEFAULT 'x'}, 'CREATE INDEX CONCURRENTLY dba ON groupshare.share (dba)',
    'VACUUM FULL groupshare.usage', 'VACUUM FULL groupshare.device_ledger',
    'ALTER TABLE groupshare.reservation ADD CONSTRAINT dba CHECK (size_bytes < 1e9)',
    (map {"CREATE TRIGGER dba BEFORE INSERT OR UPDATE ON groupshare.$_ FOR EACH ROW EXECUTE FUNCTION public.pass()"} qw(usage device_ledger)),
    'ALTER TABLE groupshare.device_ledger REPLICA IDENTITY FULL', 'ANALYZE', (map {"DROP TRIGGER dba ON groupshare.$_"} qw(usage device_ledger)),
    'ALTER TABLE groupshare.device_ledger REPLICA IDENTITY DEFAULT', 'ALTER TABLE groupshare.reservation DROP CONSTRAINT dba',
    'DROP INDEX CONCURRENTLY groupshare.dba', 'ALTER TABLE groupshare.share DROP COLUMN dba', 'VACUUM FULL groupshare.share');
my $done = 0;
while ($load->alive) {
    $server->sql($work[ $done++ % @work ]);
}
$load->wait(60);
is($load->{status}, 0, 'no notice fails') or diag($load->log);
my ($notices) = $load->log =~ /actually processed: (\d+)/;
cmp_ok($notices, '>', 100, "$notices notices");
cmp_ok($done, '>=', scalar @work, "while the DBA had $done commands carried out");
is($server->sql('SELECT count(*) FROM groupshare.share'), $notices, 'a share for each notice');
is($server->sql(<<'SQL'), '0|0', 'ledgers and accounts agree with them');
SELECT (SELECT count(*) FROM groupshare.device_ledger l WHERE l.reserved_bytes <>
           (SELECT coalesce(sum(r.size_bytes), 0) FROM groupshare.reservation r WHERE r.device_id = l.device_id AND r.state = 'live')),
       (SELECT count(*) FROM groupshare.usage u CROSS JOIN LATERAL (SELECT sum(s.size_bytes) AS bytes, count(*) AS n FROM groupshare.share s
           WHERE s.owner = u.terminal_id) m WHERE u.used_bytes <> m.bytes OR u.shares <> m.n)
SQL
tell_soak("$notices notices, $done commands");
done_testing;
