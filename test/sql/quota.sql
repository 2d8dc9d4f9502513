-- SPDX-License-Identifier: PostgreSQL
-- Quota with deleted shares whose bytes are still held. (Limits of bytes, size and number: uploads.sql; races:
-- isolation/specs/quota.spec and quota-held.spec.)
BEGIN;
\ir include/sharing.psql
\ir include/inventory.psql
SELECT plan(21);
UPDATE groupshare.plan SET quota_bytes = 10, copies = 2 WHERE name = 'standard';

CREATE FUNCTION pg_temp.room(bytes int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM groupshare.upload_notice('ann@example.org', 'probe', bytes);
    RAISE 'undo' USING ERRCODE = 'GS099';
EXCEPTION WHEN SQLSTATE 'GS099' THEN RETURN 'fits';
    WHEN SQLSTATE 'GS021' THEN RETURN 'too much';
END $$;

SELECT pg_temp.store('near', 'six', 'sixsix') AS object \gset
SELECT share_id AS share FROM groupshare.share_copy WHERE object = :'object' \gset
SELECT groupshare.run_maintenance() \g /dev/null
SELECT object AS second FROM groupshare.copies WHERE fetching \gset
SELECT pg_temp.receipt('mid', :'second', 6, 'sixsix') \g /dev/null
SELECT is(pg_temp.room(4), 'fits', 'to the last byte; two copies are charged once');
SELECT is(pg_temp.room(5), 'too much', 'not one more');
SET LOCAL groupshare.delete_hold = 0;
SELECT groupshare.delete_share('ann@example.org', :'share') \g /dev/null
SELECT is(pg_temp.room(10), 'fits', 'what is deleted does not count, unless the plan says so');
SELECT results_eq($$ SELECT used_bytes, held_bytes, counted_bytes FROM groupshare.quotas WHERE terminal = 'ann@example.org' $$,
    $$ VALUES (0::bigint, 6::bigint, 0::bigint) $$, 'held, as the view tells');
UPDATE groupshare.plan SET free_held_bytes = 0 WHERE name = 'standard';
SELECT is(pg_temp.room(4), 'fits', 'counted: what is left'); SELECT is(pg_temp.room(5), 'too much', 'and no more');
UPDATE groupshare.plan SET free_held_bytes = 2 WHERE name = 'standard';
SELECT is(pg_temp.room(6), 'fits', 'some are free'); SELECT is(pg_temp.room(7), 'too much', 'the others count');
SELECT is(counted_bytes, 4::bigint, 'as the view tells') FROM groupshare.quotas WHERE terminal = 'ann@example.org';
UPDATE groupshare.plan SET free_held_bytes = 0 WHERE name = 'standard';

-- A refusal tells what is held, until when, and what helps. Two held shares, of 6 and 3 bytes, deleted a day apart.
CREATE FUNCTION pg_temp.refusal(bytes int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    PERFORM groupshare.upload_notice('ann@example.org', 'probe', bytes);
    RETURN 'none';
EXCEPTION WHEN SQLSTATE 'GS021' THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN detail || E'\n' || hint;
END $$;
SET LOCAL groupshare.delete_hold = '1d';
SELECT pg_temp.store('near', 'three', '333') AS three \gset
SELECT groupshare.delete_share('ann@example.org', (SELECT share_id FROM groupshare.share_copy WHERE object = :'three')) \g /dev/null
UPDATE groupshare.share SET deleted_at = CASE name WHEN 'six' THEN '2026-01-01 12:00+00' ELSE '2026-01-02 12:00:07+00' END::timestamptz WHERE held;
SELECT is(pg_temp.refusal(7), E'9 of 10 bytes are used, the share has 7 bytes; 9 are of deleted shares, which are held until 2026-01-03T12:00:07Z.\n'
    'Enough of them are given up soon after 2026-01-02T12:00:00Z. Deleting more now does not make room earlier.', 'the older one is enough');
SELECT matches(pg_temp.refusal(8), 'soon after 2026-01-03T12:00:07Z', 'both are needed');
UPDATE groupshare.plan SET free_held_bytes = 5 WHERE name = 'standard';
SELECT groupshare.upload_notice('ann@example.org', 'live', 5) \g /dev/null
SELECT is(pg_temp.refusal(6), E'9 of 10 bytes are used, the share has 6 bytes; 4 are of deleted shares, which are held until 2026-01-03T12:00:07Z.\n'
    'Delete shares; their bytes count until they are given up, 86400 s later.', 'waiting alone does not help');
UPDATE groupshare.plan SET free_held_bytes = NULL WHERE name = 'standard';
SELECT is(pg_temp.refusal(6), E'5 of 10 bytes are used, the share has 6 bytes.\nDelete a share first.', 'nothing held counts');
SELECT groupshare.delete_share('ann@example.org', id) FROM groupshare.share WHERE name = 'live' \g /dev/null
UPDATE groupshare.share SET held = false WHERE name = 'three';
UPDATE groupshare.plan SET free_held_bytes = 0 WHERE name = 'standard';
SET LOCAL groupshare.delete_hold = 0;

CREATE FUNCTION pg_temp.confirm(device text, object uuid) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.as_device(device, format('SELECT groupshare.device_work_done(10, ARRAY[%s])', (SELECT w.id FROM groupshare.device_work w
        WHERE w.object = confirm.object AND w.kind = 'delete'))) $$;
SELECT pg_temp.confirm('near', :'object') \g /dev/null
SELECT is(pg_temp.room(5), 'too much', 'one device has confirmed: still held');
SELECT pg_temp.confirm('mid', :'second') \g /dev/null
SELECT is(pg_temp.room(10), 'fits', 'both have: free');
SELECT is(held_bytes, 0::bigint, 'as the view tells') FROM groupshare.quotas WHERE terminal = 'ann@example.org';

SELECT object AS pending, share AS pending_share FROM groupshare.upload_notice('ann@example.org', 'pending', 10) \gset
SELECT groupshare.delete_share('ann@example.org', :'pending_share') \g /dev/null
SELECT is(pg_temp.room(10), 'fits', 'an upload that was given up is not held');
SELECT throws_ok(format('UPDATE groupshare.share SET held = true WHERE id = %L', (SELECT share FROM groupshare.upload_notice('ann@example.org', 'live', 1))), '23514', NULL,
    'only what is deleted is held');

-- A DBA's own DELETE.
SELECT used_bytes, shares FROM groupshare.quotas WHERE terminal = 'ann@example.org' \gset before_
SELECT sum(reserved_bytes) AS reserved FROM groupshare.device_ledger \gset before_
SELECT pg_temp.store('mid', 'gone', 'gone') \g /dev/null
SELECT * FROM groupshare.upload_notice('ann@example.org', 'begun', 3) \g /dev/null
SELECT is(used_bytes, :before_used_bytes + 7::bigint, 'what is stored and what is begun is charged') FROM groupshare.quotas WHERE terminal = 'ann@example.org';
DELETE FROM groupshare.share WHERE name IN ('gone', 'begun', 'six');
SELECT results_eq($$ SELECT used_bytes, shares FROM groupshare.quotas WHERE terminal = 'ann@example.org' $$,
    format('VALUES (%s::bigint, %s)', :before_used_bytes, :before_shares), 'until a DBA deletes the rows; what was deleted before is not charged off again');
SELECT is(sum(reserved_bytes), :before_reserved::numeric, 'and no bytes are reserved for them') FROM groupshare.device_ledger;

SELECT * FROM finish();
ROLLBACK;
