-- SPDX-License-Identifier: PostgreSQL
-- From :from to :to of everything: terminals, members of one group, shares of one terminal, groups of one terminal.
-- Without what triggers do for each row, and with what they keep.
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO groupshare.terminal (home, identifier, plan)
    SELECT server_id, 't' || i || '@x.org', 'standard' FROM groupshare.self, generate_series(:from, :to) i;
CREATE TEMP TABLE came AS SELECT pg_current_snapshot() AS after, groupshare.current_era() AS era;
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, since, joined_at, came_era, came_after)
    SELECT g.id, t.id, t.home, 'member', now(), now(), c.era, c.after FROM came c, groupshare.sharing_group g, generate_series(:from, :to) i
      JOIN groupshare.terminal t ON t.identifier = 't' || i || '@x.org' WHERE g.name = 'big';
CREATE TEMP TABLE made AS SELECT gen_random_uuid() AS id, i FROM generate_series(:from, :to) i;
INSERT INTO groupshare.sharing_group (id, home, name, state, join_rule, creator, created_at, established_at)
    SELECT m.id, t.home, 'busy ' || to_hex(m.i), 'live', 'anyone', t.id, now(), now() FROM made m, groupshare.terminal t WHERE t.identifier = 'busy@x.org';
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, since, joined_at, came_era, came_after)
    SELECT m.id, t.id, t.home, 'administrator', now(), now(), c.era, c.after FROM came c, made m, groupshare.terminal t WHERE t.identifier = 'busy@x.org';
INSERT INTO groupshare.group_size SELECT id, 1, 1 FROM made;
DELETE FROM groupshare.group_size WHERE group_id = bench.group('big');
INSERT INTO groupshare.group_size SELECT bench.group('big'), 1, count(*) FROM groupshare.membership WHERE group_id = bench.group('big');
CREATE TEMP TABLE stored AS SELECT gen_random_uuid() AS id, i FROM generate_series(:from, :to) i;
INSERT INTO groupshare.share (id, home, owner, name, size_bytes, state, all_groups, stored_at, sha256)
    SELECT s.id, t.home, t.id, 'file ' || s.i, 1, 'stored', true, now(), sha256('x') FROM stored s, groupshare.terminal t WHERE t.identifier = 'rich@x.org';
INSERT INTO groupshare.share_copy (home, share_id, device_id, state, stored_at)
    SELECT f.server_id, s.id, d.id, 'stored', now() FROM stored s, groupshare.self f, groupshare.device d WHERE d.name = 'd1';
WITH hidden AS (INSERT INTO groupshare.share (home, owner, name, size_bytes, state, all_groups, stored_at, sha256)
    SELECT t.home, t.id, 'file ' || i, 1, 'stored', false, now(), sha256('x') FROM groupshare.terminal t, generate_series(:from, :to) i
     WHERE t.identifier = 'thin@x.org' RETURNING id, home)
INSERT INTO groupshare.share_group (share_id, group_id, home) SELECT id, bench.group('lonely'), home FROM hidden;
RESET session_replication_role;
SELECT groupshare.join_group('peer@x.org', bench.group('busy 1')) WHERE :from = 1;
VACUUM ANALYZE;
