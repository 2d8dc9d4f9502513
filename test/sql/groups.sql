-- SPDX-License-Identifier: PostgreSQL
-- Creating groups in two steps and in one; settings.
\ir fixture/start.psql
SELECT plan(47);

-- Two steps.
SELECT pg_temp.call('ann@x.org', 'create_group', '{}', '{"name":"Friends"}') AS a \gset
SELECT is(pg_temp.status(:'a'), '201', 'create by a name');
SELECT (:'a'::jsonb -> 'reply' ->> 'group')::uuid AS g \gset
SELECT is((:'a'::jsonb -> 'reply') - 'group', '{"state":"new","settings":{"administrators":["ann@x.org"],"join":{"rule":null,"listed":[]},
    "listing":"listed","description":"","max_members":10000}}', 'answers the setting notice');
SELECT throws_ok(format('SELECT groupshare.join_group(%L, %L)', 'bob@x.org', :'g'), 'GS012', NULL, 'nobody can join a new group');
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'bob@x.org', :'g', '{"join":{"rule":"anyone"}}'), 'GS012', NULL,
    'a stranger can''t set it, nor see that it is there');
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'ann@x.org', :'g', s), e, NULL, why)
  FROM (VALUES ('{}', 'GS010', 'a new group needs a join rule'), ('{"listing":"listed"}', 'GS010', 'also with other settings'),
    ('{"join":{}}', 'GS010', 'the rule is needed'), ('{"join":"anyone"}', 'GS010', 'join is an object'),
    ('{"join":{"rule":"nobody"}}', 'GS010', 'a rule that there is'), ('{"join":{"rule":"anyone"},"listing":"x"}', 'GS010', 'a listing that there is'),
    ('{"join":{"rule":"anyone","x":1}}', 'GS011', 'no unknown member inside'), ('{"rule":"anyone"}', 'GS011', 'nor outside'),
    ('{"join":{"rule":"listed","listed":"bob@x.org"}}', 'GS010', 'listed is a list'),
    ('{"join":{"rule":"listed","listed":["bob"]}}', 'GS010', 'of identifiers'),
    ('{"join":{"rule":"listed","listed":[1]}}', 'GS010', 'of strings'),
    ('{"join":{"rule":"anyone"},"administrators":[]}', 'GS010', 'somebody must be administrator'),
    ('{"join":{"rule":"anyone"},"administrators":["bob"]}', 'GS010', 'by an identifier')) v (s, e, why);
SELECT is((SELECT state FROM groupshare.sharing_group WHERE id = :'g'), 'new', 'after all that it is still new');
SELECT pg_temp.call('ann@x.org', 'set_group', jsonb_build_object('group', :'g'), '{"join":{"rule":"confirm"},"listing":"exact"}') AS a \gset
SELECT is(pg_temp.status(:'a'), '200', 'the settings establish it');
SELECT is((:'a'::jsonb -> 'reply') - 'id', '{"name":"Friends","home":"here","role":"administrator","state":"live","join":"confirm",
    "listing":"exact","description":"","max_members":10000,"members":[{"terminal":"ann@x.org","role":"administrator","shares":[],"shares_next":null}],"members_next":null}',
    'and the answer is the group info');
SELECT pg_temp.call('ann@x.org', 'set_group', jsonb_build_object('group', :'g'), '{"listing":"hidden"}') AS a \gset
SELECT is((SELECT join_rule || ' ' || listing FROM groupshare.groups WHERE id = :'g'), 'confirm hidden', 'each setting can be changed alone');

-- One step.
SELECT pg_temp.call('ann@x.org', 'create_group', '{}',
    '{"name":"Film","settings":{"administrators":["ann@x.org","Bob@x.org","nobody@x.org"],"join":{"rule":"listed","listed":["CID@x.org","+8613800138000"]}}}') AS a \gset
SELECT is((:'a'::jsonb -> 'reply') - 'group', '{"state":"live","settings":{"administrators":["ann@x.org","bob@x.org"],
    "join":{"rule":"listed","listed":["+8613800138000","cid@x.org"]},"listing":"listed","description":"","max_members":10000}}', 'create with settings: live at once');
SELECT (:'a'::jsonb -> 'reply' ->> 'group')::uuid AS f \gset
SELECT is(pg_temp.state(:'f', 'bob@x.org'), 'invited', 'a named administrator is invited, not a member');
SELECT is(pg_temp.call('bob@x.org', 'my_groups') -> 'reply' -> 'groups', '[]', 'and sees nothing');
SELECT is(pg_temp.call('bob@x.org', 'events') -> 'reply' -> 'events' -> 0 -> 'data' ->> 'change', 'invited', 'but is told');
SELECT is(pg_temp.call('bob@x.org', 'join_group', jsonb_build_object('group', :'f')) -> 'reply' ->> 'role', 'administrator', 'by joining it accepts');
SELECT is(pg_temp.state(:'f', 'ann@x.org'), 'administrator', 'who named itself stays');

-- Naming others only.
SELECT groupshare.create_group('ann@x.org', 'Gift', '{"administrators":["bob@x.org","cid@x.org"],"join":{"rule":"anyone"}}') AS g \gset
SELECT is(pg_temp.state(:'g', 'ann@x.org'), 'administrator', 'a creator that named others stays until one is there');
SELECT groupshare.join_group('cid@x.org', :'g');
SELECT is(pg_temp.state(:'g', 'ann@x.org') || ' ' || pg_temp.state(:'g', 'cid@x.org') || ' ' || pg_temp.state(:'g', 'bob@x.org'),
    'member administrator invited', 'then it is a member');
SELECT groupshare.join_group('bob@x.org', :'g');
SELECT groupshare.set_group('cid@x.org', :'g', '{"administrators":["bob@x.org","ann@x.org"]}');
SELECT is(pg_temp.state(:'g', 'ann@x.org') || ' ' || pg_temp.state(:'g', 'cid@x.org') || ' ' || pg_temp.state(:'g', 'bob@x.org'),
    'administrator member administrator', 'the list replaces: members are promoted at once, the caller steps down');
SELECT groupshare.set_group('ann@x.org', :'g', '{"administrators":["ann@x.org","dan@x.org"]}');
SELECT is(pg_temp.state(:'g', 'bob@x.org') || ' ' || pg_temp.state(:'g', 'dan@x.org'), 'member invited', 'who is not named becomes a member');
SELECT groupshare.set_group('ann@x.org', :'g', '{"administrators":["ann@x.org"]}');
SELECT is(pg_temp.state(:'g', 'dan@x.org'), 'removed', 'an invitation can be taken back');
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'bob@x.org', :'g', '{"listing":"hidden"}'), 'GS013', NULL,
    'a plain member sets nothing');

-- Names and limits.
SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L, %L)', 'ann@x.org', 'create_group', '{}', b), e, NULL, why)
  FROM (VALUES ('{}', 'GS010', 'a name is needed'), ('{"name":""}', 'GS010', 'not empty'), ('{"name":5}', 'GS010', 'a string'),
    ('{"name":"a\u0001"}', 'GS010', 'no control characters'), ('{"name":"e\u0301"}', 'GS010', 'NFC'),
    (jsonb_build_object('name', repeat('x', 256))::text, 'GS010', 'at most 255 bytes'), ('{"name":"x","owner":"y"}', 'GS011', 'no unknown member'),
    ('{"name":"x","settings":5}', 'GS010', 'settings are an object')) v (b, e, why);
SELECT count(groupshare.create_group('dan@x.org', 'n' || n)) FROM generate_series(1, 16) n \gset
SELECT throws_ok($$ SELECT groupshare.create_group('dan@x.org', 'n17') $$, 'GS026', NULL, 'at most 16 groups wait for settings');
SELECT is(groupshare.leave_group('dan@x.org', (SELECT id FROM groupshare.sharing_group WHERE name = 'n1')), 'dissolved',
    'the creator leaves a new group: it is gone');
SELECT lives_ok($$ SELECT groupshare.create_group('dan@x.org', 'n17') $$, 'and there is room for another');

SELECT groupshare.dissolve_group(:'g');
SELECT is((SELECT state FROM groupshare.groups WHERE id = :'g'), 'dissolved', 'a DBA dissolves a group');
SELECT throws_ok(format('SELECT groupshare.dissolve_group(%L)', :'g'), 'GS012', NULL, 'once');
SELECT throws_ok(format('SELECT groupshare.set_group(%L, %L, %L)', 'ann@x.org', :'g', '{"listing":"listed"}'), 'GS012', NULL, 'it is set no more');

SELECT * FROM finish();
ROLLBACK;
