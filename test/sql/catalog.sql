-- SPDX-License-Identifier: PostgreSQL
-- The rules of SQL style that the catalog can tell, over every object of the schema: a new one is covered by being there.
\ir fixture/start.psql
SELECT plan(22);

CREATE TEMP VIEW f AS
    SELECT p.*, p.oid::regprocedure::text AS name FROM pg_proc p WHERE p.pronamespace = 'groupshare'::regnamespace;
CREATE TEMP VIEW r AS
    SELECT c.*, c.oid::regclass::text AS name FROM pg_class c
     WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind IN ('r', 'v', 'S', 'm', 'p');

SELECT cmp_ok((SELECT count(*) FROM f), '>', 50::bigint, 'there are functions');
SELECT cmp_ok((SELECT count(*) FROM r), '>', 30::bigint, 'there are relations');

SELECT is_empty($$ SELECT name FROM f WHERE proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}' AND (prosecdef OR prolang <>
    (SELECT oid FROM pg_language WHERE lanname = 'c')) $$, 'SECURITY DEFINER and non-C functions fix the search path');
SELECT is_empty($$ SELECT name FROM f WHERE (proname LIKE 'api\_%' OR proname LIKE 'device\_%') AND NOT prosecdef $$,
    'what the gateway and the devices call is SECURITY DEFINER');
SELECT is_empty($$ SELECT name FROM f WHERE obj_description(oid, 'pg_proc') IS NULL $$, 'every function has a comment');
SELECT is_empty($$ SELECT name FROM r WHERE obj_description(oid, 'pg_class') IS NULL AND relkind <> 'S' $$, 'every table and view has a comment');
SELECT is_empty($$ SELECT name FROM f, aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee = 0 $$,
    'PUBLIC may execute no function');
SELECT is_empty($$ SELECT name FROM r, aclexplode(coalesce(relacl, acldefault('r', relowner))) a WHERE a.grantee = 0 $$,
    'PUBLIC may touch no relation');
SELECT is_empty($$ SELECT 1 FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = 'groupshare' AND a.grantee = 0 $$, 'PUBLIC may not even look in');
SELECT is_empty($$ SELECT name FROM f WHERE proname LIKE 'api\_%' AND proname NOT IN ('api_hello', 'api_route') AND (provolatile <> 'v' OR proisstrict
    OR pg_get_function_result(oid) <> 'record' OR pg_get_function_arguments(oid) <>
    'session text, peer inet, request_id text, params jsonb, body jsonb, OUT status integer, OUT reply jsonb, OUT etag text') $$, 'the api functions have their one shape');
SELECT is_empty($$ SELECT name FROM f WHERE provolatile = 'v' AND proparallel <> 'u' AND proname <> 'random_key' $$,
    'what may write is not run in parallel');
SELECT is_empty($$ SELECT name FROM f WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'internal') $$, 'no function is a copy of an internal one');
SELECT is_empty($$ SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
      AND a.atttypid IN ('timestamp'::regtype, 'timetz'::regtype, 'json'::regtype, 'bpchar'::regtype, 'money'::regtype, 'varchar'::regtype) $$,
    'no column of a type with traps');
SELECT is_empty($$ SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind = 'v' AND t.typtype = 'd' $$, 'views show plain types');
SELECT is_empty($$ SELECT typname FROM pg_type WHERE typnamespace = 'groupshare'::regnamespace AND typtype = 'd' AND obj_description(oid, 'pg_type') IS NULL $$,
    'every domain has a comment');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind = 'r'
    AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) $$, 'every table has a primary key');
SELECT is_empty($$ SELECT f.conrelid::regclass, f.conname FROM pg_constraint f WHERE f.contype = 'f'
    AND f.connamespace = 'groupshare'::regnamespace AND f.confdeltype = 'c' AND NOT EXISTS (SELECT 1 FROM pg_index i
      WHERE i.indrelid = f.conrelid AND i.indkey[0] = f.conkey[1] AND i.indpred IS NULL)
    AND f.conrelid::regclass::text <> ALL (ARRAY['groupshare.membership', 'groupshare.inquiry', 'groupshare.device_work', 'groupshare.device_key']) $$,
    'what a delete cascades to is found by an index (terminals and devices with history are not deleted)');

-- What pg_dump keeps: all but the secrets and what is made anew.
SELECT set_eq($$ SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind IN ('r', 'S')
    AND c.oid <> ALL ((SELECT extconfig FROM pg_extension WHERE extname = 'groupshare')::oid[]) $$,
    ARRAY['groupshare.secret', 'groupshare.enrolment_code', 'groupshare.used_challenge', 'groupshare.device_key', 'groupshare.device_ledger',
          'groupshare.device_area', 'groupshare.group_size', 'groupshare.inventory', 'groupshare.inventory_object', 'groupshare.inventory_finding',
          'groupshare.event_era', 'groupshare.event_wake', 'groupshare.page_change', 'groupshare.page_tag', 'groupshare.revocation', 'groupshare.device_heard'], 'pg_dump keeps all but secrets and what is made anew');
SELECT is_empty($$ SELECT 1 FROM unnest((SELECT extcondition FROM pg_extension WHERE extname = 'groupshare')) c WHERE c <> '' $$, 'and whole tables');
SELECT is((SELECT extrelocatable FROM pg_extension WHERE extname = 'groupshare'), false, 'the extension stays where it is');
SELECT is_empty($$ SELECT name FROM pg_settings WHERE name LIKE 'groupshare.%' AND (short_desc = '' OR context NOT IN ('superuser', 'sighup', 'postmaster')) $$,
    'settings are described, and not for everybody');
SELECT throws_ok('SET groupshare.no_such_setting = 1', '42602', NULL, 'a misspelt setting is an error');

SELECT * FROM finish();
ROLLBACK;
