-- SPDX-License-Identifier: PostgreSQL
-- :events events that nobody has fetched for terminals, and as many for the group :group.
INSERT INTO groupshare.event (terminal_id, kind, data, sent)
    SELECT bench.id('member' || i % 10000 || '@x.org'), 'member', '{}', true FROM generate_series(1, :events) i
     WHERE bench.id('member' || i % 10000 || '@x.org') IS NOT NULL;
WITH told AS (INSERT INTO groupshare.group_event (kind, data) SELECT 'member', '{}' FROM generate_series(1, :events) RETURNING id)
    INSERT INTO groupshare.event_group (group_id, era, xid, event_id, hides)
        SELECT :'group', groupshare.current_era(), pg_current_xact_id(), id, false FROM told;
VACUUM ANALYZE;
