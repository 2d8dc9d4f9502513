-- SPDX-License-Identifier: PostgreSQL
-- What a DBA looks at: devices, shares, reservations, placements.

CREATE FUNCTION groupshare.bar(percent numeric) RETURNS text
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT '[' || rpad(repeat('#', round(least(greatest(percent, 0), 100) / 5)::int), 20, '.') || ']' $$;
COMMENT ON FUNCTION groupshare.bar(numeric) IS 'a percentage as twenty characters';

CREATE VIEW groupshare.devices AS
    SELECT d.name, d.location, d.state,
           coalesce(l.epoch IS NOT NULL AND l.reported_at >= now() - l.report_interval_ms * interval '1 millisecond'
               * current_setting('groupshare.device_silent_intervals')::int, false) AS online,
           coalesce(l.read_only, false) AS read_only, p.used_percent, groupshare.bar(p.used_percent) AS bar,
           l.capacity_bytes::bigint, l.capacity_bytes - l.free_bytes AS used_bytes, l.free_bytes::bigint, l.staged_bytes::bigint,
           l.reserved_bytes::bigint, l.settled_bytes::bigint, l.available_bytes,
           date_trunc('milliseconds', clock_timestamp() - l.reported_at) AS report_age, l.url, l.version, d.login_role,
           (SELECT count(*) FROM groupshare.share_copy c WHERE c.device_id = d.id AND c.state = 'stored') AS shares,
           (SELECT count(*) FROM groupshare.device_work w WHERE w.device_id = d.id AND w.done_at IS NULL) AS open_work,
           d.headroom_bytes, d.high_water_percent, d.capacity_limit_bytes, l.held_bytes::bigint, l.refused_at, d.latitude,
           d.longitude, d.id
      FROM groupshare.device d LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id
      CROSS JOIN LATERAL (SELECT round(100 * (1 - l.available_bytes::numeric
               / nullif(least(l.capacity_bytes, d.capacity_limit_bytes), 0)), 1) AS used_percent) p;
COMMENT ON VIEW groupshare.devices IS
    'storage devices: what they said last, what is promised on them (used_percent counts promises too), and whether they still report; a decommissioned one has nothing';

-- A place that holds no device itself, such as a country, sums up what lies in it; the root is the empty text. Of a device counts what it
-- may be given; one that is promised more than it has takes no room from others. One that has said nothing yet has nothing.
CREATE VIEW groupshare.device_locations AS
    SELECT a.area AS location, count(*) AS devices,
           count(*) FILTER (WHERE l.active AND l.epoch IS NOT NULL AND NOT l.read_only
               AND l.reported_at >= now() - l.report_interval_ms * interval '1 millisecond'
                   * current_setting('groupshare.device_silent_intervals')::int) AS writable,
           round(100 * (1 - sum(r.available) / nullif(sum(r.capacity), 0)), 1) AS used_percent,
           groupshare.bar(round(100 * (1 - sum(r.available) / nullif(sum(r.capacity), 0)), 1)) AS bar,
           sum(r.capacity)::bigint AS capacity_bytes, sum(r.available)::bigint AS available_bytes,
           coalesce(sum(l.reserved_bytes), 0)::bigint AS reserved_bytes, coalesce(sum(l.staged_bytes), 0)::bigint AS staged_bytes
      FROM groupshare.device_area a JOIN groupshare.device d ON d.id = a.device_id AND d.state <> 'decommissioned'
      LEFT JOIN groupshare.device_ledger l ON l.device_id = a.device_id
      CROSS JOIN LATERAL (SELECT coalesce(least(l.capacity_bytes, l.capacity_limit_bytes), 0) AS capacity,
               coalesce(greatest(l.available_bytes, 0), 0) AS available) r
     GROUP BY a.area;
COMMENT ON VIEW groupshare.device_locations IS
    'devices summed up for each location and all that lies in it; those that are decommissioned are no longer there';

CREATE VIEW groupshare.device_forecast AS
    SELECT d.name, d.location, f.hours, f.used_bytes_per_day::bigint AS used_bytes_per_day, l.available_bytes,
           CASE WHEN f.used_bytes_per_day > 0
                THEN round((greatest(l.available_bytes, 0) / f.used_bytes_per_day)::numeric, 1) END AS days_until_full
      FROM groupshare.device d JOIN groupshare.device_ledger l ON l.device_id = d.id
      CROSS JOIN LATERAL (SELECT count(*) AS hours,
               86400 * regr_slope(h.used_bytes, extract(epoch FROM h.hour)) AS used_bytes_per_day
          FROM groupshare.device_history h
         WHERE h.device_id = d.id AND h.hour > now() - interval '14 days') f
     WHERE d.state <> 'decommissioned';
COMMENT ON VIEW groupshare.device_forecast IS
    'by the straight line through the reports of the last 14 days: bytes a day, and days until full; NULL: too few reports, or not filling';

CREATE VIEW groupshare.placement_policies AS
    SELECT p.plan, g.name AS group_name, p.version, p.function, p.replaced_at IS NULL AS current, p.set_at, p.set_by,
           p.replaced_at, p.group_id, p.id
      FROM groupshare.placement_policy p LEFT JOIN groupshare.sharing_group g ON g.id = p.group_id;
COMMENT ON VIEW groupshare.placement_policies IS 'functions of DBAs that have a say in placement, all versions';

CREATE VIEW groupshare.shares AS
    SELECT t.identifier AS owner, s.name::text, s.size_bytes::bigint, s.state::text,
           ARRAY(SELECT d.name FROM groupshare.share_copy c JOIN groupshare.device d ON d.id = c.device_id
                  WHERE c.share_id = s.id AND c.state = s.state ORDER BY d.name) AS devices,
           CASE WHEN s.all_groups THEN '{all}' ELSE ARRAY(SELECT g.name FROM groupshare.share_group v
                  JOIN groupshare.sharing_group g ON g.id = v.group_id WHERE v.share_id = s.id ORDER BY g.name)
           END AS groups,
           encode(s.sha256, 'hex') AS sha256, s.created_at, s.stored_at, s.deleted_at, s.id
      FROM groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner;
COMMENT ON VIEW groupshare.shares IS 'all shares, the deleted and expired too: owner, name, size, state, devices, groups';

CREATE VIEW groupshare.reservations AS
    SELECT d.name AS device, t.identifier AS terminal, s.name::text AS share, r.size_bytes::bigint, r.state::text, r.created_at, r.expires_at,
           r.ended_at, r.object
      FROM groupshare.reservation r JOIN groupshare.device d ON d.id = r.device_id
      JOIN groupshare.share_copy c ON c.object = r.object JOIN groupshare.share s ON s.id = c.share_id
      JOIN groupshare.terminal t ON t.id = s.owner;
COMMENT ON VIEW groupshare.reservations IS 'bytes reserved on devices: live, and what became of the others';

CREATE VIEW groupshare.placements AS
    SELECT p.created_at AS at, t.identifier AS terminal, s.name::text AS share, s.size_bytes::bigint, p.location, d.name AS device, p.distance,
           (SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(p.candidates[n])) ORDER BY n) FROM generate_subscripts(p.candidates, 1) n) AS candidates,
           o.function AS policy, o.version AS policy_version, p.policy_error, p.object,
           p.further, c.state::text AS copy_state
      FROM groupshare.reservation p JOIN groupshare.device d ON d.id = p.device_id
      LEFT JOIN groupshare.placement_policy o ON o.id = p.policy_id
      JOIN groupshare.share_copy c ON c.object = p.object JOIN groupshare.share s ON s.id = c.share_id
      JOIN groupshare.terminal t ON t.id = s.owner;
COMMENT ON VIEW groupshare.placements IS 'each decision of placement: where the terminal was, what was considered (candidates; a moved upload names the device that it leaves last, and why), what was chosen, what has become of that copy';
