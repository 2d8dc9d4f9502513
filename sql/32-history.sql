-- SPDX-License-Identifier: PostgreSQL
-- What was, as ranges: who was what in which group, where a share was shown. The present is in the tables themselves (`since`); what ends
-- is written here by triggers (extension/history.c), which fire on UPDATE and DELETE only, so that a restore repeats nothing.
-- What a terminal was in a group ends with the group, before and after its memberships are swept.
-- Times are the clock's when the change was made, under the lock that it takes.

CREATE TABLE groupshare.past_membership (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id uuid NOT NULL,
    terminal_id uuid NOT NULL,
    state text NOT NULL,
    during tstzrange NOT NULL CHECK (NOT isempty(during))
);
CREATE INDEX past_membership_terminal ON groupshare.past_membership (terminal_id, group_id);
CREATE INDEX past_membership_group ON groupshare.past_membership (group_id);
COMMENT ON TABLE groupshare.past_membership IS 'what a terminal was in a group';

-- group_id NULL: in all groups of its owner.
CREATE TABLE groupshare.past_showing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    share_id uuid NOT NULL,
    group_id uuid,
    during tstzrange NOT NULL CHECK (NOT isempty(during))
);
CREATE INDEX past_showing_share ON groupshare.past_showing (share_id);
COMMENT ON TABLE groupshare.past_showing IS 'where a share was shown';

CREATE FUNCTION groupshare.keep_membership() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_keep_membership' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.keep_membership() IS 'trigger: a membership''s state that ends becomes history';
CREATE FUNCTION groupshare.keep_showing() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_keep_showing' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.keep_showing() IS 'trigger: where a share is no longer shown becomes history';
CREATE FUNCTION groupshare.refuse_change() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_refuse_change' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.refuse_change() IS 'trigger: rows are only added';

CREATE TRIGGER membership_keep_moved AFTER UPDATE OF state ON groupshare.membership
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION groupshare.keep_membership();
CREATE TRIGGER membership_keep_deleted AFTER DELETE ON groupshare.membership
    FOR EACH ROW EXECUTE FUNCTION groupshare.keep_membership();
CREATE TRIGGER share_keep BEFORE UPDATE OF all_groups ON groupshare.share
    FOR EACH ROW WHEN (OLD.all_groups <> NEW.all_groups) EXECUTE FUNCTION groupshare.keep_showing();
CREATE TRIGGER share_group_keep AFTER DELETE ON groupshare.share_group
    FOR EACH ROW EXECUTE FUNCTION groupshare.keep_showing();

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON groupshare.audit
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.refuse_change();
CREATE TRIGGER past_membership_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON groupshare.past_membership
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.refuse_change();
CREATE TRIGGER past_showing_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON groupshare.past_showing
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.refuse_change();

CREATE VIEW groupshare.membership_history AS
    SELECT p.group_id, p.terminal_id, p.state, p.during FROM groupshare.past_membership p
    UNION ALL
    SELECT m.group_id, m.terminal_id, m.state, tstzrange(m.since, CASE WHEN g.dissolved_at > m.since THEN g.dissolved_at END)
      FROM groupshare.membership m JOIN groupshare.sharing_group g ON g.id = m.group_id;
COMMENT ON VIEW groupshare.membership_history IS 'what each terminal was and is in each group, and when';

CREATE VIEW groupshare.share_history AS
    SELECT p.share_id, p.group_id, p.during FROM groupshare.past_showing p
    UNION ALL
    SELECT v.share_id, v.group_id, tstzrange(v.since, NULL) FROM groupshare.share_group v
    UNION ALL
    SELECT s.id, NULL::uuid, tstzrange(s.all_groups_since, NULL) FROM groupshare.share s WHERE s.all_groups;
COMMENT ON VIEW groupshare.share_history IS 'where each share was and is shown, and when; group_id NULL: in all groups of its owner';

-- A way by which a terminal could have a share: its own, or a group that both were in, in which it was shown.
CREATE FUNCTION groupshare.who_could_download(share uuid, at timestamptz) RETURNS TABLE (terminal text, group_name text)
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    WITH wanted AS (SELECT s.id, s.owner FROM groupshare.share s
        WHERE s.id = who_could_download.share AND s.stored_at <= at AND (s.deleted_at IS NULL OR s.deleted_at > at))
    SELECT t.identifier, NULL FROM wanted w JOIN groupshare.terminal t ON t.id = w.owner
    UNION ALL
    SELECT t.identifier, g.name FROM wanted w
      JOIN groupshare.membership_history o ON o.terminal_id = w.owner AND o.during @> at AND o.state IN ('member', 'administrator')
      JOIN groupshare.sharing_group g ON g.id = o.group_id AND g.established_at <= at AND (g.dissolved_at IS NULL OR g.dissolved_at > at)
      JOIN groupshare.membership_history m ON m.group_id = g.id AND m.during @> at AND m.state IN ('member', 'administrator')
       AND m.terminal_id <> w.owner
      JOIN groupshare.terminal t ON t.id = m.terminal_id
     WHERE EXISTS (SELECT 1 FROM groupshare.share_history h
                    WHERE h.share_id = w.id AND h.during @> at AND (h.group_id IS NULL OR h.group_id = g.id))
     ORDER BY 1, 2 $$;
COMMENT ON FUNCTION groupshare.who_could_download(uuid, timestamptz) IS
    'every terminal that could download a share at a time, and the group by which; no group: its owner';

CREATE FUNCTION groupshare.could_download(terminal text, share uuid, at timestamptz) RETURNS boolean
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT EXISTS (SELECT 1 FROM groupshare.share s, groupshare.terminal t
        WHERE s.id = could_download.share AND t.identifier = groupshare.normalize_identifier(could_download.terminal)
          AND s.stored_at <= at AND (s.deleted_at IS NULL OR s.deleted_at > at)
          AND (s.owner = t.id OR EXISTS (SELECT 1 FROM groupshare.membership_history m
              JOIN groupshare.sharing_group g ON g.id = m.group_id AND g.established_at <= at AND (g.dissolved_at IS NULL OR g.dissolved_at > at)
              JOIN groupshare.membership_history o ON o.group_id = g.id AND o.terminal_id = s.owner AND o.during @> at
               AND o.state IN ('member', 'administrator')
              JOIN groupshare.share_history h ON h.share_id = s.id AND h.during @> at AND (h.group_id IS NULL OR h.group_id = g.id)
             WHERE m.terminal_id = t.id AND m.during @> at AND m.state IN ('member', 'administrator')))) $$;
COMMENT ON FUNCTION groupshare.could_download(text, uuid, timestamptz) IS 'could this terminal download this share at that time?';
