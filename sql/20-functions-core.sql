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
