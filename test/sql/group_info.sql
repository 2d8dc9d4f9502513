-- SPDX-License-Identifier: PostgreSQL
-- Group info: shape, pages of groups, members and shares, visibility, ETag.
\ir fixture/start.psql
SELECT plan(40);

CREATE FUNCTION pg_temp.info(identifier text, params jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
    AS $$ SELECT pg_temp.call($1, 'my_groups', $2) -> 'reply' $$;
CREATE FUNCTION pg_temp.share(owner text, name text, state text DEFAULT 'stored', all_groups boolean DEFAULT true) RETURNS uuid LANGUAGE sql
    AS $$ INSERT INTO groupshare.share (home, owner, name, size_bytes, sha256, state, all_groups, stored_at, deleted_at)
          SELECT t.home, t.id, $2, 5, sha256($2::bytea), $3, $4, '2026-01-31 12:00Z', CASE WHEN $3 = 'deleted' THEN now() END
            FROM groupshare.terminal t WHERE t.identifier = $1 RETURNING id $$;

SELECT is(pg_temp.info('ann@x.org'), '{"server":"here","terminal":"ann@x.org","groups":[],"next":null}', 'in no group');
SELECT pg_temp.group_of_ann('One', 'anyone') AS one \gset
SELECT pg_temp.group_of_ann('Two', 'anyone') AS two \gset
SELECT groupshare.join_group('bob@x.org', :'one');
SELECT groupshare.join_group('bob@x.org', :'two');
SELECT groupshare.join_group('cid@x.org', :'two');
SELECT pg_temp.share('ann@x.org', 'film.mkv') AS film \gset
SELECT pg_temp.share('ann@x.org', 'two only', 'stored', false) AS only \gset
INSERT INTO groupshare.share_group SELECT :'only', id, home FROM groupshare.sharing_group WHERE id = :'two';
SELECT pg_temp.share('ann@x.org', 'not yet', 'pending'), pg_temp.share('ann@x.org', 'gone', 'deleted'), pg_temp.share('ann@x.org', 'late', 'expired') \g /dev/null

CREATE FUNCTION pg_temp.shares(viewer text, group_id uuid, owner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(s ->> 'name', ', ' ORDER BY s ->> 'name') FROM jsonb_array_elements(pg_temp.info($1) -> 'groups') g,
           jsonb_array_elements(g -> 'members') m, jsonb_array_elements(m -> 'shares') s
     WHERE (g ->> 'id')::uuid = $2 AND m ->> 'terminal' = $3 $$;
SELECT is(pg_temp.shares('bob@x.org', :'one', 'ann@x.org'), 'film.mkv', 'a member sees stored shares for all groups');
SELECT is(pg_temp.shares('bob@x.org', :'two', 'ann@x.org'), 'film.mkv, two only', 'and those for this group');
SELECT is(pg_temp.info('cid@x.org') -> 'groups' -> 0 ->> 'name', 'Two', 'each sees its own groups');
SELECT is(jsonb_array_length(pg_temp.info('dan@x.org') -> 'groups'), 0, 'a stranger none');
SELECT is((SELECT s FROM jsonb_array_elements(pg_temp.info('ann@x.org', jsonb_build_object('group', :'one', 'terminal', 'ann@x.org')) -> 'shares') s),
    jsonb_build_object('id', :'film', 'name', 'film.mkv', 'size', 5, 'sha256', encode(sha256('film.mkv'), 'hex'), 'stored_at', '2026-01-31T12:00:00.000000Z'), 'a share, whole');
SELECT throws_ok(format('SELECT pg_temp.info(%L, %L)', 'dan@x.org', p), 'GS012', NULL, 'a stranger asks for the group')
  FROM (VALUES (jsonb_build_object('group', :'one')), (jsonb_build_object('group', :'one', 'terminal', 'ann@x.org'))) v (p);
SELECT throws_ok(format('SELECT pg_temp.info(%L, %L)', 'bob@x.org', jsonb_build_object('group', :'one', 'terminal', t)), 'GS012', NULL, 'no member: ' || t)
  FROM unnest(ARRAY['cid@x.org', 'nobody@x.org']) t;
SELECT throws_ok(format('SELECT pg_temp.info(%L, %L)', 'bob@x.org', '{"terminal":"ann@x.org"}'), 'GS010', NULL, 'a member without a group');
SELECT groupshare.leave_group('ann@x.org', :'two');
SELECT is(pg_temp.shares('bob@x.org', :'two', 'ann@x.org'), NULL, 'who left takes its shares along');
SELECT is(groupshare.my_groups('bob@x.org'), pg_temp.info('bob@x.org'), 'the typed function');

-- ETag.
SELECT pg_temp.call('bob@x.org', 'my_groups') ->> 'etag' AS etag \gset
SELECT matches(:'etag'::text, '^"[0-9a-f]{32}"$', 'an ETag');
SELECT is(pg_temp.call('bob@x.org', 'my_groups', jsonb_build_object('if_none_match', :'etag')),
    jsonb_build_object('status', 304, 'reply', null, 'etag', :'etag'), 'nothing new: 304');
SELECT pg_temp.share('ann@x.org', 'news') \g /dev/null
SELECT is(pg_temp.status(pg_temp.call('bob@x.org', 'my_groups', jsonb_build_object('if_none_match', :'etag'))), '200', 'something new: the whole');

-- Pages: each list is walked to its end and every item comes once.
CREATE FUNCTION pg_temp.walk(identifier text, list text, item text, params jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    reply jsonb; after text; found text[] := '{}';
BEGIN
    LOOP
        reply := pg_temp.info(identifier, jsonb_strip_nulls(params || jsonb_build_object('after', after)));
        IF jsonb_array_length(reply -> list) > (params ->> 'limit')::int THEN RAISE 'page too long'; END IF;
        found := found || ARRAY(SELECT i ->> item FROM jsonb_array_elements(reply -> list) i);
        after := reply ->> 'next';
        EXIT WHEN after IS NULL OR cardinality(found) > 1000;
    END LOOP;
    RETURN ARRAY(SELECT unnest(found) ORDER BY 1);
END $$;
SELECT count(groupshare.add_terminal('t' || n || '@x.org')) FROM generate_series(1, 45) n \gset
SELECT count(*) FROM (SELECT groupshare.join_group('t' || n || '@x.org', :'one') FROM generate_series(1, 45) n) j \gset
SELECT is(pg_temp.walk('bob@x.org', 'members', 'terminal', jsonb_build_object('group', :'one', 'limit', p)),
    ARRAY(SELECT terminal FROM groupshare.members WHERE group_id = :'one' AND state IN ('member', 'administrator') ORDER BY 1), 'members by ' || p)
  FROM unnest(ARRAY['1', '7', '47', '100']) p;
SELECT is(jsonb_array_length(g -> 'members') || ' ' || (g -> 'members_next' <> 'null'), '20 true', 'inside a group the list is short and says so')
  FROM jsonb_array_elements(pg_temp.info('bob@x.org') -> 'groups') g WHERE g ->> 'name' = 'One';
SELECT count(pg_temp.share('t1@x.org', 's' || n)) FROM generate_series(1, 45) n \gset
SELECT is(pg_temp.walk('bob@x.org', 'shares', 'name', jsonb_build_object('group', :'one', 'terminal', 't1@x.org', 'limit', p)),
    ARRAY(SELECT 's' || n FROM generate_series(1, 45) n ORDER BY 1), 'shares by ' || p) FROM unnest(ARRAY['1', '8', '45', '100']) p;
SELECT count(pg_temp.group_of_ann('g' || n, 'anyone')) FROM generate_series(1, 25) n \gset
SELECT is(pg_temp.walk('ann@x.org', 'groups', 'name', jsonb_build_object('limit', p)),
    ARRAY(SELECT group_name FROM groupshare.members WHERE terminal = 'ann@x.org' AND state = 'administrator' AND group_state = 'live' ORDER BY 1), 'groups by ' || p)
  FROM unnest(ARRAY['1', '9', '100']) p;

-- Many groups of many members with many shares make more pages, no larger ones; and each group is looked up once.
INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, 'm' || n || '@x.org', 'standard' FROM groupshare.self, generate_series(1, 10) n;
SELECT groupshare.add_terminal('hub@x.org') \g /dev/null
SELECT count(groupshare.create_group('hub@x.org', 'h' || n, '{"join":{"rule":"anyone"}}')) FROM generate_series(1, 101) n \gset
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT g.id, t.id, t.home, 'member', now() FROM groupshare.sharing_group g, groupshare.terminal t WHERE g.name ~ '^h[0-9]' AND t.identifier ~ '^m[0-9]';
ANALYZE groupshare.membership, groupshare.sharing_group, groupshare.terminal, groupshare.share;
CREATE FUNCTION pg_temp.rows_read() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(pg_stat_get_xact_tuples_returned(x.indexrelid))::bigint FROM pg_index x
     WHERE x.indrelid IN ('groupshare.membership'::regclass, 'groupshare.share'::regclass, 'groupshare.terminal'::regclass) $$;
CREATE FUNCTION pg_temp.pages(identifier text) RETURNS TABLE (groups int, items bigint) LANGUAGE plpgsql AS $$
DECLARE
    reply jsonb; after text;
BEGIN
    LOOP
        reply := pg_temp.info(identifier, jsonb_strip_nulls(jsonb_build_object('after', after)));
        RETURN QUERY SELECT jsonb_array_length(reply -> 'groups'), (SELECT count(DISTINCT (g -> 'id', m -> 'terminal')) + count(s)
            FROM jsonb_array_elements(reply -> 'groups') g, jsonb_array_elements(g -> 'members') m LEFT JOIN jsonb_array_elements(m -> 'shares') s ON true);
        after := reply ->> 'next';
        EXIT WHEN after IS NULL;
    END LOOP;
END $$;
SELECT pg_temp.rows_read() AS before \gset
SELECT is(jsonb_array_length(groupshare.my_groups('hub@x.org') -> 'groups'), 91, 'ninety-one groups of eleven are a page');
SELECT cmp_ok(pg_temp.rows_read() - :before, '<', 10000::bigint, 'for which little more is read than shown');
-- A page in the middle does not read those before it, neither of members nor of shares.
SELECT id AS wide FROM groupshare.sharing_group WHERE name = 'h1' \gset
INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, 'wide' || n || '@x.org', 'standard' FROM groupshare.self, generate_series(1, 1500) n;
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, since, joined_at)
    SELECT :'wide', id, home, 'member', now() - interval '1 s', now() FROM groupshare.terminal WHERE identifier LIKE 'wide%';
SELECT count(pg_temp.share('wide1@x.org', 'w' || n)) FROM generate_series(1000, 2000) n \gset
SELECT pg_temp.rows_read() AS before \gset
SELECT is(jsonb_array_length(pg_temp.info('hub@x.org', jsonb_build_object('group', :'wide', 'limit', '10', 'after', 'c0000000-0000-4000-8000-000000000000')) -> 'members')
    + jsonb_array_length(pg_temp.info('hub@x.org', jsonb_build_object('group', :'wide', 'terminal', 'wide1@x.org', 'limit', '10', 'after', 'w1900')) -> 'shares'), 20, 'pages of members and shares from the middle');
SELECT cmp_ok(pg_temp.rows_read() - :before, '<', 300::bigint, 'for which those before them are not read');
DELETE FROM groupshare.share WHERE name LIKE 'w1%' OR name LIKE 'w2%';
DELETE FROM groupshare.membership WHERE terminal_id IN (SELECT id FROM groupshare.terminal WHERE identifier LIKE 'wide%');
SELECT count(pg_temp.share('m' || 1 + n % 10 || '@x.org', 'm' || n)) FROM generate_series(1, 300) n \gset
SELECT results_eq($$ SELECT sum(groups), max(items) <= 1420, min(items) > 0, count(*) > 20 FROM pg_temp.pages('hub@x.org') $$,
    'VALUES (101::bigint, true, true, true)', 'with shares there are many pages, none much larger');
SELECT is(pg_temp.walk('hub@x.org', 'groups', 'name', '{"limit":"100"}'), ARRAY(SELECT 'h' || n FROM generate_series(1, 101) n ORDER BY 1), 'and every group is in one of them');
SELECT throws_ok(format('SELECT pg_temp.info(%L, %L)', 'ann@x.org', p), 'GS010', NULL, 'refused: ' || p)
  FROM unnest(ARRAY['{"limit":"0"}', '{"limit":"101"}', '{"limit":""}', '{"limit":"1e2"}', '{"after":"x"}', '{"group":"x"}']) p;

SELECT * FROM finish();
ROLLBACK;
