-- SPDX-License-Identifier: PostgreSQL
-- What is left of a dissolved group goes once nobody can ask for it any more, piece by piece; what it was stays history.
\ir fixture/start.psql
SELECT plan(20);
-- Whatever the plan: here one that would look into a list more than once, if it could.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_hashagg = off;
SET enable_sort = off;
SET enable_material = off;
CREATE FUNCTION pg_temp.put_in(g uuid, tag text, n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, $2 || i || '@x.org', 'standard' FROM groupshare.self, generate_series(1, $3) i;
    INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
        SELECT $1, t.id, t.home, 'member', now() FROM groupshare.terminal t WHERE t.identifier LIKE $2 || '%' $$;
CREATE FUNCTION pg_temp.left_of(g uuid) RETURNS text LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM groupshare.membership m WHERE m.group_id = g) || ' ' || (SELECT count(*) FROM groupshare.group_listed l WHERE l.group_id = g)
        || ' ' || (SELECT count(*) FROM groupshare.group_size s WHERE s.group_id = g) || ' ' || (SELECT swept_at IS NOT NULL FROM groupshare.sharing_group WHERE id = g) $$;
-- So many days pass for all groups and those in them: the test is one transaction.
CREATE FUNCTION pg_temp.pass(days int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE groupshare.membership SET since = since - days * interval '1 day';
    UPDATE groupshare.sharing_group SET established_at = established_at - days * interval '1 day', dissolved_at = dissolved_at - days * interval '1 day',
        swept_at = swept_at - days * interval '1 day';
    UPDATE groupshare.past_membership SET during = tstzrange(lower(during) - days * interval '1 day', upper(during) - days * interval '1 day');
    SET LOCAL session_replication_role = origin;
END $$;
CREATE FUNCTION pg_temp.revoked() RETURNS bigint LANGUAGE sql AS $$ SELECT (SELECT count(*) FROM groupshare.revocation) + (SELECT count(*) FROM groupshare.device_work) $$;

SELECT pg_temp.group_of_ann('Gone', 'anyone') AS g \gset
SELECT pg_temp.group_of_ann('Small', 'anyone') AS s \gset
SELECT pg_temp.group_of_ann('Live', 'anyone') AS l \gset
SELECT pg_temp.put_in(:'g', 'many', 695);
SELECT groupshare.join_group('bob@x.org', g), groupshare.join_group('cid@x.org', g), groupshare.leave_group('cid@x.org', g) FROM unnest(ARRAY[:'g', :'s', :'l']::uuid[]) g \g /dev/null
SELECT groupshare.set_member('ann@x.org', :'g', 'cid@x.org', banned => true), groupshare.set_member('ann@x.org', :'g', 'dan@x.org', invited => true) \g /dev/null
INSERT INTO groupshare.group_listed (group_id, home, identifier) SELECT g.id, g.home, 'some' || i || '@x.org' FROM groupshare.sharing_group g, generate_series(1, 40) i WHERE g.id = :'g';
SELECT pg_temp.pass(2);
SELECT groupshare.dissolve_group(:'g'), groupshare.dissolve_group(:'s') \g /dev/null
SELECT is(count(*), 699::bigint, 'what was there: an administrator, members, one that left, was banned, was invited')
  FROM groupshare.membership WHERE group_id = :'g';
SELECT pg_temp.pass(29);
SELECT groupshare.run_maintenance();
SELECT is(pg_temp.left_of(:'g'), '699 40 1 false', 'as long as events are kept nothing goes');
SELECT ok(groupshare.fetch_events('bob@x.org') -> 'events' @> jsonb_build_array(jsonb_build_object('kind', 'group', 'data',
    jsonb_build_object('group', :'g', 'change', 'dissolved'))), 'by what is there a member hears of the end');

SELECT pg_temp.pass(2);
CREATE TEMP TABLE history AS SELECT * FROM groupshare.membership_history;
SELECT is(count(*) FILTER (WHERE upper(during) IS NULL), 0::bigint, 'what a terminal was in a group ended with it') FROM history WHERE group_id IN (:'g', :'s');
SELECT pg_temp.revoked() AS revoked \gset
SELECT groupshare.run_maintenance();
SELECT is(pg_temp.left_of(:'g') || ', ' || pg_temp.left_of(:'s'), '199 40 1 false, 3 0 1 false', 'then a bounded piece a round');
CREATE FUNCTION pg_temp.changed() RETURNS TABLE (group_id uuid, terminal_id uuid, state text, during tstzrange) LANGUAGE sql AS
    $$ (TABLE history EXCEPT ALL TABLE groupshare.membership_history) UNION ALL (TABLE groupshare.membership_history EXCEPT ALL TABLE history) $$;
SELECT is_empty('SELECT * FROM pg_temp.changed()', 'and history is the same amid it');
SELECT groupshare.run_maintenance();
SELECT is(pg_temp.left_of(:'g') || ', ' || pg_temp.left_of(:'s'), '0 0 0 true, 0 0 0 true', 'until nothing is left but the groups');
SELECT is_empty('SELECT * FROM pg_temp.changed()', 'and when all is done');
SELECT is(pg_temp.revoked(), :'revoked'::bigint, 'nobody loses a right again by it');
SELECT is(count(*), 3::bigint, 'a live group keeps all it has') FROM groupshare.membership WHERE group_id = :'l';
SELECT swept_at AS swept FROM groupshare.sharing_group WHERE id = :'g' \gset
SELECT groupshare.run_maintenance();
SELECT is(swept_at, :'swept'::timestamptz, 'once') FROM groupshare.sharing_group WHERE id = :'g';

-- What a DBA takes out of a dissolved group, or of a live one.
SELECT pg_temp.group_of_ann('Early', 'anyone') AS e \gset
SELECT groupshare.join_group('bob@x.org', :'e') \g /dev/null
SELECT groupshare.dissolve_group(:'e');
SELECT pg_temp.revoked() AS revoked \gset
DELETE FROM groupshare.membership WHERE group_id = :'e' AND terminal_id = pg_temp.id('bob@x.org');
SELECT is(pg_temp.revoked(), :'revoked'::bigint, 'a DBA''s own DELETE takes nothing away either');
DELETE FROM groupshare.membership WHERE group_id = :'l' AND terminal_id = pg_temp.id('bob@x.org');
SELECT cmp_ok(pg_temp.revoked(), '>', :'revoked'::bigint, 'but from a live group it does');

-- Brought back by a DBA: as it was, or empty.
SELECT groupshare.dissolve_group(:'l');
SELECT pg_temp.pass(29);
UPDATE groupshare.sharing_group SET state = 'live', dissolved_at = NULL WHERE id = :'l';
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'before it is swept a group can be brought back');
SET CONSTRAINTS ALL DEFERRED;
SELECT groupshare.dissolve_group(:'l');
SELECT pg_temp.pass(31);
SELECT groupshare.run_maintenance();
SELECT is(pg_temp.left_of(:'l'), '0 0 0 true', 'and goes a month after its second end');
SAVEPOINT back;
UPDATE groupshare.sharing_group SET state = 'live', dissolved_at = NULL WHERE id = :'l';
SELECT throws_ok('SET CONSTRAINTS ALL IMMEDIATE', '23514', NULL, 'after that it has no administrator');
ROLLBACK TO back;
UPDATE groupshare.sharing_group SET state = 'live', dissolved_at = NULL WHERE id = :'l';
INSERT INTO groupshare.membership (group_id, terminal_id, home, state) SELECT :'l', id, home, 'administrator' FROM groupshare.terminal WHERE identifier = 'ann@x.org';
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'unless it is given one');
SET CONSTRAINTS ALL DEFERRED;
SELECT is(members, 1, 'and is counted anew') FROM groupshare.group_size WHERE group_id = :'l';
SELECT groupshare.dissolve_group(:'l');
SELECT groupshare.run_maintenance();
SELECT is(pg_temp.left_of(:'l'), '1 0 1 true', 'dissolved again it is not yet due');
SELECT pg_temp.pass(31);
SELECT groupshare.run_maintenance();
SELECT is(pg_temp.left_of(:'l'), '0 0 0 true', 'and then is swept again');
SELECT * FROM finish();
ROLLBACK;
