-- SPDX-License-Identifier: PostgreSQL
-- Rules over several rows that no CHECK, UNIQUE or FOREIGN KEY can say. None fires on what pg_restore does: it inserts rows, one
-- table after another; each rule that needs two tables looks only when both can be there.

CREATE FUNCTION groupshare.check_membership_move() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_check_membership_move' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.check_membership_move() IS 'trigger: a membership goes only on legal moves';

CREATE FUNCTION groupshare.check_administrator() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_check_administrator' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.check_administrator() IS 'trigger: a live group has an administrator when the transaction ends';

CREATE FUNCTION groupshare.check_listed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_check_listed' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.check_listed() IS 'trigger: nobody is listed for a group and banned from it';

CREATE FUNCTION groupshare.count_members() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_count_members' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.count_members() IS 'trigger: keeps how many are in a group';

CREATE FUNCTION groupshare.check_room() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_check_room' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.check_room() IS 'trigger: nobody comes into a group that has max_members';

CREATE FUNCTION groupshare.notify_service_list() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_notify_service_list' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.notify_service_list() IS 'trigger: NOTIFY groupshare_service_list';

CREATE TRIGGER membership_move BEFORE UPDATE OF state ON groupshare.membership
    FOR EACH ROW EXECUTE FUNCTION groupshare.check_membership_move();

CREATE CONSTRAINT TRIGGER membership_administrator_moved AFTER UPDATE OF state ON groupshare.membership
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.state = 'administrator' AND NEW.state <> 'administrator')
    EXECUTE FUNCTION groupshare.check_administrator();
CREATE CONSTRAINT TRIGGER membership_administrator_deleted AFTER DELETE ON groupshare.membership
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.state = 'administrator')
    EXECUTE FUNCTION groupshare.check_administrator();
CREATE CONSTRAINT TRIGGER sharing_group_administrator AFTER UPDATE OF state ON groupshare.sharing_group
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.state = 'live' AND OLD.state <> 'live')
    EXECUTE FUNCTION groupshare.check_administrator();

-- Of a live group that is inserted only when it is of this transaction: a restored one is older, and its memberships come after it,
-- often in a transaction of their own.
CREATE CONSTRAINT TRIGGER sharing_group_administrator_new AFTER INSERT ON groupshare.sharing_group
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.state = 'live' AND NEW.created_at = now())
    EXECUTE FUNCTION groupshare.check_administrator();

CREATE TRIGGER membership_listed AFTER INSERT OR UPDATE OF state ON groupshare.membership
    FOR EACH ROW WHEN (NEW.state = 'banned') EXECUTE FUNCTION groupshare.check_listed();
CREATE TRIGGER group_listed_banned AFTER INSERT OR UPDATE ON groupshare.group_listed
    FOR EACH ROW EXECUTE FUNCTION groupshare.check_listed();

-- By its name before membership_room, which asks for the number. Also for restored rows: the table is not dumped.
CREATE TRIGGER membership_count_new AFTER INSERT ON groupshare.membership
    FOR EACH ROW WHEN (NEW.state IN ('member', 'administrator')) EXECUTE FUNCTION groupshare.count_members();
CREATE TRIGGER membership_count_moved AFTER UPDATE OF state, group_id ON groupshare.membership
    FOR EACH ROW WHEN (OLD.group_id <> NEW.group_id
        OR (OLD.state IN ('member', 'administrator')) <> (NEW.state IN ('member', 'administrator')))
    EXECUTE FUNCTION groupshare.count_members();
CREATE TRIGGER membership_count_gone AFTER DELETE ON groupshare.membership
    FOR EACH ROW WHEN (OLD.state IN ('member', 'administrator')) EXECUTE FUNCTION groupshare.count_members();
CREATE TRIGGER membership_count_none AFTER TRUNCATE ON groupshare.membership
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.count_members();

-- A restored row has an older `since`: what was within the limit when it was written is not judged again.
CREATE TRIGGER membership_room_new AFTER INSERT ON groupshare.membership
    FOR EACH ROW WHEN (NEW.state IN ('member', 'administrator') AND NEW.since >= now())
    EXECUTE FUNCTION groupshare.check_room();
CREATE TRIGGER membership_room AFTER UPDATE OF state, group_id ON groupshare.membership
    FOR EACH ROW WHEN (NEW.state IN ('member', 'administrator')
        AND (OLD.group_id <> NEW.group_id OR OLD.state NOT IN ('member', 'administrator')))
    EXECUTE FUNCTION groupshare.check_room();

-- The list may be kept by replication one day: the gateways must hear of those changes too.
CREATE TRIGGER service_entry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON groupshare.service_entry
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.notify_service_list();
CREATE TRIGGER server_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON groupshare.server
    FOR EACH STATEMENT EXECUTE FUNCTION groupshare.notify_service_list();
ALTER TABLE groupshare.service_entry ENABLE ALWAYS TRIGGER service_entry_changed;
ALTER TABLE groupshare.server ENABLE ALWAYS TRIGGER server_changed;

-- Tickets die with the right that they were given for (extension/revoke.c).

CREATE FUNCTION groupshare.revoke_of_membership() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_revoke_of_membership' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.revoke_of_membership() IS 'trigger: devices are told to refuse tickets of who goes out of a group, and for what it shared there';

CREATE FUNCTION groupshare.revoke_of_group() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_revoke_of_group' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.revoke_of_group() IS 'trigger: devices are told to refuse tickets of the members of a dissolved group';

CREATE FUNCTION groupshare.revoke_of_terminal() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_revoke_of_terminal' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.revoke_of_terminal() IS 'trigger: devices are told to refuse tickets of a terminal that is revoked or enrols again';

CREATE FUNCTION groupshare.revoke_of_share() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_revoke_of_share' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.revoke_of_share() IS 'trigger: devices are told to refuse tickets for a share that is deleted or seen in fewer groups';

CREATE TRIGGER membership_revoke_moved AFTER UPDATE OF state ON groupshare.membership
    FOR EACH ROW WHEN (OLD.state IN ('member', 'administrator') AND NEW.state NOT IN ('member', 'administrator'))
    EXECUTE FUNCTION groupshare.revoke_of_membership();
CREATE TRIGGER membership_revoke_deleted AFTER DELETE ON groupshare.membership
    FOR EACH ROW WHEN (OLD.state IN ('member', 'administrator')) EXECUTE FUNCTION groupshare.revoke_of_membership();
CREATE TRIGGER sharing_group_revoke AFTER UPDATE OF state ON groupshare.sharing_group
    FOR EACH ROW WHEN (OLD.state = 'live' AND NEW.state = 'dissolved') EXECUTE FUNCTION groupshare.revoke_of_group();
CREATE TRIGGER terminal_revoke AFTER UPDATE OF epoch ON groupshare.terminal
    FOR EACH ROW WHEN (OLD.epoch <> NEW.epoch AND OLD.enrolled_at IS NOT NULL)
    EXECUTE FUNCTION groupshare.revoke_of_terminal();
CREATE TRIGGER share_revoke AFTER UPDATE OF state, all_groups ON groupshare.share
    FOR EACH ROW WHEN (OLD.state = 'stored' AND (NEW.state <> 'stored' OR (OLD.all_groups AND NOT NEW.all_groups)))
    EXECUTE FUNCTION groupshare.revoke_of_share();
CREATE TRIGGER share_group_revoke AFTER DELETE ON groupshare.share_group
    FOR EACH ROW EXECUTE FUNCTION groupshare.revoke_of_share();

-- Open event requests end with the session (extension/wake.c).

CREATE FUNCTION groupshare.wake_sessions() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_wake_sessions' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.wake_sessions() IS 'trigger: gateways ask again for those whose sessions may have ended while they wait for events';

CREATE TRIGGER terminal_session_ended AFTER UPDATE OF epoch, revoked_at, plan ON groupshare.terminal
    FOR EACH ROW WHEN (OLD.enrolled_at IS NOT NULL AND (OLD.epoch, OLD.revoked_at, OLD.plan) IS DISTINCT FROM (NEW.epoch, NEW.revoked_at, NEW.plan))
    EXECUTE FUNCTION groupshare.wake_sessions();
CREATE TRIGGER plan_sessions_ended AFTER UPDATE OF sharing ON groupshare.plan
    FOR EACH ROW WHEN (OLD.sharing AND NOT NEW.sharing) EXECUTE FUNCTION groupshare.wake_sessions();
CREATE TRIGGER secret_sessions_ended AFTER DELETE ON groupshare.secret
    FOR EACH ROW WHEN (OLD.purpose = 'session') EXECUTE FUNCTION groupshare.wake_sessions();
