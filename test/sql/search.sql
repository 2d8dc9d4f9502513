-- SPDX-License-Identifier: PostgreSQL
-- Search by name: exact, prefix, part; listed, exact-name-only and hidden groups; pages.
\ir fixture/start.psql
SELECT plan(67);

CREATE FUNCTION pg_temp.names(identifier text, name text, match text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(g ->> 'name', ' ' ORDER BY n), '-') FROM jsonb_array_elements(
        pg_temp.call($1, 'search_groups', jsonb_build_object('name', $2, 'match', $3)) -> 'reply' -> 'groups') WITH ORDINALITY e (g, n) $$;
CREATE FUNCTION pg_temp.make(name text, listing text) RETURNS uuid LANGUAGE sql AS $$
    SELECT groupshare.create_group('ann@x.org', $1, jsonb_build_object('join', '{"rule":"anyone"}'::jsonb, 'listing', $2)) $$;

SELECT count(pg_temp.make(n, 'listed')) FROM unnest(ARRAY['Friends', 'friendly', 'Best_friends', '50%', '500', 'Été', 'a\b']) n \gset
SELECT pg_temp.make('Friendship', 'exact') AS e \gset
SELECT pg_temp.make('Friendzone', 'hidden') AS h \gset
SELECT groupshare.create_group('ann@x.org', 'Friendnew') AS n \gset
SELECT groupshare.dissolve_group(pg_temp.make('Friendgone', 'listed'));

SELECT is(pg_temp.call('bob@x.org', 'search_groups', '{"name":"friends"}') -> 'reply', jsonb_build_object('groups', jsonb_build_array(jsonb_build_object(
    'id', (SELECT id FROM groupshare.groups WHERE group_name = 'Friends'), 'name', 'Friends', 'join', 'anyone')), 'next', null), 'exact, without case, is the default');
SELECT is(pg_temp.names('bob@x.org', 'FRIEND', 'prefix'), 'friendly Friends', 'prefix');
SELECT is(pg_temp.names('bob@x.org', 'friend', 'part'), 'Best_friends friendly Friends', 'part');
SELECT is(pg_temp.names('bob@x.org', 'friend', 'exact'), '-', 'a part is not the whole');
SELECT is(pg_temp.names('bob@x.org', '50%', 'prefix'), '50%', 'a per cent sign is itself');
SELECT is(pg_temp.names('bob@x.org', '_', 'part'), 'Best_friends', 'so is an underscore');
SELECT is(pg_temp.names('bob@x.org', '\', 'part'), 'a\b', 'so is a backslash');
SELECT is(pg_temp.names('bob@x.org', 'Été', 'exact'), 'Été', 'beyond ASCII');
SELECT is(pg_temp.names('bob@x.org', 'friendship', 'exact'), 'Friendship', 'exact-name-only by its whole name');
SELECT is(pg_temp.names('bob@x.org', 'friendship', 'prefix') || pg_temp.names('bob@x.org', 'friendship', 'part'), '--', 'and no other way');
SELECT is(pg_temp.call('bob@x.org', 'search_groups', jsonb_build_object('name', 'friendzone', 'match', m)),
    pg_temp.call('bob@x.org', 'search_groups', jsonb_build_object('name', 'nothing here', 'match', m)), 'hidden and none are alike: ' || m)
  FROM unnest(ARRAY['exact', 'prefix', 'part']) m;
SELECT is(pg_temp.names('ann@x.org', 'friendz', 'prefix'), 'Friendzone', 'its members find it');
SELECT is(pg_temp.names('ann@x.org', 'friendnew', 'exact') || pg_temp.names('ann@x.org', 'friendgone', 'exact'), '--', 'neither new nor dissolved ones are found');
SELECT is(pg_temp.names('bob@x.org', $$'; DROP TABLE groupshare.terminal; --$$, 'part'), '-', 'a name is no SQL');
SELECT is(groupshare.search_groups('bob@x.org', 'friends') -> 'groups' -> 0 ->> 'name', 'Friends', 'the typed function');

SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L)', 'bob@x.org', 'search_groups', p), e, NULL, 'refused: ' || p)
  FROM (VALUES ('{}', 'GS010'), ('{"name":""}', 'GS010'), ('{"name":"x","match":"like"}', 'GS010'), ('{"name":"x","limit":"0"}', 'GS010'),
    ('{"name":"x","after":"y"}', 'GS010'), ('{"name":"x","after":"11111111-1111-4111-8111-11111111111z/x"}', 'GS010'), ('{"name":"x","sort":"y"}', 'GS011')) v (p, e);

-- Pages: every group once, in order, whatever the size of the page; equal names too.
SELECT count(pg_temp.make('page ' || n % 5, 'listed')) FROM generate_series(1, 23) n \gset
CREATE FUNCTION pg_temp.walk(page int) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    after text; reply jsonb; found uuid[] := '{}';
BEGIN
    LOOP
        reply := pg_temp.call('bob@x.org', 'search_groups', jsonb_strip_nulls(jsonb_build_object('name', 'page', 'match', 'prefix', 'limit', page::text, 'after', after))) -> 'reply';
        found := found || ARRAY(SELECT (g ->> 'id')::uuid FROM jsonb_array_elements(reply -> 'groups') WITH ORDINALITY e (g, n) ORDER BY n);
        after := reply ->> 'next';
        EXIT WHEN after IS NULL OR cardinality(found) > 100;
    END LOOP;
    RETURN found;
END $$;
SELECT is(pg_temp.walk(p), ARRAY(SELECT id FROM groupshare.sharing_group WHERE name LIKE 'page %' ORDER BY name, id), 'pages of ' || p)
  FROM unnest(ARRAY[1, 2, 7, 23, 24, 100]) p;

-- The index serves exact and prefix, with the very conditions of the code.
INSERT INTO groupshare.sharing_group (home, name, creator, state, join_rule)
    SELECT server_id, 'filler ' || n, pg_temp.id('ann@x.org'), 'live', 'anyone' FROM groupshare.self, generate_series(1, 5000) n;
ANALYZE groupshare.sharing_group;
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text; lines text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN ' || query LOOP lines := lines || line || E'\n'; END LOOP;
    RETURN lines;
END $$;
PREPARE prefix(text, uuid, text) AS SELECT id FROM groupshare.sharing_group l WHERE l.state = 'live' AND l.listing = 'listed' AND (l.name_key, l.id) > ($1, $2)
    AND l.name_key < ($3 || chr(1114111)) ORDER BY l.name_key, l.id LIMIT 101;
SET LOCAL plan_cache_mode = force_generic_plan;
SELECT matches(pg_temp.plan_of($$ EXECUTE prefix('fr', '00000000-0000-0000-0000-000000000000', 'fr') $$), 'Index.*sharing_group_name.*Index Cond: .*ROW.*', 'prefix walks the index');

-- Case and accents.
SELECT is(groupshare.name_key(n), k, format('the key of %s', n)) FROM (VALUES ('Été', 'ete'), ('ÅNGSTRÖM', 'angstrom'), ('ﬁlm', 'film'), ('Ⅷ', 'viii'), ('ｗｉｄｅ', 'wide'),
    ('Müller-Straße', 'muller-straße'), ('Ёлка', 'елка'), ('日本', '日本'), ('가', groupshare.name_key('가')), (U&'\0301', U&'\0301')) v (n, k);
SELECT is(pg_temp.names('bob@x.org', 'ETE', 'exact') || pg_temp.names('bob@x.org', 'et', 'prefix') || pg_temp.names('bob@x.org', 'TÉ', 'part'), 'ÉtéÉtéÉté', 'each condition, without case and accents');
SELECT pg_temp.make(repeat('ﷺ', 85), 'listed') AS long \gset
SELECT is(octet_length(name_key) <= 1000, true, 'a key has an end') FROM groupshare.sharing_group WHERE id = :'long';
SELECT is(pg_temp.call('bob@x.org', 'search_groups', jsonb_build_object('name', repeat('ﷺ', 85))) #>> '{reply,groups,0,id}', :'long', 'and its name is found');

-- At 20,000 groups no search reads them all.
INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator, established_at)
    SELECT f.server_id, 'Verein ' || to_hex(i) || CASE i WHEN 777 THEN ' Zürich-Wörth' ELSE '' END, 'live', 'anyone', pg_temp.id('ann@x.org'), now()
      FROM groupshare.self f, generate_series(1, 20000) i;
ANALYZE groupshare.sharing_group;
CREATE FUNCTION pg_temp.scans() RETURNS bigint LANGUAGE sql AS $$
    SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'groupshare.sharing_group'::regclass $$;
CREATE FUNCTION pg_temp.rows_read() RETURNS bigint LANGUAGE sql AS $$
    SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'groupshare.sharing_group'::regclass $$;
SELECT pg_temp.scans() AS before, pg_temp.rows_read() AS read \gset
SELECT is(pg_temp.names('bob@x.org', n, m), 'Verein ' || to_hex(777) || ' Zürich-Wörth', format('one of many by %s', m))
  FROM (VALUES ('zurich-w', 'part'), ('verein ' || to_hex(777) || ' ', 'prefix'), ('verein ' || to_hex(777) || ' zürich-wörth', 'exact'), ('ZÜRICH', 'part'),
    ('rich-w', 'part'), ('-wo', 'part'), ('ürich-wörth', 'part'), ('wörth', 'part'), ('ch-wort', 'part')) v (n, m);
SELECT is(jsonb_array_length(pg_temp.call('bob@x.org', 'search_groups', '{"name":"zz","match":"part"}') #> '{reply,groups}'), 0, 'none');
SELECT cmp_ok(pg_temp.rows_read() - :read, '<', 6000::bigint, 'few rows are read for them');
SELECT is(jsonb_array_length(pg_temp.call('bob@x.org', 'search_groups', jsonb_build_object('name', n, 'match', m)) #> '{reply,groups}'), 100, format('a page of many by %s of %s', m, n))
  FROM (VALUES ('v', 'prefix'), ('e', 'part'), ('ve', 'part'), ('ver', 'part')) v (n, m);
SELECT is(pg_temp.scans(), :before::bigint, 'no sequential scan in all of these');

-- A part of many names that stand far behind in the order: pages of few or none lead to all of them.
INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator, established_at)
    SELECT f.server_id, 'xx ' || to_hex(i) || ' zz', 'live', 'anyone', pg_temp.id('ann@x.org'), now() FROM groupshare.self f, generate_series(1, 2200) i;
CREATE FUNCTION pg_temp.pages(identifier text, part text) RETURNS TABLE (n int, reply jsonb) LANGUAGE plpgsql AS $$
DECLARE
    after text;
BEGIN
    FOR i IN 1 .. 60 LOOP
        n := i;
        reply := pg_temp.call(identifier, 'search_groups', jsonb_strip_nulls(jsonb_build_object('name', part, 'match', 'part', 'after', after))) -> 'reply';
        RETURN NEXT;
        after := reply ->> 'next';
        EXIT WHEN after IS NULL;
    END LOOP;
END $$;
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.pages('bob@x.org', 'zz');
SELECT is(jsonb_array_length(reply -> 'groups') || ' ' || (reply ->> 'next' IS NOT NULL), '0 true', 'a page of none goes on') FROM before WHERE n = 1;
SELECT results_eq($$ SELECT (g ->> 'id')::uuid FROM before, jsonb_array_elements(reply -> 'groups') WITH ORDINALITY e (g, o) ORDER BY n, o $$,
    $$ SELECT id FROM groupshare.sharing_group WHERE name LIKE 'xx %' ORDER BY name_key, id $$, 'all are found, in order');
SELECT cmp_ok(count(*), '<', 30::bigint, 'on few pages') FROM before;
-- What is hidden among them changes no byte, neither of what is found nor of where pages end.
INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator, established_at, listing)
    SELECT f.server_id, CASE i % 3 WHEN 0 THEN 'Verein ' WHEN 1 THEN 'xx ' ELSE 'a' END || to_hex(i) || ' zz', 'live', 'anyone', pg_temp.id('ann@x.org'), now(),
           CASE i % 2 WHEN 0 THEN 'hidden' ELSE 'exact' END FROM groupshare.self f, generate_series(1, 6000) i;
SELECT results_eq($$ SELECT * FROM pg_temp.pages('bob@x.org', 'zz') $$, 'SELECT * FROM before', 'hidden groups change nothing');
SELECT is(pg_temp.call('bob@x.org', 'search_groups', '{"name":"a7","match":"prefix"}'), pg_temp.call('bob@x.org', 'search_groups', '{"name":"c7","match":"prefix"}'), 'nor a page of none');
-- Its members find a hidden one among them, once, and on no page twice.
SELECT id AS mine FROM groupshare.sharing_group WHERE name_key = 'verein ' || to_hex(3000) || ' zz' \gset
INSERT INTO groupshare.membership (group_id, terminal_id, home, state) SELECT :'mine', pg_temp.id('bob@x.org'), home, 'member' FROM groupshare.sharing_group WHERE id = :'mine';
SELECT results_eq($$ SELECT (g ->> 'id')::uuid FROM pg_temp.pages('bob@x.org', 'zz') p, jsonb_array_elements(p.reply -> 'groups') WITH ORDINALITY e (g, o) ORDER BY p.n, o $$,
    format($$ SELECT id FROM groupshare.sharing_group WHERE (name LIKE 'xx %%' AND listing = 'listed') OR id = %L ORDER BY name_key, id $$, :'mine'), 'a member''s pages have its own too, in its place');
SELECT is(pg_temp.call('bob@x.org', 'search_groups', jsonb_build_object('name', 'xx', 'match', 'prefix', 'after', '00000000-0000-0000-0000-000000000000a')) #> '{reply,groups}',
    pg_temp.call('bob@x.org', 'search_groups', '{"name":"xx","match":"prefix"}') #> '{reply,groups}', 'a made-up place shows nothing else');
SELECT * FROM finish();
ROLLBACK;
