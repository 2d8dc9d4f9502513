-- SPDX-License-Identifier: PostgreSQL
-- Who may use what, and what pg_dump keeps. Last, so that it covers every object of the parts before it.

-- A restored database runs this script too: it starts with keys of its own, and old sessions are dead.
INSERT INTO groupshare.secret (purpose, key)
    SELECT purpose, groupshare.random_key() FROM unnest(ARRAY['session', 'challenge']) purpose;

-- pg_dump keeps all data but secrets, what the devices tell anew, and what follows from other rows by trigger.
DO $$
DECLARE
    kept regclass;
BEGIN
    FOR kept IN
        SELECT c.oid FROM pg_catalog.pg_class c
         WHERE c.relnamespace = 'groupshare'::pg_catalog.regnamespace AND c.relkind IN ('r', 'S')
           AND c.relname <> ALL (ARRAY['secret', 'enrolment_code', 'used_challenge', 'device_key', 'device_ledger',
                                   'device_area', 'group_size', 'inventory', 'inventory_object', 'inventory_finding', 'event_era', 'event_wake',
                                   'page_change', 'page_tag', 'revocation', 'device_heard'])
         ORDER BY c.relname
    LOOP
        PERFORM pg_catalog.pg_extension_config_dump(kept, '');
    END LOOP;
END $$;

-- Which role a function is for is told by its name: api_* are the gateway's, device_* the storage devices',
-- random_key and triggers nobody's (functions call them), the rest the DBA's. A new function falls under the same rule.
CREATE FUNCTION groupshare.function_role(function regprocedure) RETURNS text
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT CASE WHEN p.proname LIKE 'api\_%' THEN 'groupshare_gateway'
                      WHEN p.proname LIKE 'device\_%' THEN 'groupshare_storage'
                      WHEN p.prorettype = 'trigger'::regtype THEN NULL
                      WHEN p.proname IN ('random_key', 'setup_roles', 'function_role') THEN NULL
                      ELSE 'groupshare_admin' END
            FROM pg_proc p WHERE p.oid = function $$;
COMMENT ON FUNCTION groupshare.function_role(regprocedure) IS 'which role setup_roles() lets execute a function; NULL: none';

CREATE FUNCTION groupshare.setup_roles() RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    item record;
BEGIN
    FOR item IN SELECT name FROM unnest(ARRAY['groupshare_admin', 'groupshare_gateway', 'groupshare_storage']) name LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', item.name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- roles belong to the cluster: another database may have made it, even just now
        END;
        EXECUTE format('GRANT USAGE ON SCHEMA groupshare TO %I', item.name);
    END LOOP;
    FOR item IN
        SELECT p.oid::regprocedure AS function, groupshare.function_role(p.oid) AS name
          FROM pg_proc p WHERE p.pronamespace = 'groupshare'::regnamespace
    LOOP
        IF item.name IS NOT NULL THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', item.function, item.name);
        END IF;
    END LOOP;
    FOR item IN
        SELECT c.oid::regclass AS view FROM pg_class c
         WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind = 'v'
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO groupshare_admin', item.view);
    END LOOP;
    -- Two lists that a DBA keeps by hand.
    GRANT SELECT, INSERT, UPDATE, DELETE ON groupshare.plan, groupshare.network TO groupshare_admin;
END $$;
COMMENT ON FUNCTION groupshare.setup_roles() IS
    'make the roles groupshare_admin, groupshare_gateway and groupshare_storage where missing, and grant each its own; repeat after an update';

REVOKE ALL ON SCHEMA groupshare FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA groupshare FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA groupshare FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA groupshare FROM PUBLIC;
