-- SPDX-License-Identifier: PostgreSQL
-- Numbers, times and intervals that a DBA gives: what is beyond sense, or NULL where it means nothing, is refused by each function that takes
-- one, which says what must be, or gives a hint.
BEGIN;
\ir include/sharing.psql

CREATE TEMP TABLE wrong (function text, arguments text);
INSERT INTO wrong VALUES
    ('reconcile', $$ NULL $$), ('reconcile', $$ 'near', NULL $$), ('reconcile', $$ 'near', most => NULL $$), ('reconcile', $$ 'near', most => 0 $$),
    ('reconcile', $$ 'near', most => -1 $$), ('reconcile', $$ 'near', most => 100001 $$), ('reconcile', $$ 'near', grace => '-1 second' $$),
    ('reconcile', $$ 'near', false, '-1 day' $$), ('reconcile', $$ 'near', false, '1 month -40 days' $$), ('reconcile', $$ 'near', false, '1 day -1 month' $$),
    ('reconcile', $$ 'near', false, '1 day -24:00:01' $$), ('reconcile', $$ 'near', false, '101 years' $$), ('reconcile', $$ 'near', grace => '178000000 years' $$),
    ('replay_notices', $$ NULL, now() $$), ('replay_notices', $$ now(), NULL $$), ('replay_notices', $$ '-infinity', now(), NULL $$),
    ('replay_notices', $$ '-infinity', now(), 0 $$), ('replay_notices', $$ '-infinity', now(), -1 $$), ('replay_notices', $$ '-infinity', now(), 1000001 $$),
    ('replay_notices', $$ now(), now() - interval '1 day' $$), ('replay_notices', $$ 'infinity', '-infinity' $$),
    ('start_job', $$ NULL $$), ('start_job', $$ 'rebalance', dry_run => NULL $$), ('start_job', $$ 'rebalance', pace => NULL $$), ('start_job', $$ 'rebalance', pace => 0 $$),
    ('start_job', $$ 'rebalance', pace => -1 $$), ('start_job', $$ 'rebalance', pace => 2147483647 $$), ('start_job', $$ 'drain' $$),
    ('start_job', $$ 'rebalance', 'near' $$), ('start_job', $$ 'empty' $$),
    ('fetch_events', $$ NULL $$), ('fetch_events', $$ 'ann@example.org', NULL $$), ('fetch_events', $$ 'ann@example.org', -1 $$),
    ('fetch_events', $$ 'ann@example.org', most => NULL $$), ('fetch_events', $$ 'ann@example.org', most => 0 $$), ('fetch_events', $$ 'ann@example.org', most => 1000000 $$),
    ('set_device_limits', $$ NULL $$), ('set_device_limits', $$ 'near', -1 $$), ('set_device_limits', $$ 'near', NULL, 0 $$), ('set_device_limits', $$ 'near', NULL, 101 $$),
    ('set_device_limits', $$ 'near', capacity_limit_bytes => -1 $$),
    ('move_device', $$ NULL, 'a' $$), ('move_device', $$ 'near', NULL $$), ('move_device', $$ 'near', 'A//b' $$), ('move_device', $$ 'near', 'a', 91, 0 $$),
    ('move_device', $$ 'near', 'a', 0, -181 $$), ('move_device', $$ 'near', 'a', 1 $$), ('move_device', $$ 'near', 'a', 'NaN', 0 $$),
    ('move_device', $$ 'near', 'a', 0, '-infinity' $$),
    ('move_terminal', $$ NULL, 'a' $$), ('move_terminal', $$ 'ann@example.org', NULL, 1, 1 $$), ('move_terminal', $$ 'ann@example.org', 'a', 91, 0 $$),
    ('move_terminal', $$ 'ann@example.org', 'a', 0, 'NaN' $$), ('move_terminal', $$ 'ann@example.org', 'a', NULL, 1 $$), ('move_terminal', $$ 'ann@example.org', 'a', 'infinity', 0 $$),
    ('explain_placement', $$ NULL, 1 $$), ('explain_placement', $$ 'ann@example.org', NULL $$), ('explain_placement', $$ 'ann@example.org', -1 $$),
    ('explain_placement', $$ 'ann@example.org', 9223372036854775807 $$), ('explain_placement', $$ 'ann@example.org', 1, NULL $$),
    ('nearest_devices', $$ NULL, 1 $$), ('nearest_devices', $$ 'ann@example.org', NULL $$), ('nearest_devices', $$ 'ann@example.org', -1 $$),
    ('nearest_devices', $$ 'ann@example.org', 9223372036854775807 $$), ('nearest_devices', $$ 'ann@example.org', 1, NULL $$),
    ('upload_notice', $$ NULL, 'n', 1 $$), ('upload_notice', $$ 'ann@example.org', NULL, 1 $$), ('upload_notice', $$ 'ann@example.org', 'n', NULL $$),
    ('upload_notice', $$ 'ann@example.org', 'n', -1 $$),   ('upload_notice', $$ 'ann@example.org', 'n', 1, '\x00' $$);

-- Those to which any number or time is a question that has an answer.
CREATE TEMP TABLE any_will_do (function text);
INSERT INTO any_will_do VALUES ('wire_time'), ('bar'), ('placement_objection'), ('cancel_job'), ('who_could_download'), ('could_download');

CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN CASE WHEN state <> 'GS010' OR hint = '' AND message !~ 'must |needs|has no|belong together' THEN concat_ws(' ', state, message) ELSE 'refused' END;
END $$;

SELECT plan(2 + count(*)::int) FROM wrong;
SELECT is(pg_temp.refusal(format('SELECT FROM groupshare.%s(%s)', function, arguments)), 'refused', function || arguments) FROM wrong;
SELECT results_eq($$ SELECT DISTINCT p.proname::text COLLATE "C" FROM pg_proc p WHERE pronamespace = 'groupshare'::regnamespace AND proname !~ '^(api|device)_'
    AND proargtypes::regtype[] && '{int2,int4,int8,numeric,float4,float8,interval,timestamptz,timestamp,date,time}' AND prorettype <> 'trigger'::regtype ORDER BY 1 $$,
    'SELECT function COLLATE "C" FROM wrong UNION SELECT function FROM any_will_do ORDER BY 1', 'that are all that take one');
SELECT is_empty($$ SELECT 1 FROM groupshare.audit WHERE action <> 'add_storage_device' AND actor = session_user $$, 'nothing was done');

SELECT * FROM finish();
ROLLBACK;
