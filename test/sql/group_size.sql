-- SPDX-License-Identifier: PostgreSQL
-- How many are in a group is known without counting, whoever changes memberships, and by whatever statement.
\ir fixture/start.psql
SELECT plan(29);
SELECT pg_temp.group_of_ann('One', 'anyone') AS g \gset
SELECT pg_temp.group_of_ann('Two', 'anyone') AS h \gset

CREATE FUNCTION pg_temp.wrong() RETURNS TABLE (group_id uuid, known int, counted bigint) LANGUAGE sql AS $$
    SELECT g.id, k.members, c.n FROM groupshare.sharing_group g
      CROSS JOIN LATERAL (SELECT count(*) AS n FROM groupshare.membership m
          WHERE m.group_id = g.id AND m.state IN ('member', 'administrator')) c
      LEFT JOIN LATERAL (SELECT s.members FROM groupshare.group_size s WHERE s.group_id = g.id ORDER BY s.place DESC LIMIT 1) k ON true
     WHERE coalesce(k.members, 0) <> c.n $$;
CREATE FUNCTION pg_temp.known(g uuid) RETURNS int LANGUAGE sql AS
    $$ SELECT members FROM groupshare.group_size WHERE group_id = $1 ORDER BY place DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.put_in(g uuid, tag text, n int, state text DEFAULT 'member') RETURNS void LANGUAGE sql AS $$
    INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, $2 || i || '@x.org', 'standard' FROM groupshare.self, generate_series(1, $3) i;
    INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
        SELECT $1, t.id, t.home, $4, now() FROM groupshare.terminal t, generate_series(1, $3) i WHERE t.identifier = $2 || i || '@x.org' $$;

SELECT is(pg_temp.known(:'g'), 1, 'who makes a group is in it');
SELECT groupshare.join_group('bob@x.org', :'g'), groupshare.join_group('cid@x.org', :'g') \g /dev/null
SELECT is(pg_temp.known(:'g'), 3, 'two come in');
SELECT groupshare.set_member('ann@x.org', :'g', 'bob@x.org', role => 'administrator'), groupshare.leave_group('cid@x.org', :'g'),
    groupshare.set_member('ann@x.org', :'g', 'dan@x.org', invited => true) \g /dev/null
SELECT is(pg_temp.known(:'g'), 2, 'a role changes nothing, one goes, an invitation is no membership');
SAVEPOINT undone;
SELECT groupshare.join_group('cid@x.org', :'g'), groupshare.join_group('dan@x.org', :'g') \g /dev/null
SELECT is(pg_temp.known(:'g'), 4, 'in a part of the transaction');
ROLLBACK TO undone;
SELECT is(pg_temp.known(:'g'), 2, 'that is undone');
SELECT groupshare.join_group('cid@x.org', :'g') \g /dev/null
SELECT is(pg_temp.known(:'g'), 3, 'and goes on from there');

-- A DBA's own statements, over many rows.
SELECT pg_temp.put_in(:'g', 'many', 300), pg_temp.put_in(:'h', 'other', 20), pg_temp.put_in(:'h', 'asking', 5, 'pending') \g /dev/null
SELECT is(pg_temp.known(:'g') || ' ' || pg_temp.known(:'h'), '303 21', 'INSERT');
UPDATE groupshare.membership m SET state = 'removed' FROM groupshare.terminal t WHERE t.id = m.terminal_id AND t.identifier LIKE 'many1%';
UPDATE groupshare.membership m SET state = 'member' FROM groupshare.terminal t WHERE t.id = m.terminal_id AND t.identifier LIKE 'asking%';
SELECT is_empty('SELECT * FROM pg_temp.wrong()', 'UPDATE of the state');
UPDATE groupshare.membership m SET group_id = :'h' FROM groupshare.terminal t WHERE t.id = m.terminal_id AND t.identifier LIKE 'many2%';
SELECT is_empty('SELECT * FROM pg_temp.wrong()', 'UPDATE of the group');
SELECT cmp_ok(pg_temp.known(:'h'), '>', 100, 'by which many moved');
INSERT INTO groupshare.membership (group_id, terminal_id, home, state) SELECT :'h', id, home, 'member' FROM groupshare.terminal WHERE identifier LIKE 'asking%' OR identifier LIKE 'many30%'
    ON CONFLICT (group_id, terminal_id) DO UPDATE SET state = 'left';
SELECT is_empty('SELECT * FROM pg_temp.wrong()', 'INSERT or UPDATE, as it turns out');
DELETE FROM groupshare.membership m USING groupshare.terminal t WHERE t.id = m.terminal_id AND t.identifier LIKE 'other%';
SELECT is_empty('SELECT * FROM pg_temp.wrong()', 'DELETE');
DELETE FROM groupshare.terminal WHERE identifier LIKE 'many%';
SELECT is_empty('SELECT * FROM pg_temp.wrong()', 'DELETE of terminals');
SELECT is(count(*) FILTER (WHERE known > 2), 0::bigint, 'which takes all of them')
  FROM (SELECT pg_temp.known(id) - count(m.*) AS known FROM groupshare.sharing_group g LEFT JOIN groupshare.membership m
        ON m.group_id = g.id AND m.state IN ('member', 'administrator') GROUP BY g.id) k;
SELECT groupshare.dissolve_group(:'h');
DELETE FROM groupshare.sharing_group WHERE id = :'h';
SELECT is(count(*), 0::bigint, 'DELETE of a group') FROM groupshare.group_size WHERE group_id = :'h';
UPDATE groupshare.sharing_group SET max_members = pg_temp.known(:'g') + 10 WHERE id = :'g';
SELECT throws_ok(format($$ SELECT pg_temp.put_in(%L, 'eleven', 11) $$, :'g'), 'GS015', 'the group is full', 'eleven where ten have room, in one statement');
SELECT lives_ok(format($$ SELECT pg_temp.put_in(%L, 'ten', 10) $$, :'g'), 'ten');
SELECT pg_temp.group_of_ann('Three', 'anyone') AS h \gset
SELECT pg_temp.put_in(:'h', 'guest', 2) \g /dev/null
SELECT throws_ok(format('UPDATE groupshare.membership SET group_id = %L WHERE terminal_id = %L', :'g', pg_temp.id('guest1@x.org')), 'GS015', NULL, 'nor does a full group take one from another');

-- Nothing that comes in or goes out reads the others, were they thousands.
UPDATE groupshare.sharing_group SET max_members = 10000 WHERE id = :'g';
SELECT pg_temp.put_in(:'g', 'crowd', 3000) \g /dev/null
ANALYZE groupshare.membership;
CREATE FUNCTION pg_temp.rows_read() RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(sum(s.seq_tup_read + i.read), 0)::bigint FROM pg_stat_xact_user_tables s
      CROSS JOIN LATERAL (SELECT sum(pg_stat_get_xact_tuples_returned(x.indexrelid)) AS read FROM pg_index x WHERE x.indrelid = s.relid) i
     WHERE s.relid IN ('groupshare.membership'::regclass, 'groupshare.group_size'::regclass, 'groupshare.group_listed'::regclass) $$;
CREATE FUNCTION pg_temp.reads(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := pg_temp.rows_read();
BEGIN
    EXECUTE statement;
    SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;
    RETURN pg_temp.rows_read() - before;
END $$;
SELECT groupshare.set_group('ann@x.org', :'g', jsonb_build_object('join', jsonb_build_object('rule', 'listed', 'listed',
    (SELECT jsonb_agg('listed' || i || '@x.org') FROM generate_series(1, 2000) i) || '["dan@x.org", "eve@x.org"]'))) \g /dev/null
SELECT groupshare.add_terminal('eve@x.org') \g /dev/null
SELECT cmp_ok(pg_temp.reads(format(statement, :'g')), '<', 100::bigint, 'few are read when ' || what) FROM (VALUES
    ('one joins', 'SELECT groupshare.join_group(''dan@x.org'', %L)'),
    ('one leaves', 'SELECT groupshare.leave_group(''dan@x.org'', %L)'),
    ('one is invited and joins', 'SELECT groupshare.set_member(''ann@x.org'', g, ''dan@x.org'', invited => true), groupshare.join_group(''dan@x.org'', g) FROM CAST(%L AS uuid) g'),
    ('one becomes administrator', 'SELECT groupshare.set_member(''ann@x.org'', %L, ''dan@x.org'', role => ''administrator'')'),
    ('an administrator leaves', 'SELECT groupshare.leave_group(''dan@x.org'', %L)'),
    ('one is banned', 'SELECT groupshare.set_member(''ann@x.org'', %L, ''cid@x.org'', banned => true)'),
    ('one more is listed', 'INSERT INTO groupshare.group_listed SELECT g, home, ''fay@x.org'' FROM CAST(%L AS uuid) g, groupshare.sharing_group s WHERE s.id = g'),
    ('an administrator follows', 'SELECT groupshare.leave_group(''ann@x.org'', g), groupshare.leave_group(''bob@x.org'', g) FROM CAST(%L AS uuid) g')) v (what, statement);
SELECT is(count(*), 1::bigint, 'the group has one') FROM groupshare.membership WHERE group_id = :'g' AND state = 'administrator';
SELECT is_empty('SELECT * FROM pg_temp.wrong()', 'all of which is known');

TRUNCATE groupshare.membership;
SELECT is(count(*), 0::bigint, 'TRUNCATE') FROM groupshare.group_size;
SELECT * FROM finish();
ROLLBACK;
