-- SPDX-License-Identifier: PostgreSQL
-- Nine thousand terminals at the devices' sites, each in the group; and the rows that a bare guarded UPDATE works on.
INSERT INTO groupshare.terminal (home, identifier, plan, location)
    SELECT server_id, 't' || n || '@example.org', 'standard', 'r0/c0/s0' FROM groupshare.self, generate_series(1, 9000) n;
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT g.id, t.id, t.home, 'member', now() FROM groupshare.sharing_group g, groupshare.terminal t WHERE t.identifier LIKE 't%';
-- As of terminals that have shared before.
INSERT INTO groupshare.usage (terminal_id, home) SELECT id, home FROM groupshare.terminal;
UPDATE groupshare.plan SET max_shares = NULL, quota_bytes = NULL;
UPDATE groupshare.device SET location = 'r0/c0/s0';
SET client_min_messages = warning;
DROP TABLE IF EXISTS public.bench_row;
CREATE TABLE public.bench_row (id int PRIMARY KEY, free bigint, reserved bigint) WITH (fillfactor = 50);
INSERT INTO public.bench_row SELECT n, 1000000000000, 0 FROM generate_series(1, 10) n;
VACUUM ANALYZE;
