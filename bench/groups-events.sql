-- SPDX-License-Identifier: PostgreSQL
-- :events events that nobody has fetched for terminals, and as many for the group :group.
SET session_replication_role = replica;
SET synchronous_commit = off;
CREATE TEMP TABLE reader AS SELECT id, row_number() OVER () - 1 AS n FROM groupshare.terminal WHERE identifier LIKE 'member%';
CREATE INDEX ON reader (n);
INSERT INTO groupshare.event (terminal_id, kind, data, sent)
    SELECT r.id, 'member', '{}', true FROM generate_series(1, :events) i JOIN reader r ON r.n = i % (SELECT count(*) FROM reader);
WITH told AS (INSERT INTO groupshare.group_event (kind, data) SELECT 'member', '{}' FROM generate_series(1, :events) RETURNING id)
    INSERT INTO groupshare.event_group (group_id, era, xid, event_id, hides)
        SELECT :'group', groupshare.current_era(), pg_current_xact_id(), id, false FROM told;
VACUUM ANALYZE;
