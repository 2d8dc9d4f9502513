-- SPDX-License-Identifier: PostgreSQL
-- Name, description, room and list of a group; what a changed rule does to open inquiries.
\ir fixture/start.psql
SELECT plan(33);
SELECT pg_temp.group_of_ann('Family', 'confirm') AS g \gset

SELECT groupshare.set_group('ann@x.org', :'g', jsonb_build_object('name', 'Clan', 'description', E'Who we are.\nAll of us.', 'max_members', 2));
SELECT is(pg_temp.call('ann@x.org', 'my_groups') #> '{reply,groups,0}' @> jsonb_build_object('name', 'Clan', 'description', E'Who we are.\nAll of us.', 'max_members', 2),
    true, 'name, description and room');
SELECT is(pg_temp.call('bob@x.org', 'search_groups', '{"name":"clan"}') #>> '{reply,groups,0,id}', :'g', 'found by the new name');
SELECT is(pg_temp.call('bob@x.org', 'search_groups', '{"name":"family"}') #>> '{reply,groups}', '[]', 'and not by the old one');
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'ann@x.org', :'g', s), 'GS010', NULL, 'refused: ' || s)
  FROM unnest(ARRAY['{"name":""}', '{"name":"a\u0007"}', '{"description":"a\tb"}', '{"description":"\u202e"}', '{"max_members":0}', '{"max_members":1000001}',
    '{"max_members":"3"}', '{"join":{"listed_add":["bob"]}}', '{"join":{"listed_remove":"bob@x.org"}}']) s;
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'ann@x.org', :'g', jsonb_build_object('description', repeat('x', 2001))), 'GS010', NULL, 'too long');
SELECT lives_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'ann@x.org', :'g', jsonb_build_object('description', repeat('x', 2000))), 'long enough');
SELECT throws_ok(format('UPDATE groupshare.sharing_group SET description = %L WHERE id = %L', E'\r', :'g'), '23514', NULL, 'also for a DBA');

-- Room.
SELECT groupshare.join_group('bob@x.org', :'g') AS ib, groupshare.join_group('cid@x.org', :'g') AS ic \gset
SELECT is(groupshare.decide_inquiry('ann@x.org', :'ib', 'allow'), 'allowed', 'the second comes in');
SELECT throws_ok(format('SELECT groupshare.decide_inquiry(%L, %L, %L)', 'ann@x.org', :'ic', 'allow'), 'GS015', 'the group is full', 'the third does not');
SELECT is(pg_temp.state(:'g', 'cid@x.org'), 'pending', 'and may still be decided');
SELECT groupshare.set_group('ann@x.org', :'g', '{"join":{"rule":"anyone"},"max_members":1}');
SELECT is(pg_temp.state(:'g', 'bob@x.org'), 'member', 'less room puts nobody out');
SELECT is(state, 'open', 'a changed rule decides no inquiry') FROM groupshare.inquiries WHERE id = :'ic';
SELECT throws_ok(format('SELECT groupshare.join_group(%L, %L)', 'dan@x.org', :'g'), 'GS015', NULL, 'nobody comes in');
SELECT throws_ok(format('INSERT INTO groupshare.membership (group_id, terminal_id, home, state) SELECT id, %L, home, %L FROM groupshare.sharing_group WHERE id = %L',
    pg_temp.id('dan@x.org'), 'member', :'g'), 'GS015', NULL, 'not by a DBA either');
SELECT throws_ok(format('UPDATE groupshare.membership SET state = %L WHERE group_id = %L AND terminal_id = %L', 'member', :'g', pg_temp.id('cid@x.org')), 'GS015', NULL, 'nor by UPDATE');
SELECT lives_ok(format('SELECT groupshare.set_member(%L, %L, %L, role => %L)', 'ann@x.org', :'g', 'bob@x.org', 'administrator'), 'who is in may change its role');
SELECT groupshare.set_group('ann@x.org', :'g', '{"max_members":3}');
SELECT is(groupshare.join_group('cid@x.org', :'g'), NULL, 'who asks again comes in by the new rule');
SELECT is(state, 'cancelled', 'which ends its inquiry') FROM groupshare.inquiries WHERE id = :'ic';

-- The list.
SELECT groupshare.set_group('ann@x.org', :'g', '{"join":{"rule":"listed","listed":["a@x.org","b@x.org"]}}');
SELECT groupshare.set_group('ann@x.org', :'g', '{"join":{"listed_add":["DAN@x.org","a@x.org"],"listed_remove":["b@x.org","z@x.org"]}}');
SELECT is(array_agg(identifier ORDER BY identifier), '{a@x.org,dan@x.org}', 'add and remove') FROM groupshare.group_listed WHERE group_id = :'g';
SELECT is(join_rule, 'listed', 'the rule stays') FROM groupshare.groups WHERE id = :'g';
SELECT groupshare.set_group('ann@x.org', :'g', jsonb_build_object('join', jsonb_build_object('listed_add',
    (SELECT jsonb_agg('t' || i || '@x.org') FROM generate_series(1, 5000) i))));
SELECT is(count(*), 5002::bigint, 'five thousand in one call') FROM groupshare.group_listed WHERE group_id = :'g';
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, jsonb_build_object(%L, jsonb_build_object(%L, (SELECT jsonb_agg(%L || i) FROM generate_series(1, 5001) i))))',
    'ann@x.org', :'g', 'join', 'listed_add', '+4912345'), 'GS010', NULL, 'not more');
SET LOCAL session_replication_role = replica;
INSERT INTO groupshare.group_listed SELECT id, home, 'u' || i || '@x.org' FROM groupshare.sharing_group, generate_series(1, 94998) i WHERE id = :'g';
SET LOCAL session_replication_role = origin;
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'ann@x.org', :'g', '{"join":{"listed_add":["one@x.org"]}}'), 'GS020', NULL, 'a list has an end');
SELECT groupshare.set_member('ann@x.org', :'g', 'dan@x.org', banned => true) \g /dev/null
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'ann@x.org', :'g', '{"join":{"listed_add":["dan@x.org"]}}'), 'GS015', NULL, 'a banned one is not listed');
SELECT throws_ok($$ SELECT groupshare.create_group('ann@x.org', 'N', '{"join":{"listed_add":["dan@x.org"]}}') $$, 'GS010', NULL, 'a new group needs the rule');
SELECT * FROM finish();
ROLLBACK;
