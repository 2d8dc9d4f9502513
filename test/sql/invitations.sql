-- SPDX-License-Identifier: PostgreSQL
-- Invitations, as a member or administrator; dissolving over the API.
\ir fixture/start.psql
SELECT plan(36);
CREATE FUNCTION pg_temp.put(who text, group_id uuid, target text, body jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.call($1, 'set_member', jsonb_build_object('group', $2, 'terminal', $3), $4) -> 'reply' $$;

SELECT pg_temp.group_of_ann('Family', 'confirm') AS g \gset
SELECT is(pg_temp.put('ann@x.org', :'g', 'bob@x.org', '{"invited":true}'), '{"terminal":"bob@x.org","role":null,"state":"invited"}', 'invite');
SELECT is(pg_temp.put('ann@x.org', :'g', 'nobody@x.org', '{"invited":true}'), '{"terminal":"nobody@x.org","role":null,"state":"invited"}', 'nobody answers the same');
SELECT is(pg_temp.call('bob@x.org', 'my_groups') -> 'reply' -> 'groups', '[]', 'an invited one sees nothing of the group');
SELECT is((pg_temp.call('bob@x.org', 'inquiries') #> '{reply,invitations,0}') - 'since', jsonb_build_object('group', :'g', 'group_name', 'Family', 'role', 'member'), 'but its invitation');
SELECT is(pg_temp.call('bob@x.org', 'events') #> '{reply,events,0,data}', jsonb_build_object('group', :'g', 'group_name', 'Family', 'change', 'invited'), 'of which it was told');
SELECT is(pg_temp.call('ann@x.org', 'inquiries') #> '{reply,invitations}', '[]', 'that is nobody else''s');
SELECT is(groupshare.join_group('bob@x.org', :'g') IS NULL AND pg_temp.state(:'g', 'bob@x.org') = 'member', true, 'joining accepts, as the role that was offered');
SELECT is(pg_temp.call('bob@x.org', 'inquiries') #> '{reply,invitations}', '[]', 'then it is no invitation any more');
SELECT is(pg_temp.put('ann@x.org', :'g', 'bob@x.org', '{"invited":true}') ->> 'state', 'member', 'a member stays one');
SELECT is(pg_temp.put('ann@x.org', :'g', 'bob@x.org', '{"invited":false}') ->> 'state', 'member', 'also when its invitation is taken back');

SELECT pg_temp.put('ann@x.org', :'g', 'cid@x.org', '{"invited":true}') \g /dev/null
SELECT pg_temp.put('ann@x.org', :'g', 'cid@x.org', '{"invited":true,"role":"administrator"}') \g /dev/null
SELECT is(pg_temp.call('cid@x.org', 'inquiries') #>> '{reply,invitations,0,role}', 'administrator', 'invited again for another role');
SELECT groupshare.set_group('ann@x.org', :'g', '{"administrators":["ann@x.org"]}');
SELECT is(pg_temp.state(:'g', 'cid@x.org'), 'removed', 'naming the administrators takes back an invitation as one');
SELECT pg_temp.put('ann@x.org', :'g', 'cid@x.org', '{"invited":true}') \g /dev/null
SELECT groupshare.set_group('ann@x.org', :'g', '{"administrators":["ann@x.org"]}');
SELECT is(pg_temp.state(:'g', 'cid@x.org'), 'invited', 'but not one as a member');
SELECT is(groupshare.leave_group('cid@x.org', :'g'), 'live', 'decline');
SELECT is(pg_temp.state(:'g', 'cid@x.org'), 'left', 'declined');
SELECT groupshare.set_member('ann@x.org', :'g', 'cid@x.org', role => 'administrator', invited => true) \g /dev/null
SELECT groupshare.join_group('cid@x.org', :'g') \g /dev/null
SELECT is(pg_temp.state(:'g', 'cid@x.org'), 'administrator', 'accepted as administrator');
SELECT is(groupshare.set_member('ann@x.org', :'g', 'dan@x.org', invited => true), 'invited', 'the typed function');
SELECT is(groupshare.set_member('ann@x.org', :'g', 'dan@x.org', invited => false), 'removed', 'taken back');
SELECT isnt(groupshare.join_group('dan@x.org', :'g'), NULL, 'then joining asks');
SELECT is(groupshare.set_member('ann@x.org', :'g', 'dan@x.org', role => 'administrator', invited => true), 'administrator', 'inviting who has asked lets it in');
SELECT results_eq(format('SELECT state, decided_by FROM groupshare.inquiries WHERE group_id = %L', :'g'), $$ VALUES ('allowed', 'ann@x.org') $$, 'and decides the inquiry');
SELECT groupshare.set_member('ann@x.org', :'g', 'dan@x.org', banned => true) \g /dev/null
SELECT is(groupshare.set_member('ann@x.org', :'g', 'dan@x.org', invited => true), 'invited', 'an invitation lifts a ban');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, invited => true)', 'bob@x.org', :'g', 'dan@x.org'), 'GS013', NULL, 'a member invites nobody');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, invited => true)', 'dan@x.org', :'g', 'dan@x.org'), 'GS012', NULL, 'an invited one neither');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, %L, %L, %L)', 'ann@x.org', :'g', 'dan@x.org', r, b, i), 'GS010', NULL, format('%s %s %s', r, b, i))
  FROM (VALUES (NULL, true, true), ('member', true, true), ('member', NULL, false), (NULL, false, false)) v (r, b, i);
SELECT throws_ok(format('UPDATE groupshare.membership SET invited_role = NULL WHERE group_id = %L AND terminal_id = %L', :'g', pg_temp.id('dan@x.org')), '23514', NULL, 'an invitation has a role');

-- Dissolving.
SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L)', who, 'dissolve_group', jsonb_build_object('group', :'g')), e, NULL, who || ' can''t dissolve')
  FROM (VALUES ('bob@x.org', 'GS013'), ('dan@x.org', 'GS012')) v (who, e);
SELECT is(pg_temp.status(pg_temp.call('cid@x.org', 'dissolve_group', jsonb_build_object('group', :'g'))), '204', 'an administrator can');
SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L)', 'cid@x.org', 'dissolve_group', jsonb_build_object('group', :'g')), 'GS012', NULL, 'once');
SELECT throws_ok(format('SELECT groupshare.join_group(%L, %L)', 'dan@x.org', :'g'), 'GS012', NULL, 'no invitation leads there');
SELECT is(pg_temp.call('dan@x.org', 'inquiries') #> '{reply,invitations}', '[]', 'nor is one shown');
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'every rule holds');
SELECT * FROM finish();
ROLLBACK;
