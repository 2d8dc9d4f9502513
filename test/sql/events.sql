-- SPDX-License-Identifier: PostgreSQL
-- Events: the cursor, pages, retention, waking; an event that commits late is not lost (isolation/specs/late_event.spec).
\ir fixture/start.psql
SELECT plan(21);

CREATE FUNCTION pg_temp.events(identifier text, params jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
    AS $$ SELECT pg_temp.call($1, 'events', $2) -> 'reply' $$;

SELECT is(pg_temp.events('ann@x.org'), '{"events":[],"next":null}', 'none yet');
SELECT pg_temp.group_of_ann('Open', 'anyone') AS g \gset
SELECT groupshare.join_group('bob@x.org', :'g');
SELECT is((pg_temp.events('ann@x.org') -> 'events' -> 0) - 'id' - 'at', jsonb_build_object('kind', 'member', 'data',
    jsonb_build_object('group', :'g', 'group_name', 'Open', 'terminal', 'bob@x.org', 'state', 'member')), 'an event');
SELECT pg_temp.events('ann@x.org') -> 'events' -> 0 ->> 'id' AS first \gset
SELECT is(pg_temp.events('ann@x.org') -> 'events' -> 0 ->> 'id', :'first', 'it is there until the cursor passes it');
SELECT is(pg_temp.events('ann@x.org', jsonb_build_object('after', :'first')), '{"events":[],"next":null}', 'then no more');
SELECT is(jsonb_array_length(pg_temp.events('cid@x.org') -> 'events'), 0, 'each terminal has its own');

SELECT count(*) FROM (SELECT groupshare.set_member('ann@x.org', :'g', 'bob@x.org', role => CASE n % 2 WHEN 0 THEN 'member' ELSE 'administrator' END)
    FROM generate_series(1, 230) n) s \gset
CREATE FUNCTION pg_temp.walk(identifier text, page int) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    reply jsonb; after text := '0'; found bigint[] := '{}';
BEGIN
    LOOP
        reply := pg_temp.events(identifier, jsonb_build_object('after', after, 'limit', page::text));
        EXIT WHEN jsonb_array_length(reply -> 'events') = 0;
        found := found || ARRAY(SELECT (e ->> 'id')::bigint FROM jsonb_array_elements(reply -> 'events') WITH ORDINALITY x (e, n) ORDER BY n);
        after := found[cardinality(found)];
    END LOOP;
    RETURN found;
END $$;
SELECT is(cardinality(pg_temp.walk('ann@x.org', 100)), 231, 'all come, page by page');
SELECT is(pg_temp.walk('ann@x.org', 7), ARRAY(SELECT unnest(pg_temp.walk('ann@x.org', 100)) ORDER BY 1), 'in order');
SELECT is((SELECT unfetched FROM groupshare.event_lag WHERE terminal = 'bob@x.org'), 231::bigint, 'the view event_lag counts what was not fetched');
SELECT groupshare.run_maintenance();
SELECT is((SELECT unsent FROM groupshare.event_lag WHERE terminal = 'bob@x.org'), 0::bigint, 'maintenance wakes for all');
UPDATE groupshare.event SET at = now() - interval '31 days' WHERE id % 2 = 0;
UPDATE groupshare.group_event SET at = now() - interval '31 days' WHERE id % 2 = 0;
SELECT groupshare.run_maintenance();
SELECT is((SELECT count(*) FROM (SELECT at FROM groupshare.event UNION ALL SELECT at FROM groupshare.group_event) e WHERE at < now() - interval '30 days'), 0::bigint, 'old ones go');
SELECT ok((SELECT count(*) FROM groupshare.event) > 100, 'the others stay');
SELECT is(count(*), (SELECT count(*) FROM groupshare.group_event), 'and of groups'' events what says for which groups') FROM groupshare.event_group;
SELECT throws_ok(format('SELECT pg_temp.events(%L, %L)', 'ann@x.org', p), 'GS010', NULL, 'refused: ' || p)
  FROM unnest(ARRAY['{"after":"x"}', '{"after":"-1"}', '{"after":"99999999999999999999"}', '{"limit":"0"}', '{"limit":"101"}']) p;

-- What can't be done keeps nothing else from being done.
INSERT INTO groupshare.used_challenge VALUES ('old', now() - interval '1 day');
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE DELETE ON groupshare.used_challenge FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
UPDATE groupshare.event SET sent = false, at = now() - interval '31 days' WHERE terminal_id = (SELECT id FROM groupshare.terminal WHERE identifier = 'ann@x.org');
SELECT count(*) > 0 AS some FROM groupshare.event WHERE NOT sent \gset
SELECT ok(:'some', 'something to wake for and to sweep');
SET client_min_messages = error;
SELECT lives_ok('SELECT groupshare.run_maintenance()', 'maintenance of which a part fails');
RESET client_min_messages;
SELECT is((SELECT count(*) FROM groupshare.used_challenge), 1::bigint, 'that part is undone');
SELECT is((SELECT count(*) FROM groupshare.event WHERE NOT sent OR at < now() - interval '30 days'), 0::bigint, 'those before and after it are done');

SELECT * FROM finish();
ROLLBACK;
