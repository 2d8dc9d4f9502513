-- SPDX-License-Identifier: PostgreSQL
-- What belongs to a row has that row's home, also against a DBA's own UPDATE; and no hot table locks the one row of this server.
\ir fixture/start.psql
SELECT plan(6);

SELECT is(
    (SELECT string_agg(conrelid::regclass::text, ' ' ORDER BY conrelid::regclass::text COLLATE "C") FROM pg_constraint
      WHERE contype = 'f' AND confrelid = 'groupshare.server'::regclass),
    'groupshare.device groupshare.self groupshare.service_entry groupshare.sharing_group groupshare.terminal',
    'only what has no owner refers to a server by itself');
SELECT is(
    (SELECT string_agg(c.relname, ' ' ORDER BY c.relname COLLATE "C") FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'home'
      WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind = 'r' AND NOT EXISTS (
          SELECT 1 FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid AND a.attnum = ANY (f.conkey))),
    NULL, 'each home is bound by a foreign key');

-- The check is planned once a session, perhaps while the table is empty: it must not walk all copies of a device ever after.
SELECT is(
    (SELECT string_agg(f.conname || ' by ' || i.indexrelid::regclass, ', ') FROM pg_constraint f JOIN pg_index i ON i.indrelid = f.confrelid
      WHERE f.contype = 'f' AND f.connamespace = 'groupshare'::regnamespace AND i.indkey[0] = ANY (f.confkey[2:])),
    NULL, 'no check of a foreign key of two columns can go by the second one');

SELECT pg_temp.group_of_ann('G', 'anyone') AS g \gset
INSERT INTO groupshare.server (name) VALUES ('elsewhere') RETURNING id AS elsewhere \gset
SELECT throws_ok(format($$ UPDATE groupshare.membership SET home = %L WHERE group_id = %L $$, :'elsewhere', :'g'), '23503', NULL,
    'a membership has its group''s home');
SELECT throws_ok(format($$ INSERT INTO groupshare.share (home, owner, name, size_bytes)
    SELECT %L, id, 'f', 1 FROM groupshare.terminal WHERE identifier = 'ann@x.org' $$, :'elsewhere'), '23503', NULL, 'a share has its owner''s home');
SELECT throws_ok(format($$ UPDATE groupshare.usage SET home = %L $$, :'elsewhere'), '23503', NULL, 'an account of usage, too');

SELECT * FROM finish();
ROLLBACK;
