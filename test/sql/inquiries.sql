-- SPDX-License-Identifier: PostgreSQL
-- Inquiries: who sees them, who decides, the first decision stands, the pause, expiry.
\ir fixture/start.psql
SELECT plan(41);

CREATE FUNCTION pg_temp.decide(identifier text, inquiry uuid, decision text) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT pg_temp.call($1, 'decide_inquiry', jsonb_build_object('inquiry', $2), jsonb_build_object('decision', $3)) $$;
CREATE FUNCTION pg_temp.fails(identifier text, inquiry uuid, decision text, code text, why text) RETURNS text LANGUAGE sql
    AS $$ SELECT throws_ok(format('SELECT pg_temp.decide(%L, %L, %L)', $1, $2, $3), $4, NULL, $5) $$;
CREATE FUNCTION pg_temp.kinds(identifier text) RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg((e ->> 'kind') || ':' || coalesce(e -> 'data' ->> 'state', e -> 'data' ->> 'change'), ' ' ORDER BY (e ->> 'id')::int)
            FROM jsonb_array_elements(pg_temp.call($1, 'events') -> 'reply' -> 'events') e $$;

SELECT pg_temp.group_of_ann('Asked', 'confirm') AS g \gset
SELECT groupshare.join_group('bob@x.org', :'g') AS i \gset
SELECT is(pg_temp.call('ann@x.org', 'inquiries') -> 'reply' -> 'inquiries' -> 0 ->> 'terminal', 'bob@x.org', 'the administrator sees it');
SELECT is((pg_temp.call('ann@x.org', 'inquiries') -> 'reply' -> 'inquiries' -> 0) - 'created_at', jsonb_build_object('id', :'i', 'group', :'g',
    'group_name', 'Asked', 'terminal', 'bob@x.org', 'state', 'open', 'mine', false, 'decided_at', null), 'whole');
SELECT is(pg_temp.call('bob@x.org', 'inquiries') -> 'reply' -> 'inquiries' -> 0 ->> 'mine', 'true', 'the requester sees its own');
SELECT is(pg_temp.call('cid@x.org', 'inquiries') -> 'reply', '{"inquiries":[],"invitations":[],"next":null}', 'a stranger none');

SELECT pg_temp.fails('cid@x.org', :'i', 'allow', 'GS012', 'a stranger can''t decide, nor see that it is there');
SELECT pg_temp.fails('bob@x.org', :'i', 'allow', 'GS013', 'the requester can''t allow itself');
SELECT pg_temp.fails('ann@x.org', :'i', 'cancel', 'GS013', 'only the requester cancels');
SELECT pg_temp.fails('ann@x.org', :'i', 'maybe', 'GS010', 'a decision that there is');
SELECT pg_temp.fails('ann@x.org', '11111111-1111-4111-8111-111111111111', 'allow', 'GS012', 'an inquiry that is not there');
SELECT is(pg_temp.decide('ann@x.org', :'i', 'allow') -> 'reply', jsonb_build_object('id', :'i', 'state', 'allowed'), 'the administrator allows');
SELECT is(pg_temp.state(:'g', 'bob@x.org'), 'member', 'and the requester is a member');
SELECT is(pg_temp.kinds('bob@x.org'), 'member:member decision:allowed', 'it is told');
SELECT is(pg_temp.kinds('ann@x.org'), 'inquiry:open member:member inquiry:allowed', 'as the administrators are of each step');
SELECT pg_temp.fails('ann@x.org', :'i', 'refuse', 'GS017', 'the first decision stands');
SELECT is(pg_temp.state(:'g', 'bob@x.org'), 'member', 'whatever comes later');

SELECT groupshare.join_group('cid@x.org', :'g') AS i \gset
SELECT pg_temp.fails('bob@x.org', :'i', 'allow', 'GS012', 'a plain member does not see it');
SELECT is(groupshare.decide_inquiry('ann@x.org', :'i', 'refuse'), 'refused', 'refused');
SELECT is(pg_temp.state(:'g', 'cid@x.org'), 'refused', 'is no member');
SELECT is(pg_temp.kinds('cid@x.org'), 'decision:refused', 'is told');
SELECT throws_ok(format('SELECT groupshare.join_group(%L, %L)', 'cid@x.org', :'g'), 'GS026', NULL, 'must wait before it asks again');
SET LOCAL groupshare.refusal_pause = 0;
SELECT isnt(groupshare.join_group('cid@x.org', :'g'), :'i'::uuid, 'after the pause it may');

-- Cancel; no flood by cancelling.
SET LOCAL groupshare.refusal_pause = '1h';
SELECT groupshare.join_group('dan@x.org', :'g') AS i \gset
SELECT is(groupshare.decide_inquiry('dan@x.org', :'i', 'cancel'), 'cancelled', 'the requester cancels');
SELECT is(pg_temp.state(:'g', 'dan@x.org'), 'left', 'and is out');
SELECT groupshare.join_group('dan@x.org', :'g') AS i \gset
SELECT is(groupshare.leave_group('dan@x.org', :'g'), 'live', 'leaving withdraws too');
SELECT is((SELECT state FROM groupshare.inquiries WHERE id = :'i'), 'cancelled', 'its inquiry is cancelled');
SELECT groupshare.join_group('dan@x.org', :'g') AS i \gset
SELECT groupshare.decide_inquiry('dan@x.org', :'i', 'cancel');
SELECT throws_ok(format('SELECT groupshare.join_group(%L, %L)', 'dan@x.org', :'g'), 'GS026', NULL, 'a fourth request within the pause is too much');

-- Expiry and the end of the group.
UPDATE groupshare.inquiry SET created_at = now() - interval '20 days' WHERE state = 'open';
SELECT groupshare.run_maintenance();
SELECT is((SELECT string_agg(DISTINCT state, ' ') FROM groupshare.inquiries WHERE terminal = 'cid@x.org'), 'expired refused', 'nobody decided: it expires');
SELECT is(pg_temp.state(:'g', 'cid@x.org'), 'left', 'and pends no more');
SET LOCAL groupshare.refusal_pause = 0;
SELECT groupshare.set_member('ann@x.org', :'g', 'bob@x.org', role => 'administrator');
UPDATE groupshare.inquiry SET created_at = now() - interval '1 day';
SET LOCAL groupshare.refusal_pause = '1h';
SELECT groupshare.join_group('dan@x.org', :'g') AS i \gset
SELECT groupshare.dissolve_group(:'g');
SELECT is((SELECT state FROM groupshare.inquiries WHERE id = :'i'), 'cancelled', 'a dissolved group asks no more');
SELECT pg_temp.fails('ann@x.org', :'i', 'allow', 'GS012', 'nor decides');

-- The schema itself.
SELECT throws_ok(format('INSERT INTO groupshare.inquiry (home, group_id, terminal_id) SELECT home, id, %L FROM groupshare.sharing_group g,
    generate_series(1, 2)', pg_temp.id('dan@x.org')), '23505', NULL, 'one open inquiry a terminal and group');

-- Pages.
SELECT count(groupshare.join_group('bob@x.org', pg_temp.group_of_ann('P' || n, 'confirm'))) FROM generate_series(1, 7) n \gset
SELECT pg_temp.call('ann@x.org', 'inquiries', '{"limit":"5"}') -> 'reply' AS p \gset
SELECT is(jsonb_array_length(:'p'::jsonb -> 'inquiries'), 5, 'a page');
SELECT pg_temp.call('ann@x.org', 'inquiries', jsonb_build_object('limit', '5', 'after', :'p'::jsonb ->> 'next')) -> 'reply' AS q \gset
SELECT is((SELECT count(DISTINCT i ->> 'id') FROM jsonb_array_elements((:'p'::jsonb -> 'inquiries') || (:'q'::jsonb -> 'inquiries')) i), 7::bigint, 'and the rest');
SELECT is(:'q'::jsonb ->> 'next', NULL, 'then no more');
SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L)', 'ann@x.org', 'inquiries', p), 'GS010', NULL, 'bad page: ' || p)
  FROM unnest(ARRAY['{"limit":"0"}', '{"limit":"101"}', '{"limit":"x"}', '{"limit":"-1"}', '{"after":"x"}']) p;

-- A page of thousands reads little more than a page.
SELECT pg_temp.group_of_ann('Q', 'confirm') AS many \gset
INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, 'many' || n || '@x.org', 'standard' FROM groupshare.self, generate_series(1, 3000) n;
INSERT INTO groupshare.inquiry (home, group_id, terminal_id)
    SELECT home, :'many', id FROM groupshare.terminal WHERE identifier LIKE 'many%';
ANALYZE groupshare.inquiry;
CREATE FUNCTION pg_temp.rows_read() RETURNS bigint LANGUAGE sql AS $$
    SELECT (s.seq_tup_read + i.read)::bigint FROM pg_stat_xact_user_tables s
      CROSS JOIN LATERAL (SELECT sum(pg_stat_get_xact_tuples_returned(x.indexrelid)) AS read FROM pg_index x WHERE x.indrelid = s.relid) i
     WHERE s.relid = 'groupshare.inquiry'::regclass $$;
SELECT pg_temp.rows_read() AS before \gset
SELECT is(jsonb_array_length(pg_temp.call('ann@x.org', 'inquiries', '{"limit":"100","after":"80000000-0000-4000-8000-000000000000"}') #> '{reply,inquiries}'), 100, 'one of many pages');
SELECT cmp_ok(pg_temp.rows_read() - :before, '<', 400::bigint, 'is read without the others');

SELECT * FROM finish();
ROLLBACK;
