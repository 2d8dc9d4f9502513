-- SPDX-License-Identifier: PostgreSQL
-- What a DBA looks at: devices, shares, reservations, placements.

CREATE VIEW groupshare.devices AS
    SELECT d.name, d.location, d.state,
           coalesce(l.epoch IS NOT NULL AND l.reported_at >= now() - l.report_interval_ms * interval '1 millisecond'
               * current_setting('groupshare.device_silent_intervals')::int, false) AS online,
           coalesce(l.read_only, false) AS read_only,
           l.capacity_bytes, l.capacity_bytes - l.free_bytes AS used_bytes, l.free_bytes, l.staged_bytes,
           l.reserved_bytes, l.settled_bytes, l.available_bytes,
           date_trunc('milliseconds', clock_timestamp() - l.reported_at) AS report_age, l.url, l.version, d.login_role,
           (SELECT count(*) FROM groupshare.share_copy c WHERE c.device_id = d.id AND c.state = 'stored') AS shares,
           (SELECT count(*) FROM groupshare.device_work w WHERE w.device_id = d.id AND w.done_at IS NULL) AS open_work,
           d.id
      FROM groupshare.device d LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id;
COMMENT ON VIEW groupshare.devices IS
    'storage devices: what they said last, what is promised on them, and whether they still report';

CREATE VIEW groupshare.shares AS
    SELECT t.identifier AS owner, s.name, s.size_bytes, s.state,
           ARRAY(SELECT d.name FROM groupshare.share_copy c JOIN groupshare.device d ON d.id = c.device_id
                  WHERE c.share_id = s.id AND c.state = s.state ORDER BY d.name) AS devices,
           CASE WHEN s.all_groups THEN '{all}' ELSE ARRAY(SELECT g.name FROM groupshare.share_group v
                  JOIN groupshare.sharing_group g ON g.id = v.group_id WHERE v.share_id = s.id ORDER BY g.name)
           END AS groups,
           encode(s.sha256, 'hex') AS sha256, s.created_at, s.stored_at, s.deleted_at, s.id
      FROM groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner;
COMMENT ON VIEW groupshare.shares IS 'all shares, the deleted and expired too: owner, name, size, state, devices, groups';

CREATE VIEW groupshare.reservations AS
    SELECT d.name AS device, t.identifier AS terminal, s.name AS share, r.size_bytes, r.state, r.created_at, r.expires_at,
           r.ended_at, r.object
      FROM groupshare.reservation r JOIN groupshare.device d ON d.id = r.device_id
      JOIN groupshare.share_copy c ON c.object = r.object JOIN groupshare.share s ON s.id = c.share_id
      JOIN groupshare.terminal t ON t.id = s.owner;
COMMENT ON VIEW groupshare.reservations IS 'bytes reserved on devices: live, and what became of the others';

CREATE VIEW groupshare.placements AS
    SELECT p.at, t.identifier AS terminal, s.name AS share, s.size_bytes, p.location, d.name AS device, p.distance,
           p.candidates, p.object
      FROM groupshare.placement p JOIN groupshare.device d ON d.id = p.device_id
      JOIN groupshare.share_copy c ON c.object = p.object JOIN groupshare.share s ON s.id = c.share_id
      JOIN groupshare.terminal t ON t.id = s.owner;
COMMENT ON VIEW groupshare.placements IS 'each decision of placement: where the terminal was, what was considered, what was chosen';
