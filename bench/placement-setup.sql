-- SPDX-License-Identifier: PostgreSQL
-- A control server with :devices devices in a tree of regions, cities and sites, of which :full percent have no room for
-- what the benchmark uploads, and one terminal at the first site. psql -v devices=100 -v full=99
\set ON_ERROR_STOP 1
\set QUIET 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS groupshare CASCADE;
CREATE EXTENSION groupshare;
SELECT groupshare.setup_server('bench') \g /dev/null
INSERT INTO groupshare.device (home, name, login_role, location)
    SELECT server_id, 'd' || n, 'bench_d' || n,
           format('r%s/c%s/s%s', n % 5, n / 5 % 10, n / 50 % 20)
      FROM groupshare.self, generate_series(0, :devices - 1) n;
-- The full ones: half have no room at all, half nearly enough for the 1 GB that is asked for.
UPDATE groupshare.device_ledger l SET epoch = 1, url = 'https://d.test', capacity_bytes = 1000000000000,
       free_bytes = CASE WHEN n % 100 >= :full THEN 500000000000 + n * 1000000::bigint
                         WHEN n % 2 = 0 THEN 0 ELSE 900000000 END,
       announced_at = now(), reported_at = now(), report_interval_ms = 3600000
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM groupshare.device) d WHERE d.id = l.device_id;
INSERT INTO groupshare.device_key (device_id, key, created_at)
    SELECT id, groupshare.random_key(), now() - interval '1 h' FROM groupshare.device;
INSERT INTO groupshare.terminal (home, identifier, plan, location)
    SELECT server_id, 'ann@example.org', 'standard', 'r0/c0/s0' FROM groupshare.self;
BEGIN;
INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator)
    SELECT home, 'friends', 'live', 'anyone', id FROM groupshare.terminal;
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT g.id, t.id, t.home, 'administrator', now() FROM groupshare.sharing_group g, groupshare.terminal t;
COMMIT;
CREATE SEQUENCE IF NOT EXISTS public.bench_name;
VACUUM ANALYZE;
CHECKPOINT;
