-- SPDX-License-Identifier: PostgreSQL
-- Leaving, removing, roles, succession; the rules over rows hold against a DBA's own statements.
\ir fixture/start.psql
SELECT plan(39);

SELECT pg_temp.group_of_ann('Open', 'anyone') AS g \gset
SELECT groupshare.join_group(t || '@x.org', :'g') FROM unnest(ARRAY['bob', 'cid', 'dan']) t;
UPDATE groupshare.membership SET joined_at = now() - interval '1 day' WHERE terminal_id = pg_temp.id('cid@x.org');

SELECT is(pg_temp.call('dan@x.org', 'remove_member', jsonb_build_object('group', :'g', 'terminal', 'dan@x.org')) -> 'reply',
    '{"state":"left","group_state":"live"}', 'a member leaves');
SELECT throws_ok(format('SELECT groupshare.leave_group(%L, %L)', 'dan@x.org', :'g'), 'GS012', NULL, 'once');
SELECT throws_ok(format('SELECT groupshare.leave_group(%L, %L)', 'dan@x.org', '11111111-1111-4111-8111-111111111111'), 'GS012', NULL, 'no group');
SELECT throws_ok(format('SELECT groupshare.remove_member(%L, %L, %L)', 'bob@x.org', :'g', 'cid@x.org'), 'GS013', NULL, 'a member removes nobody');
SELECT throws_ok(format('SELECT groupshare.remove_member(%L, %L, %L)', 'dan@x.org', :'g', 'cid@x.org'), 'GS012', NULL, 'a stranger even less');
SELECT throws_ok(format('SELECT groupshare.remove_member(%L, %L, %L)', 'ann@x.org', :'g', t), 'GS012', NULL, 'no member: ' || t)
  FROM unnest(ARRAY['dan@x.org', 'nobody@x.org']) t;
SELECT is(pg_temp.call('ann@x.org', 'remove_member', jsonb_build_object('group', :'g', 'terminal', 'bob@x.org')) -> 'reply',
    '{"state":"removed","group_state":"live"}', 'an administrator removes');
SELECT is(pg_temp.call('bob@x.org', 'my_groups') -> 'reply' -> 'groups', '[]', 'at once it sees nothing');
SELECT ok(EXISTS (SELECT 1 FROM jsonb_array_elements(pg_temp.call('bob@x.org', 'events') -> 'reply' -> 'events') e
    WHERE e -> 'data' ->> 'state' = 'removed'), 'and is told');
SELECT is(groupshare.join_group('bob@x.org', :'g'), NULL, 'it may come back by the rule');

-- Roles.
SELECT is(groupshare.set_member('ann@x.org', :'g', 'bob@x.org', role => 'administrator'), 'administrator', 'promote');
SELECT is(groupshare.set_member('bob@x.org', :'g', 'ann@x.org', role => 'member'), 'member', 'demote');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, role => %L)', 'bob@x.org', :'g', 'bob@x.org', 'member'), 'GS015', NULL, 'but not the last one');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, role => %L)', 'ann@x.org', :'g', 'ann@x.org', 'administrator'), 'GS013', NULL, 'nobody promotes itself');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, role => %L)', 'bob@x.org', :'g', 'dan@x.org', 'administrator'), 'GS012', NULL, 'a stranger has no role');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, role => %L)', 'bob@x.org', :'g', 'ann@x.org', 'king'), 'GS010', NULL, 'a role that there is');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L)', 'bob@x.org', :'g', 'ann@x.org'), 'GS010', NULL, 'something must be asked for');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, %L, true)', 'bob@x.org', :'g', 'ann@x.org', 'member'), 'GS010', NULL, 'one thing at a time');
SELECT throws_ok(format('SELECT groupshare.set_member(%L, %L, %L, banned => true)', 'bob@x.org', :'g', 'bob@x.org'), 'GS015', NULL, 'nobody bans itself');

-- Succession.
SELECT is(groupshare.leave_group('bob@x.org', :'g'), 'live', 'the last administrator leaves');
SELECT is(pg_temp.state(:'g', 'cid@x.org') || ' ' || pg_temp.state(:'g', 'ann@x.org'), 'administrator member', 'the oldest member inherits');
SELECT groupshare.revoke_terminal('cid@x.org');
SELECT is(pg_temp.state(:'g', 'cid@x.org') || ' ' || pg_temp.state(:'g', 'ann@x.org'), 'left administrator', 'also when the terminal is revoked');
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'every rule holds so far');
SET CONSTRAINTS ALL DEFERRED;
SELECT is(groupshare.leave_group('ann@x.org', :'g'), 'dissolved', 'nobody is left: dissolved');

-- A DBA's own statements.
SELECT pg_temp.group_of_ann('DBA', 'anyone') AS g \gset
SELECT groupshare.join_group('bob@x.org', :'g');
CREATE FUNCTION pg_temp.at_commit(statement text, why text) RETURNS text LANGUAGE sql AS $$
    SELECT throws_ok($1 || '; SET CONSTRAINTS ALL IMMEDIATE', '23514', NULL, $2) $$;
SELECT pg_temp.at_commit(format('UPDATE groupshare.membership SET state = %L WHERE group_id = %L AND state = %L', 'member', :'g', 'administrator'), 'no demoting the last one');
SELECT pg_temp.at_commit(format('DELETE FROM groupshare.membership WHERE group_id = %L', :'g'), 'no deleting it');
SELECT pg_temp.at_commit(format('UPDATE groupshare.membership SET state = %L WHERE group_id = %L', 'left', :'g'), 'no taking all out');
SELECT lives_ok(format('UPDATE groupshare.membership SET state = CASE state WHEN %L THEN %L ELSE %L END WHERE group_id = %L; SET CONSTRAINTS ALL IMMEDIATE',
    'administrator', 'member', 'administrator', :'g'), 'handing over is fine');
SET CONSTRAINTS ALL DEFERRED;
SELECT throws_ok(format('UPDATE groupshare.membership SET state = %L WHERE group_id = %L AND terminal_id = %L', s, :'g', pg_temp.id('ann@x.org')), '23514', NULL,
    'no move from member to ' || s) FROM unnest(ARRAY['invited', 'pending', 'refused']) s;
SELECT groupshare.set_member('bob@x.org', :'g', 'dan@x.org', banned => true);
SELECT throws_ok(format('UPDATE groupshare.membership SET state = %L WHERE group_id = %L AND terminal_id = %L', 'member', :'g', pg_temp.id('dan@x.org')), '23514', NULL,
    'no way from a ban straight in');
CREATE FUNCTION pg_temp.hint(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN hint;
END $$;
SELECT is(pg_temp.hint(format('UPDATE groupshare.membership SET state = %L WHERE group_id = %L AND terminal_id = %L', 'member', :'g', pg_temp.id('dan@x.org'))),
    'From there it goes to: removed.', 'a DBA is told where to');
SELECT is(pg_temp.hint(format('UPDATE groupshare.membership SET state = %L WHERE group_id = %L AND terminal_id = %L', 'pending', :'g', pg_temp.id('ann@x.org'))),
    'From there it goes to: administrator, left, removed, banned.', 'all of them');
SELECT throws_ok(format('INSERT INTO groupshare.group_listed SELECT id, home, %L FROM groupshare.sharing_group WHERE id = %L', 'dan@x.org', :'g'), '23514', NULL,
    'a banned one can''t be listed');
SELECT groupshare.set_group('bob@x.org', :'g', '{"join":{"rule":"listed","listed":["ann@x.org"]}}');
SELECT throws_ok(format('UPDATE groupshare.membership SET state = %L WHERE group_id = %L AND terminal_id = %L', 'banned', :'g', pg_temp.id('ann@x.org')), '23514', NULL,
    'nor a listed one banned');
SELECT is(groupshare.set_member('bob@x.org', :'g', 'ann@x.org', banned => true), 'banned', 'the function takes it off the list first');
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'every rule holds at the end');

SELECT * FROM finish();
ROLLBACK;
