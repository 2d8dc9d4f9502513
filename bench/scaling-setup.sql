-- SPDX-License-Identifier: PostgreSQL
-- Who the measurements of growth ask: head, of the group that gets many members; rich, who gets many shares; thin, who gets as many,
-- shown in another group; fan, in a group with both; busy, who gets many groups, and peer, in the first of them; alone, in a group of
-- one; asker, in none. On top of groups-setup.sql.
SELECT bench.people(who, 1) FROM unnest(ARRAY['alone', 'rich', 'thin', 'fan', 'busy', 'peer', 'spare', 'asker']) who;
UPDATE groupshare.terminal SET identifier = replace(identifier, '1@', '@');
SELECT groupshare.add_terminal('head@x.org');
CREATE FUNCTION bench.group(name text) RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT id FROM groupshare.sharing_group g WHERE g.name = $1 $$;
SELECT groupshare.create_group('head@x.org', 'big', '{"join": {"rule": "anyone"}, "max_members": 1000000}'),
    groupshare.create_group('rich@x.org', 'riches', '{"join": {"rule": "anyone"}}'),
    groupshare.create_group('alone@x.org', 'lonely', '{"join": {"rule": "anyone"}}');
SELECT groupshare.join_group(who, bench.group('riches')) FROM unnest(ARRAY['fan@x.org', 'thin@x.org']) who;
-- A share of rich that is shown nowhere else, one of head, one of busy.
CREATE FUNCTION bench.share(owner text, name text) RETURNS uuid LANGUAGE sql AS $$
    WITH made AS (INSERT INTO groupshare.share (home, owner, name, size_bytes, state, all_groups, stored_at, sha256)
        SELECT t.home, t.id, $2, 1, 'stored', true, now(), sha256('x') FROM groupshare.terminal t WHERE t.identifier = $1 RETURNING id, home)
    INSERT INTO groupshare.share_copy (home, share_id, device_id, state, stored_at)
        SELECT m.home, m.id, (SELECT id FROM groupshare.device WHERE name = 'd1'), 'stored', now() FROM made m RETURNING share_id $$;
-- Devices by number.
CREATE FUNCTION bench.devices(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO groupshare.device (home, name, login_role, location)
        SELECT server_id, 'd' || n, 'bench_d' || n, format('r%s/c%s/s%s', n % 5, n / 5 % 10, n / 50 % 20) FROM groupshare.self, generate_series(first, last) n;
    UPDATE groupshare.device_ledger SET epoch = 1, url = 'https://d.test', capacity_bytes = 1000000000000, free_bytes = 500000000000,
           announced_at = now(), reported_at = now(), report_interval_ms = 86400000 WHERE epoch IS NULL;
    INSERT INTO groupshare.device_key (device_id, key, created_at)
        SELECT d.id, groupshare.random_key(), now() - interval '1 h' FROM groupshare.device d
         WHERE NOT EXISTS (SELECT 1 FROM groupshare.device_key k WHERE k.device_id = d.id) $$;
SELECT bench.devices(1, 10);
SELECT bench.share('head@x.org', 'of head'), bench.share('busy@x.org', 'of busy'), bench.share('alone@x.org', 'of alone');
INSERT INTO groupshare.usage (terminal_id, home, used_bytes, shares) SELECT id, home, 10000000, 10000000 FROM groupshare.terminal
    ON CONFLICT (terminal_id) DO UPDATE SET used_bytes = excluded.used_bytes, shares = excluded.shares;
UPDATE groupshare.plan SET quota_bytes = NULL, max_shares = NULL;
