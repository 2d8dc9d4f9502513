-- SPDX-License-Identifier: PostgreSQL
-- Whoever loses a right loses its tickets: what the devices are told, when, and again after a restart.
BEGIN;
\ir include/sharing.psql
SELECT plan(32);

-- What `device` has to refuse: "terminal object-of" pairs, sorted; told is then done.
CREATE FUNCTION pg_temp.revoked(device text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    work jsonb := pg_temp.report(device, 1000) -> 'work';
    answer text;
BEGIN
    SELECT string_agg(DISTINCT coalesce(t.identifier, '*') || ' ' || coalesce(s.name, '*'), ', ' ORDER BY coalesce(t.identifier, '*') || ' ' || coalesce(s.name, '*'))
      INTO answer FROM jsonb_array_elements(work) w LEFT JOIN groupshare.terminal t ON t.id = (w ->> 'terminal')::uuid
      LEFT JOIN groupshare.share_copy c ON c.object = (w ->> 'object')::uuid LEFT JOIN groupshare.share s ON s.id = c.share_id
     WHERE w ->> 'kind' = 'revoke';
    PERFORM pg_temp.as_device(device, format('SELECT groupshare.device_work_done(10, ARRAY(SELECT (w ->> %L)::bigint FROM jsonb_array_elements(%L) w))', 'id', work));
    RETURN answer;
END $$;
CREATE FUNCTION pg_temp.store(who text, share text, groups uuid[] DEFAULT NULL) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE up record;
BEGIN
    SELECT * INTO up FROM groupshare.upload_notice(who || '@example.org', share, 1, groups => groups, avoid => '{mid,far}');
    PERFORM pg_temp.receipt('near', up.object, 1, share);
    RETURN up.share;
END $$;

SELECT pg_temp.group_id('friends') AS g, pg_temp.group_id('others') AS o \gset
SELECT pg_temp.store('ann', 'all'), pg_temp.store('ann', 'friends', ARRAY[:'g'::uuid]), pg_temp.store('ann', 'others', ARRAY[:'o'::uuid]), pg_temp.store('bob', 'bob') \g /dev/null
SELECT is(pg_temp.revoked('near'), NULL, 'nothing to refuse so far');

SELECT groupshare.join_group('eve@example.org', :'g') \g /dev/null
SELECT is(pg_temp.revoked('near'), NULL, 'coming in takes nothing away');
SELECT groupshare.remove_member('ann@example.org', :'g', 'eve@example.org') \g /dev/null
SELECT is(count(*), 1::bigint, 'written once, for all devices') FROM groupshare.revocation WHERE told_at IS NULL;
SELECT is(count(*), 0::bigint, 'and not for each') FROM groupshare.device_work WHERE kind = 'revoke';
SELECT lives_ok('SELECT groupshare.run_maintenance()', 'the worker wakes them');
SELECT is(count(*), 0::bigint, 'once') FROM groupshare.revocation WHERE told_at IS NULL;
SELECT is(pg_temp.revoked('far'), 'eve@example.org *', 'one that is removed: all its tickets');
SELECT is(pg_temp.revoked('mid'), 'eve@example.org *', 'on each device');
SELECT w AS item FROM jsonb_array_elements(pg_temp.report('near', 1000) -> 'work') w \gset
SELECT ok((:'item'::jsonb -> 'before')::bigint BETWEEN floor(extract(epoch FROM now())) AND extract(epoch FROM clock_timestamp()), 'issued until now');
SELECT is((:'item'::jsonb -> 'until')::bigint - (:'item'::jsonb -> 'before')::bigint, 2 * 900::bigint, 'remembered for longer than any of them lives');
SELECT is(pg_temp.report('near', 1000) #> '{work,0}', :'item'::jsonb, 'repeated unchanged until it is done');
SELECT is(pg_temp.revoked('near'), 'eve@example.org *', 'done');
SELECT is(pg_temp.revoked('near'), NULL, 'then no more');
SELECT is(pg_temp.announce('near', 1000, 11) #> '{work,0}', :'item'::jsonb, 'a new start is told again');
SELECT is(pg_temp.announce('near', 1000, 12) #> '{work,0}', :'item'::jsonb, 'and the next');
UPDATE groupshare.device_work SET tickets_before = now() - interval '25 hours', done_at = now() WHERE kind = 'revoke';
SELECT is(pg_temp.announce('near', 1000, 13) -> 'work', '[]', 'but not when all have expired');
UPDATE groupshare.device_ledger SET epoch = 10;

SELECT groupshare.leave_group('ann@example.org', :'g') \g /dev/null
SELECT is(pg_temp.revoked('near'), '* all, * friends, ann@example.org *', 'one that leaves: its tickets, and those for what it showed there');
SELECT is(pg_temp.revoked('mid'), 'ann@example.org *', 'where the objects are');
SELECT groupshare.join_group('ann@example.org', :'g') \g /dev/null
UPDATE groupshare.membership SET state = 'left' WHERE terminal_id = pg_temp.terminal('ann@example.org') AND group_id = :'g';
SELECT is(pg_temp.revoked('near'), '* all, * friends, ann@example.org *', 'also by a DBA''s own UPDATE');
SELECT groupshare.join_group('ann@example.org', :'g') \g /dev/null
DELETE FROM groupshare.membership WHERE terminal_id = pg_temp.terminal('ann@example.org') AND group_id = :'g';
SELECT is(pg_temp.revoked('near'), '* all, * friends, ann@example.org *', 'or DELETE');
SELECT groupshare.join_group('ann@example.org', :'g') \g /dev/null

SELECT groupshare.set_member('bob@example.org', :'g', 'ann@example.org', role => 'administrator') \g /dev/null
SELECT groupshare.set_member('bob@example.org', :'g', 'ann@example.org', role => 'member') \g /dev/null
SELECT is(pg_temp.revoked('near'), NULL, 'a role takes no sight away');
SELECT * FROM groupshare.upload_notice('ann@example.org', 'all', 1, groups => ARRAY[:'g'::uuid, :'o'::uuid]) \g /dev/null
SELECT is(pg_temp.revoked('near'), '* all', 'a share for some groups instead of all');
SELECT * FROM groupshare.upload_notice('ann@example.org', 'all', 1, groups => ARRAY[:'g'::uuid]) \g /dev/null
SELECT is(pg_temp.revoked('near'), '* all', 'for one less');
SELECT groupshare.delete_share('bob@example.org', id) FROM groupshare.share WHERE name = 'bob' \g /dev/null
SELECT is(pg_temp.revoked('near'), '* bob', 'a deleted share');
SELECT groupshare.revoke_terminal('eve@example.org') \g /dev/null
SELECT is(pg_temp.revoked('near'), NULL, 'one that never enrolled has no tickets');
UPDATE groupshare.terminal SET public_key = sha256('k'), enrolled_at = now() WHERE identifier IN ('ann@example.org', 'bob@example.org');
SELECT groupshare.revoke_terminal('bob@example.org') \g /dev/null
SELECT is(pg_temp.revoked('near'), 'bob@example.org *', 'a revoked terminal');
SELECT groupshare.dissolve_group(:'o') \g /dev/null
SELECT is(pg_temp.revoked('near'), 'ann@example.org *', 'a dissolved group: its members');
-- A device that was away hears of what is still in force, once; of what all tickets have outlived, not.
SELECT pg_temp.revoked('far'), pg_temp.revoked('near') \g /dev/null
SELECT groupshare.add_terminal(t || '@example.org'), groupshare.join_group(t || '@example.org', :'g'), groupshare.remove_member('ann@example.org', :'g', t || '@example.org')
  FROM unnest(ARRAY['x1', 'x2']) t \g /dev/null
SELECT is(pg_temp.revoked('far'), 'x1@example.org *, x2@example.org *', 'two at once');
SELECT is(pg_temp.revoked('far'), NULL, 'heard once');
SELECT groupshare.run_maintenance() \g /dev/null
UPDATE groupshare.revocation SET told_at = told_at - interval '23 hours' WHERE terminal_id IN (pg_temp.terminal('x1@example.org'));
UPDATE groupshare.revocation SET told_at = told_at - interval '25 hours' WHERE terminal_id NOT IN (pg_temp.terminal('x1@example.org'));
SELECT groupshare.run_maintenance() \g /dev/null
SELECT is(pg_temp.revoked('near'), 'x1@example.org *', 'a device that was away hears of what is in force');
SELECT is(count(*), 1::bigint, 'the others are swept') FROM groupshare.revocation;
SELECT throws_ok($$ INSERT INTO groupshare.device_work (device_id, kind) SELECT id, 'revoke' FROM groupshare.device $$, '23514', NULL, 'never all tickets of all');
SELECT * FROM finish();
ROLLBACK;
