-- SPDX-License-Identifier: PostgreSQL
-- Who sees a share: changed after the upload, and when its owner comes and goes.
BEGIN;
\ir include/sharing.psql
SELECT plan(18);
SELECT pg_temp.group_id('friends') AS g, pg_temp.group_id('others') AS o \gset
SELECT groupshare.join_group('eve@example.org', :'o') \g /dev/null
SELECT share AS s, object FROM groupshare.upload_notice('ann@example.org', 'film', 1, groups => ARRAY[:'g'::uuid], avoid => '{mid,far}') \gset
SELECT pg_temp.receipt('near', :'object', 1, 'film') \g /dev/null
CREATE FUNCTION pg_temp.sees(who text, share uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM groupshare.download_notice(who || '@example.org', share);
    RETURN true;
EXCEPTION WHEN SQLSTATE 'GS012' THEN
    RETURN false;
END $$;
CREATE TEMP TABLE heard (who text, id bigint);
CREATE FUNCTION pg_temp.told(who text) RETURNS text LANGUAGE sql AS $$
    WITH told AS MATERIALIZED (SELECT e FROM jsonb_array_elements(groupshare.fetch_events($1 || '@example.org',
             coalesce((SELECT max(h.id) FROM heard h WHERE h.who = $1), 0)) -> 'events') e),
         kept AS (INSERT INTO heard SELECT $1, (e ->> 'id')::bigint FROM told)
    SELECT string_agg(e #>> '{data,state}', ' ' ORDER BY (e ->> 'id')::bigint) FROM told WHERE e ->> 'kind' = 'share' $$;
SELECT is(pg_temp.sees('bob', :'s') || ' ' || pg_temp.sees('eve', :'s'), 'true false', 'in one group');
SELECT is(pg_temp.told('bob') || ' ' || pg_temp.told('ann'), 'stored stored', 'its members are told');
SELECT groupshare.set_share_groups('ann@example.org', :'s', ARRAY[:'o'::uuid]);
SELECT is(pg_temp.sees('bob', :'s') || ' ' || pg_temp.sees('eve', :'s'), 'false true', 'moved to another');
SELECT is(pg_temp.told('bob') || ' ' || pg_temp.told('eve') || ' ' || coalesce(pg_temp.told('ann'), '-'), 'hidden stored -', 'who begins or ceases to see it is told');
SELECT groupshare.set_share_groups('ann@example.org', :'s');
SELECT is(pg_temp.sees('bob', :'s') || ' ' || pg_temp.sees('eve', :'s'), 'true true', 'in all');
SELECT is(pg_temp.told('bob') || ' ' || coalesce(pg_temp.told('eve'), '-'), 'stored -', 'told once');
SELECT is(count(*), 0::bigint, 'the list is gone') FROM groupshare.share_group WHERE share_id = :'s';
SELECT throws_ok(format('SELECT groupshare.set_share_groups(%L, %L)', 'bob@example.org', :'s'), 'GS012', NULL, 'only by its owner');
SELECT throws_ok(format('SELECT groupshare.set_share_groups(%L, %L, %L)', 'ann@example.org', :'s', l), e, NULL, 'refused: ' || l)
  FROM (VALUES ('{}', 'GS010'), ('{NULL}', 'GS010'), ('{11111111-1111-4111-8111-111111111111}', 'GS012')) v (l, e);
SELECT is(pg_temp.sees('bob', :'s'), true, 'a refusal changes nothing');

-- Owners that go: out of sight at once, theirs to delete still, nobody else's.
SELECT share AS b, object FROM groupshare.upload_notice('bob@example.org', 'song', 1, avoid => '{mid,far}') \gset
SELECT pg_temp.receipt('near', :'object', 1, 'song') \g /dev/null
SELECT is(pg_temp.sees('ann', :'b'), true, 'a member''s share');
SELECT groupshare.leave_group('bob@example.org', :'g') \g /dev/null
SELECT is(pg_temp.sees('ann', :'b') || ' ' || pg_temp.sees('bob', :'b'), 'false true', 'out of sight with its owner, who keeps it');
SELECT is((SELECT jsonb_array_length(e -> 'members') FROM jsonb_array_elements(groupshare.my_groups('ann@example.org') -> 'groups') e WHERE e ->> 'name' = 'friends'), 1, 'no trace in the group info');
SELECT throws_ok(format('SELECT groupshare.delete_share(%L, %L)', 'ann@example.org', :'b'), 'GS012', NULL, 'an administrator can''t delete it');
SELECT groupshare.join_group('bob@example.org', :'g') \g /dev/null
SELECT is(pg_temp.sees('ann', :'b'), true, 'seen again when it comes back');
SELECT groupshare.leave_group('bob@example.org', :'g') \g /dev/null
SELECT lives_ok(format('SELECT groupshare.delete_share(%L, %L)', 'bob@example.org', :'b'), 'its owner deletes it from outside');
SELECT * FROM finish();
ROLLBACK;
