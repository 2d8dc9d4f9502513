-- SPDX-License-Identifier: PostgreSQL
-- A terminal is in as many groups as its plan allows and in no more, by whatever way it comes in.
\ir fixture/start.psql
SELECT plan(28);

SELECT is(max_groups, 1000, 'a plan allows a thousand, if it says nothing else') FROM groupshare.plan WHERE name = 'standard';
SELECT pg_temp.group_of_ann('One', 'anyone') AS one \gset
SELECT pg_temp.group_of_ann('Two', 'anyone') AS two \gset
SELECT pg_temp.group_of_ann('Three', 'anyone') AS three \gset
SELECT pg_temp.group_of_ann('Ask', 'confirm') AS ask \gset
INSERT INTO groupshare.plan (name, max_groups) VALUES ('narrow', 2);
UPDATE groupshare.terminal SET plan = 'narrow' WHERE identifier = 'bob@x.org';

-- Joining.
SELECT groupshare.join_group('bob@x.org', :'one');
SELECT is(groupshare.join_group('bob@x.org', :'ask') IS NOT NULL, true, 'an inquiry');
SELECT lives_ok(format($$ SELECT groupshare.set_member('ann@x.org', %L, 'bob@x.org', invited => true) $$, :'three'), 'an invitation');
SELECT lives_ok(format($$ SELECT groupshare.join_group('bob@x.org', %L) $$, :'two'), 'neither counts: it comes in as the last that it may');
SELECT throws_ok(format($$ SELECT groupshare.join_group('bob@x.org', %L) $$, :'three'), 'GS015', 'the terminal is in as many groups as its plan allows', 'an invitation can not be accepted then');
SELECT is(state, 'invited', 'and stays') FROM groupshare.members WHERE terminal = 'bob@x.org' AND group_id = :'three';
SELECT throws_ok(format($$ SELECT groupshare.decide_inquiry('ann@x.org', %L, 'allow') $$, id), 'GS015', NULL, 'nor can an administrator let it in')
  FROM groupshare.inquiries WHERE terminal = 'bob@x.org';
SELECT is(state, 'open', 'the inquiry stays open') FROM groupshare.inquiries WHERE terminal = 'bob@x.org';
SELECT throws_ok(format($$ SELECT groupshare.set_member('ann@x.org', %L, 'bob@x.org', invited => true) $$, :'ask'), 'GS015', NULL, 'nor by inviting who has asked');
SELECT throws_ok($$ SELECT groupshare.create_group('bob@x.org', 'Own') $$, 'GS015', NULL, 'nor can it make a group');
SELECT throws_ok($$ SELECT groupshare.create_group('bob@x.org', 'Own', '{"join":{"rule":"anyone"}}') $$, 'GS015', NULL, 'with settings neither');
SELECT throws_ok($$ SELECT pg_temp.call('bob@x.org', 'create_group', '{}', '{"name":"Own"}') $$, 'GS015', NULL, 'nor by the API');
SELECT is((SELECT count(*) FROM groupshare.sharing_group WHERE name = 'Own'), 0::bigint, 'none is left behind');
SELECT lives_ok(format($$ SELECT groupshare.join_group('bob@x.org', %L) $$, :'two'), 'joining where it is says so');
SELECT lives_ok(format($$ SELECT groupshare.set_member('ann@x.org', %L, 'bob@x.org', role => 'administrator') $$, :'two'), 'a role is no coming in');
SELECT lives_ok(format($$ SELECT groupshare.leave_group('ann@x.org', %L) $$, :'one'), 'nor is an inheritance');
SELECT is(state, 'administrator', 'which it gets') FROM groupshare.members WHERE terminal = 'bob@x.org' AND group_id = :'one';

-- Room again.
SELECT groupshare.leave_group('bob@x.org', :'one');
SELECT lives_ok(format($$ SELECT groupshare.decide_inquiry('ann@x.org', %L, 'allow') $$, id), 'having left one it is let in') FROM groupshare.inquiries WHERE terminal = 'bob@x.org' AND state = 'open';
SELECT throws_ok(format($$ SELECT groupshare.join_group('bob@x.org', %L) $$, :'three'), 'GS015', NULL, 'and no further');
SELECT groupshare.dissolve_group(:'two');
SELECT lives_ok(format($$ SELECT groupshare.join_group('bob@x.org', %L) $$, :'three'), 'a dissolved group does not count');
SELECT is((groups, max_groups)::text, '(2,2)', 'the view terminals tells') FROM groupshare.terminals WHERE terminal = 'bob@x.org';
UPDATE groupshare.plan SET max_groups = 1 WHERE name = 'narrow';
SELECT is((SELECT count(*) FROM groupshare.members WHERE terminal = 'bob@x.org' AND state = 'member' AND group_state = 'live'), 2::bigint, 'a narrower plan puts nobody out');
SELECT groupshare.leave_group('bob@x.org', :'three');
SELECT throws_ok(format($$ SELECT groupshare.join_group('bob@x.org', %L) $$, :'three'), 'GS015', NULL, 'but lets it in nowhere');
UPDATE groupshare.plan SET max_groups = NULL WHERE name = 'narrow';
SELECT lives_ok(format($$ SELECT groupshare.join_group('bob@x.org', %L) $$, :'three'), 'no limit');
UPDATE groupshare.plan SET max_groups = 0 WHERE name = 'narrow';
SELECT throws_ok($$ SELECT groupshare.create_group('bob@x.org', 'Own') $$, 'GS015', NULL, 'none at all');
SELECT lives_ok(format($$ UPDATE groupshare.membership SET state = 'left' WHERE terminal_id = (SELECT id FROM groupshare.terminal WHERE identifier = 'bob@x.org') AND group_id = %L $$, :'three'), 'a DBA');
SELECT lives_ok(format($$ UPDATE groupshare.membership SET state = 'member' WHERE terminal_id = (SELECT id FROM groupshare.terminal WHERE identifier = 'bob@x.org') AND group_id = %L $$, :'three'), 'is not refused');

-- What is read for it: one entry of an index for each group, none of those groups.
SELECT groupshare.add_terminal('hub@x.org') \g /dev/null
SELECT count(groupshare.create_group('hub@x.org', 'h' || n, '{"join":{"rule":"anyone"}}')) FROM generate_series(1, 150) n \gset
ANALYZE groupshare.membership, groupshare.sharing_group, groupshare.terminal;
CREATE FUNCTION pg_temp.groups_read() RETURNS bigint LANGUAGE sql AS $$
    SELECT (pg_stat_get_xact_tuples_fetched('groupshare.sharing_group'::regclass) + pg_stat_get_xact_tuples_returned('groupshare.sharing_group'::regclass))::bigint $$;
SELECT pg_temp.groups_read() AS before \gset
SELECT groupshare.join_group('hub@x.org', :'three');
SELECT cmp_ok(pg_temp.groups_read() - :before, '<', 20::bigint, 'a terminal in many groups reads none of them to come in');

SELECT * FROM finish();
ROLLBACK;
