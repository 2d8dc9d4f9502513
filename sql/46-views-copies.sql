-- SPDX-License-Identifier: PostgreSQL
-- What a DBA looks at: inventories, what they found, damaged copies.

CREATE VIEW groupshare.inventories AS
    SELECT d.name AS device,
           CASE WHEN i.epoch IS NOT NULL THEN 'running' WHEN i.work_id IS NOT NULL THEN 'asked'
                WHEN i.last_ended_at IS NOT NULL THEN 'done' ELSE 'never' END AS state,
           i.requested_at, i.started_at, i.listed, i.last_started_at, i.last_ended_at, i.last_objects AS objects, i.last_bytes AS bytes,
           (SELECT count(*) FROM groupshare.inventory_finding f WHERE f.device_id = d.id) AS findings
      FROM groupshare.device d LEFT JOIN groupshare.inventory i ON i.device_id = d.id;
COMMENT ON VIEW groupshare.inventories IS 'for each device: the inventory that is asked or running, the last one, and how many differences from the catalog are open';

CREATE VIEW groupshare.inventory_report AS
    SELECT d.name AS device, f.problem, f.object, f.disk_state, f.size_bytes AS disk_bytes, encode(f.sha256, 'hex') AS disk_sha256,
           c.state::text AS copy_state, s.size_bytes::bigint, encode(s.sha256, 'hex') AS sha256, t.identifier AS owner, s.name::text AS share,
           coalesce(w.identifier, f.disk_owner::text) AS disk_owner, f.disk_name AS disk_share, f.first_seen, f.last_seen
      FROM groupshare.inventory_finding f JOIN groupshare.device d ON d.id = f.device_id
      LEFT JOIN groupshare.terminal w ON w.id = f.disk_owner
      LEFT JOIN groupshare.share_copy c ON c.object = f.object AND c.device_id = f.device_id
      LEFT JOIN groupshare.share s ON s.id = c.share_id
      LEFT JOIN groupshare.terminal t ON t.id = s.owner;
COMMENT ON VIEW groupshare.inventory_report IS
    'what disks and catalog disagree about: orphan (on the disk only), missing (in the catalog only), mismatch, damaged, unacknowledged, returned; owner and share are the catalog''s, disk_owner and disk_share what the disk says';

CREATE VIEW groupshare.damaged AS
    SELECT d.name AS device, c.state::text, t.identifier AS owner, s.name::text AS share, s.size_bytes::bigint, encode(s.sha256, 'hex') AS sha256,
           encode(c.found_sha256, 'hex') AS found_sha256, c.failed_at,
           (SELECT count(*) FROM groupshare.share_copy o WHERE o.share_id = s.id AND o.state = 'stored') AS good_copies,
           c.object, s.id AS share_id
      FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id
      JOIN groupshare.terminal t ON t.id = s.owner JOIN groupshare.device d ON d.id = c.device_id
     WHERE c.state IN ('quarantined', 'missing');
COMMENT ON VIEW groupshare.damaged IS 'copies that are never served: their bytes are wrong (quarantined) or gone (missing)';

CREATE VIEW groupshare.jobs AS
    SELECT j.id, j.kind, d.name AS device, j.state, j.dry_run, j.pace, j.copies, j.bytes,
           j.with_room, j.with_room_bytes, j.copies - j.with_room AS without_room, j.bytes - j.with_room_bytes AS without_room_bytes, j.moved,
           CASE WHEN j.device_id IS NOT NULL THEN
               (SELECT count(*) FROM groupshare.share_copy c WHERE c.device_id = j.device_id AND c.state = 'stored') END AS left_on_device,
           CASE WHEN j.device_id IS NOT NULL THEN
               (SELECT count(*) FROM groupshare.share_copy c WHERE c.device_id = j.device_id AND c.state = 'stored' AND c.leaving)
               WHEN j.kind = 'rebalance' AND j.state = 'running' THEN
               (SELECT count(*) FROM groupshare.share_copy c JOIN groupshare.device a ON a.id = c.device_id AND a.state = 'active'
                 WHERE c.state = 'stored' AND c.leaving) END AS leaving,
           CASE WHEN j.dry_run THEN j.problem ELSE
               (SELECT string_agg(DISTINCT n.problem, '; ') FROM groupshare.share_copy c JOIN groupshare.copy_need n ON n.share_id = c.share_id
                 WHERE c.device_id = j.device_id AND c.state = 'stored' AND c.leaving) END AS problem,
           j.created_at, j.ended_at
      FROM groupshare.job j LEFT JOIN groupshare.device d ON d.id = j.device_id;
COMMENT ON VIEW groupshare.jobs IS
    'drain, decommission, lose, rebalance, copies: copies and bytes that were to move at the start (copies: all); of those, by a dry run of drain and decommission, what has room elsewhere and what has none; moved (copies: shares looked at), what is left, what is in the way';

CREATE VIEW groupshare.copies AS
    SELECT t.identifier AS owner, s.name::text AS share, d.name AS device, c.state::text, c.leaving, f.object IS NOT NULL AS fetching,
           p.copies AS wanted, s.size_bytes::bigint, c.stored_at, c.failed_at, n.failures, n.problem,
           CASE WHEN n.not_before < 'infinity' THEN n.not_before END AS next_try, c.object, s.id AS share_id
      FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id AND s.state IN ('pending', 'stored')
      JOIN groupshare.terminal t ON t.id = s.owner JOIN groupshare.plan p ON p.name = t.plan
      JOIN groupshare.device d ON d.id = c.device_id
      LEFT JOIN groupshare.copy_fetch f ON f.object = c.object LEFT JOIN groupshare.copy_need n ON n.share_id = s.id
     WHERE c.state NOT IN ('abandoned', 'deleted');
COMMENT ON VIEW groupshare.copies IS 'the copies of live shares: where, in which state, how many their plan wants, what stands in the way of more';

CREATE VIEW groupshare.quotas AS
    SELECT t.identifier AS terminal, t.plan, coalesce(u.used_bytes, 0) AS used_bytes, held.bytes AS held_bytes,
           coalesce(u.used_bytes, 0) + CASE WHEN p.free_held_bytes IS NULL THEN 0 ELSE greatest(held.bytes - p.free_held_bytes, 0) END
               AS counted_bytes,
           p.quota_bytes, p.free_held_bytes, p.max_object_bytes, coalesce(u.shares, 0) AS shares, p.max_shares, p.copies,
           p.transfer_rate_bytes
      FROM groupshare.terminal t JOIN groupshare.plan p ON p.name = t.plan
      LEFT JOIN groupshare.usage u ON u.terminal_id = t.id
      CROSS JOIN LATERAL (SELECT coalesce(sum(s.size_bytes), 0)::bigint AS bytes FROM groupshare.share s
                           WHERE s.owner = t.id AND s.held) held;
COMMENT ON VIEW groupshare.quotas IS
    'for each terminal: bytes of pending and stored shares, of deleted ones that are still held, what counts of them, what the plan allows';
