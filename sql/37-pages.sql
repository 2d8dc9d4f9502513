-- SPDX-License-Identifier: PostgreSQL
-- Each change of what a page of group info shows is noted, whoever makes it: a function of ours or a DBA's own statement
-- (extension/page_change.c). A note too many costs one page, a missing one would keep members from news. No trigger where nothing is shown.

CREATE FUNCTION groupshare.page_of_row() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_page_of_row' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.page_of_row() IS
    'trigger: notes that pages of the subjects change that the named columns hold; + before one: this terminal comes in';

CREATE FUNCTION groupshare.page_of_share() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_page_of_share' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.page_of_share() IS 'trigger: notes that pages of all groups that see the share change';

CREATE FUNCTION groupshare.page_of_share_group() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_page_of_share_group' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.page_of_share_group() IS 'trigger: notes that pages of a group change which begins or ceases to see a share';

CREATE FUNCTION groupshare.page_of_all() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_page_of_all' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.page_of_all() IS 'trigger: notes that all pages may change';

CREATE TRIGGER membership_page_new AFTER INSERT ON groupshare.membership
    FOR EACH ROW WHEN (NEW.state IN ('member', 'administrator')) EXECUTE FUNCTION groupshare.page_of_row('+terminal_id', 'group_id');
CREATE TRIGGER membership_page_came AFTER UPDATE ON groupshare.membership
    FOR EACH ROW WHEN (NEW.state IN ('member', 'administrator') AND (OLD.state NOT IN ('member', 'administrator')
        OR (OLD.group_id, OLD.terminal_id) IS DISTINCT FROM (NEW.group_id, NEW.terminal_id)))
    EXECUTE FUNCTION groupshare.page_of_row('+terminal_id', 'group_id');
CREATE TRIGGER membership_page_moved AFTER UPDATE ON groupshare.membership
    FOR EACH ROW WHEN (OLD.state IN ('member', 'administrator') AND OLD.state <> NEW.state)
    EXECUTE FUNCTION groupshare.page_of_row('terminal_id', 'group_id');
CREATE TRIGGER membership_page_gone AFTER DELETE ON groupshare.membership
    FOR EACH ROW WHEN (OLD.state IN ('member', 'administrator')) EXECUTE FUNCTION groupshare.page_of_row('terminal_id', 'group_id');

CREATE TRIGGER sharing_group_page AFTER UPDATE ON groupshare.sharing_group
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION groupshare.page_of_row('id');
CREATE TRIGGER sharing_group_page_back AFTER UPDATE ON groupshare.sharing_group
    FOR EACH ROW WHEN (OLD.state = 'dissolved' AND NEW.state <> 'dissolved') EXECUTE FUNCTION groupshare.page_of_all();

CREATE TRIGGER share_page_new AFTER INSERT ON groupshare.share
    FOR EACH ROW WHEN (NEW.state = 'stored') EXECUTE FUNCTION groupshare.page_of_share();
CREATE TRIGGER share_page AFTER UPDATE ON groupshare.share
    FOR EACH ROW WHEN ((OLD.state = 'stored' OR NEW.state = 'stored') AND
        (OLD.id, OLD.owner, OLD.name, OLD.size_bytes, OLD.sha256, OLD.state, OLD.all_groups, OLD.stored_at) IS DISTINCT FROM
        (NEW.id, NEW.owner, NEW.name, NEW.size_bytes, NEW.sha256, NEW.state, NEW.all_groups, NEW.stored_at))
    EXECUTE FUNCTION groupshare.page_of_share();
CREATE TRIGGER share_page_gone AFTER DELETE ON groupshare.share
    FOR EACH ROW WHEN (OLD.state = 'stored') EXECUTE FUNCTION groupshare.page_of_share();
CREATE TRIGGER share_group_page AFTER INSERT OR UPDATE OR DELETE ON groupshare.share_group
    FOR EACH ROW EXECUTE FUNCTION groupshare.page_of_share_group();

-- Names that each page may show, and what no row tells.
CREATE TRIGGER server_page AFTER UPDATE ON groupshare.server
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.page_of_all();
CREATE TRIGGER self_page AFTER INSERT OR UPDATE OR DELETE ON groupshare.self
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.page_of_all();
CREATE TRIGGER terminal_page AFTER UPDATE ON groupshare.terminal
    FOR EACH ROW WHEN (OLD.identifier <> NEW.identifier) EXECUTE FUNCTION groupshare.page_of_all();
CREATE TRIGGER membership_page_all AFTER TRUNCATE ON groupshare.membership
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.page_of_all();
CREATE TRIGGER share_page_all AFTER TRUNCATE ON groupshare.share
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.page_of_all();
CREATE TRIGGER share_group_page_all AFTER TRUNCATE ON groupshare.share_group
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.page_of_all();

-- Also for rows that replication brings, and for whoever sets session_replication_role.
ALTER TABLE groupshare.membership
    ENABLE ALWAYS TRIGGER membership_page_new,
    ENABLE ALWAYS TRIGGER membership_page_came,
    ENABLE ALWAYS TRIGGER membership_page_moved,
    ENABLE ALWAYS TRIGGER membership_page_gone,
    ENABLE ALWAYS TRIGGER membership_page_all;
ALTER TABLE groupshare.sharing_group
    ENABLE ALWAYS TRIGGER sharing_group_page,
    ENABLE ALWAYS TRIGGER sharing_group_page_back;
ALTER TABLE groupshare.share
    ENABLE ALWAYS TRIGGER share_page_new,
    ENABLE ALWAYS TRIGGER share_page,
    ENABLE ALWAYS TRIGGER share_page_gone,
    ENABLE ALWAYS TRIGGER share_page_all;
ALTER TABLE groupshare.share_group
    ENABLE ALWAYS TRIGGER share_group_page,
    ENABLE ALWAYS TRIGGER share_group_page_all;
ALTER TABLE groupshare.server
    ENABLE ALWAYS TRIGGER server_page;
ALTER TABLE groupshare.self
    ENABLE ALWAYS TRIGGER self_page;
ALTER TABLE groupshare.terminal
    ENABLE ALWAYS TRIGGER terminal_page;
