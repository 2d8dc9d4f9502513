-- SPDX-License-Identifier: PostgreSQL
-- A live group has an administrator when a transaction ends, also when a DBA inserts it by hand; a restored one is not judged before its
-- memberships are there.
\ir fixture/start.psql
SELECT plan(6);
CREATE FUNCTION pg_temp.inserted(name text, created_at timestamptz DEFAULT now()) RETURNS uuid LANGUAGE sql AS $$
    INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator, created_at)
        SELECT t.home, inserted.name, 'live', 'anyone', t.id, inserted.created_at FROM groupshare.terminal t WHERE t.identifier = 'ann@x.org' RETURNING id $$;
CREATE FUNCTION pg_temp.enter(g uuid, state text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
        SELECT g, t.id, t.home, state, now() FROM groupshare.terminal t WHERE t.identifier = 'ann@x.org' $$;
SELECT throws_ok($$ SELECT pg_temp.inserted('alone'); SET CONSTRAINTS ALL IMMEDIATE $$, '23514', 'group "alone" would have no administrator', 'a live group without anybody');
SET CONSTRAINTS ALL DEFERRED;
SELECT throws_ok($$ SELECT pg_temp.enter(pg_temp.inserted('led'), 'member'); SET CONSTRAINTS ALL IMMEDIATE $$, '23514', NULL, 'nor with a plain member alone');
SET CONSTRAINTS ALL DEFERRED;
SELECT lives_ok($$ SELECT pg_temp.enter(pg_temp.inserted('well led'), 'administrator'); SET CONSTRAINTS ALL IMMEDIATE $$, 'with one it lives');
SET CONSTRAINTS ALL DEFERRED;
SELECT lives_ok($$ SELECT pg_temp.inserted('restored', now() - interval '1 day'); SET CONSTRAINTS ALL IMMEDIATE $$, 'a restored one waits for its memberships');
SET CONSTRAINTS ALL DEFERRED;
SELECT is(string_agg(group_name, ' '), 'restored', 'and is seen until then') FROM groupshare.groups WHERE state = 'live' AND administrators = 0;
SELECT lives_ok('SELECT groupshare.after_restore()', 'after_restore() warns of it and goes on');
SELECT * FROM finish();
ROLLBACK;
