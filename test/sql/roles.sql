-- SPDX-License-Identifier: PostgreSQL
-- What each role may do: its functions, and no table by any verb.
\ir fixture/start.psql
SELECT plan(44);

SELECT lives_ok('SELECT groupshare.setup_roles()', 'setup_roles');
SELECT lives_ok('SELECT groupshare.setup_roles()', 'again');

-- As which role, which statement, which SQLSTATE (NULL: none).
CREATE FUNCTION pg_temp.try_as(role name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        RESET ROLE;
        RETURN SQLSTATE;
    END;
    RESET ROLE;
    RETURN NULL;
END $$;

CREATE TEMP TABLE tried AS
    SELECT r.role, c.relname, v.verb, pg_temp.try_as(r.role, format(v.statement, c.oid::regclass, a.attname)) AS result
      FROM unnest(ARRAY['groupshare_gateway', 'groupshare_storage']) r (role), pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1,
           (VALUES ('SELECT', 'SELECT 1 FROM %1$s'), ('INSERT', 'INSERT INTO %1$s DEFAULT VALUES'),
                   ('UPDATE', 'UPDATE %1$s SET %2$I = DEFAULT'), ('DELETE', 'DELETE FROM %1$s'), ('TRUNCATE', 'TRUNCATE %1$s')) v (verb, statement)
     WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind IN ('r', 'v');
SELECT cmp_ok((SELECT count(*) FROM tried), '>', 300::bigint, 'every relation was tried by every verb');
SELECT is_empty($$ SELECT * FROM tried WHERE result IS DISTINCT FROM '42501' AND NOT
    (verb <> 'SELECT' AND result IN ('42809', '0A000', '55000', '428C9') AND relname IN
        (SELECT relname FROM pg_class WHERE relkind = 'v')) $$, 'gateway and storage touch no table and no view');

-- Each function by each role: exactly its own.
SELECT is_empty($$ SELECT p.oid::regprocedure, r FROM pg_proc p, unnest(ARRAY['groupshare_admin', 'groupshare_gateway', 'groupshare_storage']) r
    WHERE p.pronamespace = 'groupshare'::regnamespace
      AND has_function_privilege(r, p.oid, 'EXECUTE') <> (groupshare.function_role(p.oid) IS NOT DISTINCT FROM r) $$, 'each role executes exactly its functions');
SELECT results_eq($$ SELECT DISTINCT groupshare.function_role(oid) FROM pg_proc WHERE pronamespace = 'groupshare'::regnamespace AND proname LIKE 'api\_%' $$,
    $$ VALUES ('groupshare_gateway') $$, 'api_* is the gateway''s');
SELECT is(groupshare.function_role('groupshare.random_key()'), NULL, 'helpers are nobody''s');

SELECT is(pg_temp.try_as('groupshare_gateway', 'SELECT groupshare.api_hello()'), NULL, 'the gateway says hello');
SELECT is(pg_temp.try_as('groupshare_gateway', $$ SELECT groupshare.api_challenge(NULL, NULL, NULL, NULL, '{"terminal":"ann@x.org"}') $$), NULL, 'and gets a challenge');
SELECT is(pg_temp.try_as('groupshare_gateway', $$ SELECT groupshare.add_terminal('mal@x.org') $$), '42501', 'but adds no terminal');
SELECT is(pg_temp.try_as('groupshare_storage', 'SELECT groupshare.api_hello()'), '42501', 'a device does not say hello');
SELECT is(pg_temp.try_as('groupshare_admin', $$ SELECT groupshare.add_terminal('eve@x.org') $$), NULL, 'a DBA adds a terminal');
SELECT is(pg_temp.try_as('groupshare_admin', $$ SELECT groupshare.create_group('ann@x.org', 'G', '{"join":{"rule":"anyone"}}') $$), NULL, 'acts for one');
SELECT is(pg_temp.try_as('groupshare_admin', 'SELECT * FROM groupshare.' || quote_ident(viewname)), NULL, 'reads the view ' || viewname)
  FROM pg_views WHERE schemaname = 'groupshare';
SELECT is(pg_temp.try_as('groupshare_admin', 'SELECT * FROM groupshare.' || quote_ident(t)), '42501', 'but not ' || t)
  FROM unnest(ARRAY['secret', 'enrolment_code', 'device_key', 'terminal', 'membership']) t;
SELECT is(pg_temp.try_as('groupshare_admin', $$ UPDATE groupshare.plan SET quota_bytes = 1 WHERE name = 'standard' $$), NULL, 'keeps the plans');
SELECT is(pg_temp.try_as('groupshare_admin', $$ INSERT INTO groupshare.network VALUES ('192.0.2.0/24', 'cn/east') $$), NULL, 'and the networks');
SELECT is(pg_temp.try_as('groupshare_admin', 'SELECT groupshare.random_key()'), '42501', 'makes no keys by hand');

-- Shadow objects: a caller's own schema and operators change nothing.
CREATE SCHEMA shadow;
GRANT USAGE ON SCHEMA shadow TO groupshare_gateway;
CREATE FUNCTION shadow.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'hijacked' $$;
CREATE FUNCTION shadow.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '-infinity'::timestamptz $$;
SET LOCAL search_path = shadow, pg_catalog, public;
SELECT public.is(groupshare.api_route('ANN@x.org'), 'here', 'a shadowed lower() is not called');
SET LOCAL search_path = public;

SELECT * FROM finish();
ROLLBACK;
