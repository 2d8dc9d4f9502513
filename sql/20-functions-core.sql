-- SPDX-License-Identifier: PostgreSQL
-- Client management: the typed functions that a DBA calls and the api_* functions that the gateway calls. All decide in C.
-- Privileges are given in 90-grants.sql: nothing here is for PUBLIC.

CREATE FUNCTION groupshare.wire_time(at timestamptz) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_wire_time' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION groupshare.wire_time(timestamptz) IS 'a time as terminals get it: RFC 3339, UTC';

CREATE FUNCTION groupshare.random_key() RETURNS bytea
    AS 'MODULE_PATHNAME', 'gs_random_key' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION groupshare.random_key() IS '32 random bytes for a signing key';

-- Control servers ----------------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.setup_server(name text DEFAULT NULL) RETURNS uuid
    AS 'MODULE_PATHNAME', 'gs_setup_server' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.setup_server(text) IS
    'make this database a control server (default name: the database''s) with the plan "standard"; again: no change';

CREATE FUNCTION groupshare.add_control_server(name text, id uuid) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_add_control_server' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.add_control_server(text, uuid) IS
    'enter another control server, by the id that its setup_server() answered, in this server''s service list';

CREATE FUNCTION groupshare.route_terminal(identifier text, server text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_route_terminal' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.route_terminal(text, text) IS 'say in the service list which control server manages a terminal';

CREATE FUNCTION groupshare.rotate_secrets(revoke boolean DEFAULT false) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_rotate_secrets' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.rotate_secrets(boolean) IS
    'sign with new keys from now on; the old ones are still good for what they signed, or with revoke => true for nothing';

CREATE FUNCTION groupshare.api_hello() RETURNS jsonb
    AS 'MODULE_PATHNAME', 'gs_api_hello' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_hello() IS 'gateway: which control server is this, and which version';

CREATE FUNCTION groupshare.api_route(identifier text) RETURNS text
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT s.name FROM groupshare.service_entry e JOIN groupshare.server s ON s.id = e.server_id
           WHERE e.identifier = lower(api_route.identifier) $$;
COMMENT ON FUNCTION groupshare.api_route(text) IS 'gateway: the control server of a terminal; NULL when the list does not know it';

-- Terminals ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.add_terminal(id text, plan text DEFAULT 'standard') RETURNS text
    AS 'MODULE_PATHNAME', 'gs_add_terminal' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.add_terminal(text, text) IS
    'make a terminal known, route it to this server, and answer its one-time enrolment code';

CREATE FUNCTION groupshare.new_enrolment_code(id text) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_new_enrolment_code' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.new_enrolment_code(text) IS
    'another one-time enrolment code; the one before is void';

CREATE FUNCTION groupshare.revoke_terminal(id text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_revoke_terminal' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.revoke_terminal(text) IS
    'end a terminal''s sessions at once and take it out of its groups; add_terminal takes it back';

CREATE FUNCTION groupshare.set_terminal_plan(id text, plan text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_set_terminal_plan' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.set_terminal_plan(text, text) IS
    'subscribe a terminal to another plan; holds for its next request';

CREATE FUNCTION groupshare.enroll(terminal text, code text, public_key bytea) RETURNS uuid
    AS 'MODULE_PATHNAME', 'gs_enroll' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.enroll(text, text, bytea) IS
    'trade an enrolment code for an Ed25519 public key, as the terminal does';

CREATE FUNCTION groupshare.challenge(terminal text) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_challenge' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.challenge(text) IS
    'a challenge for the terminal to sign; made without looking it up';

CREATE FUNCTION groupshare.connect(terminal text, challenge text, signature bytea) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_connect' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.connect(text, text, bytea) IS
    'check a signed challenge and answer a session';

-- Groups ---------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.create_group(terminal text, name text, settings jsonb DEFAULT NULL) RETURNS uuid
    AS 'MODULE_PATHNAME', 'gs_create_group' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.create_group(text, text, jsonb) IS
    'create a group as the terminal; with settings it is established at once';

CREATE FUNCTION groupshare.set_group(terminal text, group_id uuid, settings jsonb) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_set_group' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.set_group(text, uuid, jsonb) IS
    'set {administrators, join: {rule, listed, listed_add, listed_remove}, listing, name, description, max_members} of a group, as the terminal; establishes a new one';

CREATE FUNCTION groupshare.search_groups(terminal text, name text, match text DEFAULT 'exact') RETURNS jsonb
    AS 'MODULE_PATHNAME', 'gs_search_groups' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.search_groups(text, text, text) IS
    'the groups that the terminal finds by name; match: exact, prefix or part';

CREATE FUNCTION groupshare.my_groups(terminal text) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'gs_my_groups' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.my_groups(text) IS
    'the first page of the terminal''s group info';

CREATE FUNCTION groupshare.join_group(terminal text, group_id uuid) RETURNS uuid
    AS 'MODULE_PATHNAME', 'gs_join_group' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.join_group(text, uuid) IS
    'join by the group''s rule; NULL = is a member, otherwise the inquiry to be decided';

CREATE FUNCTION groupshare.leave_group(terminal text, group_id uuid) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_leave_group' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.leave_group(text, uuid) IS
    'leave, withdraw a request or decline; answers the group''s state: the last one dissolves it';

CREATE FUNCTION groupshare.remove_member(terminal text, group_id uuid, member text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_remove_member' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.remove_member(text, uuid, text) IS
    'put a member out, as the administrator "terminal"';

CREATE FUNCTION groupshare.set_member(terminal text, group_id uuid, member text, role text DEFAULT NULL, banned boolean DEFAULT NULL,
        invited boolean DEFAULT NULL) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_set_member' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.set_member(text, uuid, text, text, boolean, boolean) IS
    'promote, demote, ban, unban or invite (with a role, or as a plain member), as the administrator "terminal"; answers the member''s state';

CREATE FUNCTION groupshare.fetch_events(terminal text, after bigint DEFAULT 0, most int DEFAULT 100) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'gs_fetch_events' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.fetch_events(text, bigint, int) IS
    'the next page of a terminal''s events, as it would get it itself: {events, next}; does not take them away';

CREATE FUNCTION groupshare.decide_inquiry(terminal text, inquiry uuid, decision text) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_decide_inquiry' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.decide_inquiry(text, uuid, text) IS
    'allow or refuse (as an administrator) or cancel (as the requester); the first decision stands';

CREATE FUNCTION groupshare.dissolve_group(group_id uuid) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_dissolve_group' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.dissolve_group(uuid) IS
    'end a group';

-- The gateway's side: POST /v1/enroll and so on; doc/contracts.md section 3. One request is one call is one transaction.

CREATE FUNCTION groupshare.api_enroll(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_enroll' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_enroll(text, inet, text, jsonb, jsonb) IS 'gateway: POST /v1/enroll';

CREATE FUNCTION groupshare.api_challenge(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_challenge' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_challenge(text, inet, text, jsonb, jsonb) IS 'gateway: POST /v1/challenge';

CREATE FUNCTION groupshare.api_connect(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_connect' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_connect(text, inet, text, jsonb, jsonb) IS 'gateway: POST /v1/connect';

CREATE FUNCTION groupshare.api_my_groups(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_my_groups' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_my_groups(text, inet, text, jsonb, jsonb) IS 'gateway: GET /v1/groups/mine';

CREATE FUNCTION groupshare.api_search_groups(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_search_groups' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_search_groups(text, inet, text, jsonb, jsonb) IS 'gateway: GET /v1/groups';

CREATE FUNCTION groupshare.api_create_group(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_create_group' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_create_group(text, inet, text, jsonb, jsonb) IS 'gateway: POST /v1/groups';

CREATE FUNCTION groupshare.api_set_group(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_set_group' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_set_group(text, inet, text, jsonb, jsonb) IS 'gateway: PUT /v1/groups/{group}/settings';

CREATE FUNCTION groupshare.api_dissolve_group(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_dissolve_group' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_dissolve_group(text, inet, text, jsonb, jsonb) IS 'gateway: DELETE /v1/groups/{group}';

CREATE FUNCTION groupshare.api_join_group(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_join_group' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_join_group(text, inet, text, jsonb, jsonb) IS 'gateway: POST /v1/groups/{group}/join';

CREATE FUNCTION groupshare.api_remove_member(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_remove_member' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_remove_member(text, inet, text, jsonb, jsonb) IS 'gateway: DELETE /v1/groups/{group}/members/{terminal}';

CREATE FUNCTION groupshare.api_set_member(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_set_member' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_set_member(text, inet, text, jsonb, jsonb) IS 'gateway: PUT /v1/groups/{group}/members/{terminal}';

CREATE FUNCTION groupshare.api_inquiries(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_inquiries' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_inquiries(text, inet, text, jsonb, jsonb) IS 'gateway: GET /v1/inquiries';

CREATE FUNCTION groupshare.api_decide_inquiry(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_decide_inquiry' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_decide_inquiry(text, inet, text, jsonb, jsonb) IS 'gateway: POST /v1/inquiries/{inquiry}';

CREATE FUNCTION groupshare.api_events(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_events' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_events(text, inet, text, jsonb, jsonb) IS 'gateway: GET /v1/events';
