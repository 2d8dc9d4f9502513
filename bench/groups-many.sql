-- SPDX-License-Identifier: PostgreSQL
-- Groups from :from to :to, without what triggers do for each row.
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator, created_at, established_at)
    SELECT s.server_id, 'Club ' || to_hex(i) || ' Berlin', 'live', 'anyone', t.id, now() - interval '1 h', now()
      FROM groupshare.self s, (SELECT id FROM groupshare.terminal WHERE identifier = 'ann@x.org') t, generate_series(:from, :to) i;
