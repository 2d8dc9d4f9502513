-- SPDX-License-Identifier: PostgreSQL
-- Joining by the three rules, bans, hidden groups.
\ir fixture/start.psql
SELECT plan(37);

CREATE FUNCTION pg_temp.join(identifier text, group_id uuid) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT pg_temp.call($1, 'join_group', jsonb_build_object('group', $2)) $$;
CREATE FUNCTION pg_temp.fails(identifier text, group_id uuid, code text, why text) RETURNS text LANGUAGE sql
    AS $$ SELECT throws_ok(format('SELECT pg_temp.join(%L, %L)', $1, $2), $3, NULL, $4) $$;

-- anyone
SELECT pg_temp.group_of_ann('Open', 'anyone') AS g \gset
SELECT pg_temp.join('bob@x.org', :'g') AS a \gset
SELECT is(pg_temp.status(:'a') || (:'a'::jsonb -> 'reply' ->> 'state') || (:'a'::jsonb -> 'reply' ->> 'role'), '200membermember', 'anyone joins');
SELECT is(jsonb_array_length(:'a'::jsonb -> 'reply' -> 'group' -> 'members'), 2, 'and gets the group info');
SELECT is(pg_temp.join('bob@x.org', :'g'), :'a'::jsonb, 'joining again is the same answer');
SELECT is(jsonb_array_length(groupshare.fetch_events('ann@x.org') -> 'events'), 1, 'the others are told, once');
SELECT pg_temp.fails('bob@x.org', '11111111-1111-4111-8111-111111111111', 'GS012', 'no group of that id');
SELECT throws_ok($$ SELECT pg_temp.call('bob@x.org', 'join_group', '{"group":"x"}') $$, 'GS010', NULL, 'no id');

-- listed
SELECT pg_temp.group_of_ann('Closed', 'listed', '["bob@x.org","later@x.org"]') AS l \gset
SELECT is(pg_temp.status(pg_temp.join('bob@x.org', :'l')), '200', 'a listed one joins');
SELECT pg_temp.fails('cid@x.org', :'l', 'GS014', 'another can''t');
SELECT groupshare.add_terminal('later@x.org') AS code \gset
SELECT is(pg_temp.status(pg_temp.join('later@x.org', :'l')), '200', 'one that was listed before it was a terminal joins');
SELECT groupshare.remove_member('ann@x.org', :'l', 'bob@x.org');
SELECT pg_temp.fails('bob@x.org', :'l', 'GS014', 'who was removed is off the list');

-- confirm
SELECT pg_temp.group_of_ann('Asked', 'confirm') AS c \gset
SELECT pg_temp.join('bob@x.org', :'c') AS a \gset
SELECT is(pg_temp.status(:'a') || (:'a'::jsonb -> 'reply' ->> 'state'), '202pending', 'by confirmation: pending');
SELECT is(pg_temp.join('bob@x.org', :'c'), :'a'::jsonb, 'asking again is the same inquiry');
SELECT is((SELECT count(*) FROM groupshare.event WHERE kind = 'inquiry' AND terminal_id = pg_temp.id('ann@x.org')), 1::bigint, 'put to the administrator once');
SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L)', 'bob@x.org', 'my_groups', jsonb_build_object('group', :'c')), 'GS012', NULL, 'pending sees nothing');
SELECT groupshare.set_group('ann@x.org', :'c', '{"join":{"rule":"anyone"}}');
SELECT is((SELECT state FROM groupshare.inquiries WHERE group_id = :'c'), 'open', 'another rule leaves the inquiry open');
SELECT is(pg_temp.status(pg_temp.join('bob@x.org', :'c')), '200', 'but who asks again now joins by the new rule');
SELECT is((SELECT state FROM groupshare.inquiries WHERE group_id = :'c'), 'cancelled', 'and the inquiry is closed');

-- ban
SELECT is(pg_temp.call('ann@x.org', 'set_member', jsonb_build_object('group', :'g', 'terminal', 'bob@x.org'), '{"banned":true}') -> 'reply',
    '{"terminal":"bob@x.org","role":null,"state":"banned"}', 'ban a member');
SELECT is(pg_temp.call('bob@x.org', 'my_groups', jsonb_build_object('limit', '100')) -> 'reply' -> 'groups' @> '[{"name":"Open"}]', false, 'it sees the group no more');
SELECT pg_temp.fails('bob@x.org', :'g', 'GS014', 'banned: not by anyone');
SELECT throws_ok(format('SELECT groupshare.leave_group(%L, %L)', 'bob@x.org', :'g'), 'GS012', NULL, 'a ban can''t be left');
SELECT groupshare.set_group('ann@x.org', :'g', '{"join":{"rule":"confirm"}}');
SELECT pg_temp.fails('bob@x.org', :'g', 'GS014', 'not by confirmation');
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'ann@x.org', :'g', s), 'GS015', NULL, why)
  FROM (VALUES ('{"join":{"rule":"listed","listed":["bob@x.org"]}}', 'not by the list'), ('{"administrators":["ann@x.org","bob@x.org"]}', 'not as administrator')) v (s, why);
SELECT is(groupshare.set_member('ann@x.org', :'g', 'cid@x.org', banned => true), 'banned', 'ban a stranger ahead');
SELECT is(groupshare.set_member('ann@x.org', :'g', 'nobody@x.org', banned => true), 'banned', 'one that is no terminal looks the same');
SELECT pg_temp.fails('cid@x.org', :'g', 'GS014', 'it can''t join');
SELECT is(groupshare.set_member('ann@x.org', :'g', 'bob@x.org', banned => false), 'removed', 'lift the ban');
SELECT is(pg_temp.status(pg_temp.join('bob@x.org', :'g')), '202', 'and it may ask again');
SELECT is(groupshare.set_member('ann@x.org', :'g', 'bob@x.org', banned => true), 'banned', 'ban one that asks');
SELECT is((SELECT i.state FROM groupshare.inquiries i WHERE i.group_id = :'g'), 'refused', 'its inquiry is refused');

-- hidden
SELECT groupshare.create_group('ann@x.org', 'Secret', '{"join":{"rule":"listed","listed":["bob@x.org"]},"listing":"hidden"}') AS h \gset
SELECT pg_temp.fails('cid@x.org', :'h', 'GS012', 'a hidden group that refuses is not there');
SELECT is(pg_temp.status(pg_temp.join('bob@x.org', :'h')), '200', 'for a listed one it is');
SELECT groupshare.set_member('ann@x.org', :'h', 'bob@x.org', banned => true);
SELECT pg_temp.fails('bob@x.org', :'h', 'GS012', 'for a banned one it is not');

-- dissolved and revoked
SELECT groupshare.dissolve_group(:'l');
SELECT pg_temp.fails('later@x.org', :'l', 'GS012', 'a dissolved group is not there, also for its members');
SELECT is(pg_temp.call('ann@x.org', 'join_group', jsonb_build_object('group', :'c'), '{}') ->> 'status', '200', 'an empty body is fine');
SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L, %L)', 'ann@x.org', 'join_group', jsonb_build_object('group', :'c'), '{"role":"administrator"}'),
    'GS011', NULL, 'a role can''t be asked for');

SELECT * FROM finish();
ROLLBACK;
