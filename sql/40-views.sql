-- SPDX-License-Identifier: PostgreSQL
-- What a DBA looks at. Views run with their owner's rights: groupshare_admin reads them and no table.

CREATE VIEW groupshare.service_list AS
    SELECT e.identifier AS terminal, s.name AS server, s.id AS server_id, s.id = f.server_id AS here, e.updated_at
      FROM groupshare.service_entry e
      JOIN groupshare.server s ON s.id = e.server_id
      LEFT JOIN groupshare.self f ON true;
COMMENT ON VIEW groupshare.service_list IS 'which control server manages which terminal';

CREATE VIEW groupshare.terminals AS
    SELECT t.identifier AS terminal, t.id, s.name AS server, t.plan, p.sharing,
           CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' WHEN t.enrolled_at IS NOT NULL THEN 'enrolled'
                WHEN c.expires_at > now() THEN 'invited' ELSE 'no code' END AS state,
           t.enrolled_at, t.revoked_at, c.expires_at AS code_expires_at, c.failures AS code_failures, t.epoch, t.location,
           coalesce(u.used_bytes, 0) AS used_bytes, p.quota_bytes, coalesce(u.shares, 0) AS shares, p.max_shares,
           (SELECT count(*) FROM groupshare.membership m JOIN groupshare.sharing_group g ON g.id = m.group_id
             WHERE m.terminal_id = t.id AND m.state IN ('member', 'administrator') AND g.state = 'live') AS groups, p.max_groups,
           t.created_at
      FROM groupshare.terminal t
      JOIN groupshare.server s ON s.id = t.home
      JOIN groupshare.plan p ON p.name = t.plan
      LEFT JOIN groupshare.usage u ON u.terminal_id = t.id
      LEFT JOIN groupshare.enrolment_code c ON c.terminal_id = t.id;
COMMENT ON VIEW groupshare.terminals IS 'terminals with plan, enrolment, use of quota and number of groups';

CREATE VIEW groupshare.groups AS
    SELECT g.name AS group_name, g.id, s.name AS server, g.state, g.join_rule, g.listing, g.max_members, t.identifier AS creator,
           count(m.*) FILTER (WHERE m.state IN ('member', 'administrator')) AS members,
           count(m.*) FILTER (WHERE m.state = 'administrator') AS administrators,
           count(m.*) FILTER (WHERE m.state = 'invited') AS invited,
           count(m.*) FILTER (WHERE m.state = 'pending') AS pending,
           g.created_at, g.established_at, g.dissolved_at
      FROM groupshare.sharing_group g
      JOIN groupshare.server s ON s.id = g.home
      JOIN groupshare.terminal t ON t.id = g.creator
      LEFT JOIN groupshare.membership m ON m.group_id = g.id
     GROUP BY g.id, s.name, t.identifier;
COMMENT ON VIEW groupshare.groups IS 'groups with their rules and counts of members';

CREATE VIEW groupshare.members AS
    SELECT g.name AS group_name, t.identifier AS terminal, m.state, m.invited_role, m.since, m.joined_at, g.state AS group_state,
           m.group_id, m.terminal_id
      FROM groupshare.membership m
      JOIN groupshare.sharing_group g ON g.id = m.group_id
      JOIN groupshare.terminal t ON t.id = m.terminal_id;
COMMENT ON VIEW groupshare.members IS 'who is or was what in which group';

CREATE VIEW groupshare.inquiries AS
    SELECT i.id, g.name AS group_name, t.identifier AS terminal, i.state, i.created_at, i.decided_at,
           d.identifier AS decided_by, i.group_id, i.terminal_id
      FROM groupshare.inquiry i
      JOIN groupshare.sharing_group g ON g.id = i.group_id
      JOIN groupshare.terminal t ON t.id = i.terminal_id
      LEFT JOIN groupshare.terminal d ON d.id = i.decided_by;
COMMENT ON VIEW groupshare.inquiries IS 'requests to join that were put to administrators, and what became of them';

CREATE VIEW groupshare.event_lag AS
    SELECT t.identifier AS terminal, count(*) AS unfetched, min(e.at) AS oldest, count(*) FILTER (WHERE NOT e.sent) AS unsent
      FROM (SELECT o.terminal_id, o.at, o.sent FROM groupshare.event o WHERE o.position IS NULL
            UNION ALL
            SELECT p.terminal_id, g.at, g.sent
              FROM (SELECT m.terminal_id, a.event_id, bool_or(a.hides) AS hides
                      FROM groupshare.membership m
                      LEFT JOIN groupshare.event_cursor c ON c.terminal_id = m.terminal_id
                      CROSS JOIN LATERAL (SELECT v.era, v.xid, v.event
                          FROM (VALUES (m.came_era, pg_snapshot_xmin(m.came_after), 0::bigint), (c.seen_era, pg_snapshot_xmin(c.seen), 0),
                                       (c.reached_era, c.reached_xid, c.reached_event)) v (era, xid, event)
                         WHERE v.era IS NOT NULL ORDER BY v.era DESC, v.xid DESC, v.event DESC LIMIT 1) s
                      CROSS JOIN LATERAL (SELECT x.event_id, x.hides FROM groupshare.event_group x
                          WHERE x.group_id = m.group_id AND (x.era, x.xid, x.event_id) > (s.era, s.xid, s.event)
                            AND (x.era > m.came_era OR x.xid = m.came_xid OR NOT pg_visible_in_snapshot(x.xid, m.came_after))
                            AND (c.seen IS NULL OR x.era > c.seen_era OR x.xid = c.own_xid OR NOT pg_visible_in_snapshot(x.xid, c.seen))
                            AND (c.own_xid IS NULL OR x.xid <> c.own_xid OR x.event_id > c.own_event)
                          ORDER BY x.era, x.xid, x.event_id LIMIT 1000) a
                     WHERE m.state IN ('member', 'administrator') GROUP BY m.terminal_id, a.event_id) p
              JOIN groupshare.group_event g ON g.id = p.event_id
             WHERE NOT p.hides) e
      JOIN groupshare.terminal t ON t.id = e.terminal_id
     GROUP BY t.id;
COMMENT ON VIEW groupshare.event_lag IS
    'events that their terminal has not fetched, at most 1000 of each of its groups, and those that nobody has been woken for';

CREATE VIEW groupshare.audit_log AS
    SELECT a.id, a.at, a.actor, a.action, a.subject, a.terminal, a.detail, a.peer, a.request_id FROM groupshare.audit a;
COMMENT ON VIEW groupshare.audit_log IS 'who did what to whom, in the transaction that did it';
