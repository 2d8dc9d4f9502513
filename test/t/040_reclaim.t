# SPDX-License-Identifier: PostgreSQL
# A database comes back from an old dump while its device went on: what was destroyed since is found missing, what came since
# is found without a row, 100 each; nothing is deleted before its time, and old sessions and tickets are dead.
use GroupShare::Test;

my $server = new_control_server(name => 'cs1', fsync => 0, conf => { 'groupshare.databases' => '' });
my $space  = "'https://d.test', 1000000000, 900000000, 0, 3600000, '1'";
$server->sql(<<"SQL");
CREATE ROLE d1 LOGIN;
SELECT groupshare.add_storage_device('d1', 'd1', 'a/b');
SET SESSION AUTHORIZATION d1;
SELECT groupshare.device_announce(1, $space);
RESET SESSION AUTHORIZATION;
INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, 'ann\@example.org', 'standard' FROM groupshare.self;
WITH made AS (INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator)
    SELECT home, 'g', 'live', 'anyone', id FROM groupshare.terminal RETURNING id, home, creator)
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT id, creator, home, 'administrator', now() FROM made;
CREATE FUNCTION public.store(prefix text, most int) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
    notice record;
BEGIN
    FOR i IN 1..most LOOP
        SELECT * INTO notice FROM groupshare.upload_notice('ann\@example.org', prefix || i, 10);
        SET LOCAL SESSION AUTHORIZATION d1;
        PERFORM groupshare.device_receipt(1, notice.object, 10, sha256(prefix::bytea));
        SET LOCAL SESSION AUTHORIZATION DEFAULT;
    END LOOP;
END \$\$;
SELECT public.store('old', 250);
SQL
my $session = $server->sql(q{SELECT kid FROM groupshare.secret WHERE purpose = 'session' AND retired_at IS NULL});

my $file = scratch('dump') . '/dump.sql';
run_ok(pg_program('pg_dump'), '-h', $server->host, '-U', 'postgres', '-f', $file, $server->{database});

# The device's life goes on: 100 shares end, confirmed, and 100 begin.
$server->sql(<<'SQL');
SET groupshare.delete_hold = 0;
SELECT count(*) FROM (SELECT groupshare.delete_share('ann@example.org', s.id) FROM groupshare.shares s WHERE s.name ~ '^old1..$') d;
SET SESSION AUTHORIZATION d1;
SELECT groupshare.device_work_done(1, ARRAY(SELECT (w ->> 'id')::bigint FROM
    jsonb_array_elements(groupshare.device_report(1, 1000000000, 900000000, 0, false) -> 'work') w WHERE w ->> 'kind' = 'delete'));
RESET SESSION AUTHORIZATION;
SELECT public.store('new', 100);
SQL
my $disk = $server->sql(q{SELECT string_agg(quote_literal(object), ',') FROM groupshare.share_copy WHERE state = 'stored'});
is(scalar(split /,/, $disk), 250, 'the device has 150 objects of before the dump and 100 of after');

$server->sql('CREATE DATABASE back', -database => 'postgres');
run_ok(pg_program('psql'), qw(-Xq -v ON_ERROR_STOP=1 -U postgres), '-h', $server->host, '-d', 'back', '-f', $file);
my @back = (-database => 'back');
$server->sql('SELECT groupshare.setup_roles(); SELECT groupshare.after_restore()', @back);
is($server->sql("SELECT count(*) FROM groupshare.secret WHERE kid = '$session'", @back), 0, 'no session of before is good');
is($server->sqlstate(q{SET SESSION AUTHORIZATION d1; SELECT groupshare.device_receipt(1, gen_random_uuid(), 1, sha256('x'))}, @back),
    'GS033', 'no receipt is taken before the device has announced itself');

# What the device would say.
my $listed = $server->sql(<<"SQL", @back);
SET SESSION AUTHORIZATION d1;
SELECT FROM groupshare.device_announce(1, $space);
SELECT w ->> 'kind' FROM jsonb_array_elements(groupshare.device_report(1, 1000000000, 900000000, 0, false) -> 'work') w;
SELECT FROM groupshare.device_inventory_begin(1);
SELECT groupshare.device_inventory_add(1, array_agg(o::uuid), array_agg(10::bigint), array_agg(sha256('old')), array_agg('stored'::text))
    FROM unnest(ARRAY[$disk]) o;
SELECT groupshare.device_inventory_end(1);
SQL
like($listed, qr/^inventory$/m, 'the device is asked what it has');
like($listed, qr/^200$/m,       '100 divergences each way, 200 reported');
is($server->sql(q{SELECT string_agg(problem || ' ' || n, ', ' ORDER BY problem) FROM (SELECT problem, count(*) AS n
    FROM groupshare.inventory_report GROUP BY 1) r}, @back), 'missing 100, orphan 100', 'what was destroyed, what has no row');
is($server->sql(q{SELECT count(*) FROM groupshare.inventory_report WHERE problem = 'missing' AND share !~ '^old1..$'}, @back), 0, 'and no others');

is($server->sql(q{SELECT count(*) FROM groupshare.reconcile('d1', dry_run => false)}, @back), 100, 'the destroyed ones are marked');
is($server->sql(q{SELECT count(*) FROM groupshare.device_work WHERE kind = 'delete' AND done_at IS NULL}, @back), 0,
    'what may belong to a later recovery point is kept');
is($server->sqlstate(q{SELECT groupshare.download_notice('ann@example.org', 'ann@example.org', 'old100')}, @back), 'GS027',
    'no share names destroyed bytes');
is($server->sql(q{SELECT device FROM groupshare.download_notice('ann@example.org', 'ann@example.org', 'old99')}, @back), 'd1',
    'the others are designated');
is($server->sql(q{SELECT count(*) FROM groupshare.reconcile('d1', dry_run => false, grace => '0')}, @back), 100,
    'after the grace period the rest is ordered to go');

done_testing;
