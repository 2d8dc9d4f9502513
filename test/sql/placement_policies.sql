-- SPDX-License-Identifier: PostgreSQL
-- A DBA's policies of placement, limits of single devices, refusals by devices, and what-if.
BEGIN;
\ir include/sharing.psql
SELECT plan(74);

CREATE FUNCTION pg_temp.reason(device text, size bigint) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(e.reason, 'candidate') FROM groupshare.explain_placement('ann@example.org', size) e WHERE e.device = reason.device $$;
CREATE FUNCTION pg_temp.detail(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE said text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
    RETURN said;
END $$;

-- Policies
CREATE SCHEMA dba;
CREATE FUNCTION dba.far_first(text, bigint, text, text, int, bigint, preference float8) RETURNS float8 LANGUAGE sql
    AS 'SELECT -preference';
CREATE FUNCTION dba.not_near(terminal text, size bigint, device text, location text, distance int, available bigint, preference float8)
    RETURNS float8 LANGUAGE sql AS $$ SELECT CASE WHEN location <> 'cn/east/z1' THEN preference END $$;
CREATE FUNCTION dba.broken(text, bigint, text, text, int, bigint, float8) RETURNS float8 LANGUAGE sql AS 'SELECT $7 / 0';
CREATE FUNCTION dba.nan(text, bigint, text, text, int, bigint, float8) RETURNS float8 LANGUAGE sql AS $$ SELECT 'NaN'::float8 $$;
CREATE FUNCTION dba.nobody(text, bigint, text, text, int, bigint, float8) RETURNS float8 LANGUAGE sql AS 'SELECT NULL::float8';
CREATE TABLE dba.saw (who text, size bigint, device text, location text, distance int, available bigint, preference float8, ran_as text);
CREATE FUNCTION dba.sees(text, bigint, text, text, int, bigint, float8) RETURNS float8 LANGUAGE sql
    AS 'INSERT INTO dba.saw VALUES ($1, $2, $3, $4, $5, $6, $7, current_user); SELECT $7';
CREATE FUNCTION dba.wrong(text) RETURNS float8 LANGUAGE sql AS 'SELECT 1::float8';

SELECT throws_ok($$ SELECT groupshare.set_placement_policy('dba.wrong', 'standard') $$, 'GS010', NULL, 'a function of another shape');
SELECT throws_ok($$ SELECT groupshare.set_placement_policy('far_first', 'standard') $$, 'GS010', NULL, 'a name without its schema');
SELECT throws_ok($$ SELECT groupshare.set_placement_policy('dba.far_first') $$, 'GS010', NULL, 'neither plan nor group');
SELECT throws_ok($$ SELECT groupshare.set_placement_policy('dba.far_first', 'no plan') $$, 'GS012', NULL, 'no such plan');
SELECT throws_ok($$ SELECT groupshare.set_placement_policy('dba.far_first', group_id => gen_random_uuid()) $$, 'GS012', NULL, 'no such group');
SELECT is(groupshare.set_placement_policy('dba.far_first', 'standard'), 1, 'the first version');
SELECT is(device, 'far', 'a policy prefers otherwise') FROM groupshare.upload_notice('ann@example.org', 'p1', 1);
SELECT results_eq($$ SELECT policy LIKE 'dba.far_first(%', policy_version, policy_error, candidates #>> '{0,preference}'
    FROM groupshare.placements WHERE share = 'p1' $$, $$ VALUES (true, 1, NULL::text, '5.96875') $$, 'which is kept with the decision');
SELECT results_eq($$ SELECT device, score FROM groupshare.explain_placement('ann@example.org', 1) WHERE score > 0 $$,
    $$ VALUES ('far', 1::float8) $$, 'and explained');
SELECT is(groupshare.set_placement_policy('dba.not_near', 'standard'), 2, 'the next version');
SELECT is(pg_temp.reason('near', 1), 'passed over by the policy', 'a policy passes a device over, as explained');
SELECT is(device, 'mid', 'and a notice goes by it') FROM groupshare.upload_notice('ann@example.org', 'p2', 1);
SET LOCAL groupshare.placement_candidates = 1;
SELECT is(device, 'mid', 'and the circle widens') FROM groupshare.upload_notice('ann@example.org', 'p3', 1);
SET LOCAL groupshare.placement_candidates = 10;
SELECT groupshare.set_placement_policy('dba.nobody', 'standard') \g /dev/null
SELECT is(pg_temp.detail($$ SELECT groupshare.upload_notice('ann@example.org', 'p4', 7) $$),
    'Size is 7 bytes; of the 3 nearest devices: 3 passed over by the policy.', 'all passed over');

-- Its own questions are answered by the default: else each candidate's answer would ask for all candidates' answers.
CREATE FUNCTION dba.asks(terminal text, size bigint, device text, location text, distance int, available bigint, preference float8)
    RETURNS float8 LANGUAGE sql AS $$ SELECT -count(*) FILTER (WHERE n.distance <= asks.distance) FROM groupshare.nearest_devices(terminal, size) n $$;
SELECT groupshare.set_placement_policy('dba.asks', 'standard') \g /dev/null
SET LOCAL statement_timeout = '20s';
SELECT results_eq($$ SELECT device, candidate FROM groupshare.explain_placement('ann@example.org', 1) ORDER BY distance $$,
    $$ VALUES ('near', true), ('mid', true), ('far', true) $$, 'a policy may ask where the default would go');
SELECT is(device, 'near', 'and a notice goes by it') FROM groupshare.upload_notice('ann@example.org', 'asked', 1);
SELECT is(policy_error, NULL, 'without an error') FROM groupshare.placements WHERE share = 'asked';
SET LOCAL statement_timeout = 0;

SET LOCAL client_min_messages = error;
SELECT groupshare.set_placement_policy('dba.broken', 'standard') \g /dev/null
SELECT is(device, 'near', 'an error leaves it to the default') FROM groupshare.upload_notice('ann@example.org', 'p5', 1);
SELECT is(policy_error, 'division by zero', 'and is kept') FROM groupshare.placements WHERE share = 'p5';
SELECT groupshare.set_placement_policy('dba.nan', 'standard') \g /dev/null
SELECT is(device, 'near', 'no number, neither') FROM groupshare.upload_notice('ann@example.org', 'p6', 1);
SAVEPOINT dropped;
DROP FUNCTION dba.nan;
SELECT is(device, 'near', 'a policy that is gone, neither') FROM groupshare.upload_notice('ann@example.org', 'p7', 1);
ROLLBACK TO dropped;
SET LOCAL client_min_messages = warning;

-- A policy runs as its owner, whoever sends the notice and whoever owns the extension.
SELECT format('CREATE ROLE %I', 'gs_policy_' || pg_backend_pid()) \gexec
SELECT format('GRANT INSERT ON dba.saw TO %I; GRANT USAGE ON SCHEMA dba TO %1$I; ALTER FUNCTION dba.sees OWNER TO %1$I', 'gs_policy_' || pg_backend_pid()) \gexec
SELECT groupshare.set_placement_policy('dba.sees', 'standard') \g /dev/null
SELECT groupshare.upload_notice('ann@example.org', 'p8', 5) \g /dev/null
SELECT results_eq('SELECT who, size, device, location, distance, preference, ran_as FROM dba.saw ORDER BY distance LIMIT 1',
    $$ SELECT 'ann@example.org', 5::bigint, 'near', 'cn/east/z1', 0, -31 / 32.0::float8, 'gs_policy_' || pg_backend_pid() $$,
    'what a policy is told, and whom it runs as');
SELECT is(current_user::text, 'postgres', 'which ends with it');

-- The group's policy comes before the plan's, for shares of that group.
SELECT groupshare.set_placement_policy('dba.not_near', group_id => pg_temp.group_id('others')) \g /dev/null
SELECT groupshare.set_placement_policy(NULL, 'standard') \g /dev/null
SELECT is(device, 'mid', 'a group''s policy') FROM groupshare.upload_notice('ann@example.org', 'p9', 1, groups => ARRAY[pg_temp.group_id('others')]);
SELECT is(device, 'near', 'not for other groups') FROM groupshare.upload_notice('ann@example.org', 'p10', 1, groups => ARRAY[pg_temp.group_id('friends')]);
SELECT is(device, 'near', 'function NULL: the default again') FROM groupshare.upload_notice('ann@example.org', 'p11', 1);
SELECT is(policy, NULL, 'without a policy in the record') FROM groupshare.placements WHERE share = 'p11';
SELECT results_eq($$ SELECT version, current FROM groupshare.placement_policies WHERE plan = 'standard' ORDER BY version $$,
    $$ SELECT n, n = 8 FROM generate_series(1, 8) n $$, 'all versions are kept');

-- Limits of one device
SELECT pg_temp.announce(d, 50000, 20) FROM unnest(ARRAY['near', 'mid', 'far']) d \g /dev/null
SELECT groupshare.set_device_limits('near', headroom_bytes => 49000) \g /dev/null
SELECT is(pg_temp.reason('near', 900), 'candidate', 'within its own headroom');
SELECT is(pg_temp.reason('near', 1000), 'too little room', 'and beyond');
SELECT is(pg_temp.reason('mid', 1000), 'candidate', 'which is not the others''');
SELECT groupshare.set_device_limits('near', high_water_percent => 40) \g /dev/null
SELECT is(pg_temp.reason('near', 1), 'over high water', 'its own high water mark');
SELECT groupshare.set_device_limits('near') \g /dev/null
SELECT is(pg_temp.reason('near', 1000), 'candidate', 'no own limits any more');
SET LOCAL groupshare.device_headroom = '1MB';
SELECT groupshare.set_device_limits('near', headroom_bytes => 0) \g /dev/null
SELECT is(device, 'near', 'less headroom than the setting') FROM groupshare.upload_notice('ann@example.org', 'l0', 1000);
SET LOCAL groupshare.device_headroom = 0;

-- A daemon that claims more than the DBA gives it
SELECT groupshare.set_device_limits('near', capacity_limit_bytes => 1500 + held_bytes + reserved_bytes) FROM groupshare.devices WHERE name = 'near' \g /dev/null
SELECT pg_temp.report('near', 100000, epoch => 20) \g /dev/null
SELECT is(pg_temp.available('near'), 1500::bigint, 'what it says does not count beyond its limit');
SELECT is(pg_temp.receipt('near', u.object, 1000, 'x', 20), 'stored', 'it stores') FROM groupshare.upload_notice('ann@example.org', 'l1', 1000) u;
SELECT pg_temp.report('near', 100000, epoch => 20) \g /dev/null
SELECT is(pg_temp.available('near'), 500::bigint, 'and still claims to be empty, in vain');
SELECT groupshare.delete_share('ann@example.org', (SELECT id FROM groupshare.shares WHERE name = 'l1')) \g /dev/null
SELECT is(pg_temp.available('near'), 500::bigint, 'deleted is not gone');
SELECT pg_temp.as_device('near', format('SELECT groupshare.device_work_done(20, ARRAY[%s])', (SELECT string_agg(w.id::text, ',')
    FROM groupshare.device_work w JOIN groupshare.device d ON d.id = w.device_id AND d.name = 'near'))) \g /dev/null
SELECT is(pg_temp.available('near'), 1500::bigint, 'until its bytes are');
SELECT pg_temp.receipt('near', u.object, 700, 'y', 20) FROM groupshare.upload_notice('ann@example.org', 'l2', 700) u \g /dev/null
SELECT pg_temp.announce('near', 100000, 21) \g /dev/null
SELECT is(pg_temp.available('near'), 800::bigint, 'an announcement counts what it holds anew');
SELECT throws_ok($$ SELECT pg_temp.report('near', 100000, epoch => 20) $$, 'GS031', NULL, 'an earlier start of the daemon reports late: refused');
SELECT is(pg_temp.available('near'), 800::bigint, 'and changes nothing');
SELECT groupshare.set_device_limits('near') \g /dev/null

-- A device that refused
SELECT is(device, 'near', 'allocated') FROM groupshare.upload_notice('ann@example.org', 'r1', 5);
SELECT is(device, 'mid', 'refused there: moved') FROM groupshare.upload_notice('ann@example.org', 'r1', 5, avoid => '{near}');
SELECT is(device, 'mid', 'others are not sent there either') FROM groupshare.upload_notice('bob@example.org', 'r2', 5);
SELECT is(pg_temp.reason('near', 5), 'tried last: refused bytes since its report', 'as explained');
SELECT is(device, 'near', 'but when all others are out, it is tried') FROM groupshare.upload_notice('bob@example.org', 'r3', 5, avoid => '{mid,far}');
SELECT is(candidates -> -1, '{"device": "near", "outcome": "avoided"}'::jsonb, 'and the decision tells what was left, and why')
    FROM groupshare.placements WHERE share = 'r1' AND device = 'mid';
SELECT is(copy_state, 'abandoned', 'that of before tells what has become of it') FROM groupshare.placements WHERE share = 'r1' AND device = 'near';
SELECT pg_temp.report('near', 50000, epoch => 21) \g /dev/null
SELECT is(device, 'mid', 'a report at once does not bring notices back that it may have been sent for') FROM groupshare.upload_notice('bob@example.org', 'r5', 5);
UPDATE groupshare.device_ledger SET refused_at = now() - interval '6 s' WHERE refused_at IS NOT NULL;
SELECT pg_temp.report('near', 50000, epoch => 21) \g /dev/null
SELECT is(device, 'near', 'its reports after an interval count more') FROM groupshare.upload_notice('bob@example.org', 'r4', 5);

UPDATE groupshare.device_ledger SET reported_at = now() - interval '1 h' WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'near');
SELECT is(device, 'mid', 'a device is silent: moved') FROM groupshare.upload_notice('bob@example.org', 'r4', 5);
SELECT is(candidates -> -1, '{"device": "near", "outcome": "out of reach"}'::jsonb, 'for that reason') FROM groupshare.placements WHERE share = 'r4' AND device = 'mid';
SELECT is_empty($$ SELECT 1 FROM groupshare.devices WHERE refused_at IS NOT NULL $$, 'which is no refusal');
SELECT pg_temp.report('near', 50000, epoch => 21) \g /dev/null

-- The detail of a refusal: counts, no names
SELECT groupshare.drain_device('far') \g /dev/null
SELECT is(pg_temp.detail($$ SELECT groupshare.upload_notice('ann@example.org', 'z', 60000) $$),
    'Size is 60000 bytes; of the 3 nearest devices: 2 too little room, 1 draining.', 'a refusal says why');
SELECT groupshare.undrain_device('far') \g /dev/null

-- Coordinates order the equally near
SELECT groupshare.move_device(d, 'cn/east/z1', x, y) FROM (VALUES ('near', 10, 10), ('mid', 31.2, 121.4), ('far', 31, 120)) v (d, x, y) \g /dev/null
UPDATE groupshare.terminal SET latitude = 31.2, longitude = 121.5 WHERE identifier = 'ann@example.org';
SELECT results_eq($$ SELECT device, round(km) FROM groupshare.nearest_devices('ann@example.org', 1) $$,
    $$ VALUES ('mid', 10::float8), ('far', 145), ('near', 11413) $$, 'fewer kilometres first, at the same number of hops');
UPDATE groupshare.terminal SET location = NULL, latitude = NULL, longitude = NULL WHERE identifier = 'bob@example.org';
INSERT INTO groupshare.network VALUES ('2001:db8::/32', 'cn/east/z1', 10, 10);
SELECT is((SELECT device FROM groupshare.nearest_devices('bob@example.org', 1, peer => '2001:db8::1') LIMIT 1), 'near', 'a network has coordinates too');
SELECT is((SELECT count(*) FROM groupshare.nearest_devices('bob@example.org', 1, peer => '192.0.2.1') WHERE km IS NULL), 3::bigint, 'an unknown place has none');

-- What if: an empty day's work, replayed with a device drained
DELETE FROM groupshare.reservation;
SELECT groupshare.move_device(d, x) FROM (VALUES ('near', 'cn/east/z1'), ('mid', 'cn/east/z2'), ('far', 'us/west')) v (d, x) \g /dev/null
SELECT pg_temp.announce(d, n, 30) FROM (VALUES ('near', 10000), ('mid', 1000), ('far', 100)) v (d, n) \g /dev/null
SELECT is(string_agg(device, ' ' ORDER BY n), 'near near near', 'a day')
    FROM generate_series(1, 3) n, LATERAL groupshare.upload_notice('ann@example.org', 'w' || n, 600 - 200 * (n / 3)) u;
UPDATE groupshare.reservation p SET created_at = now() - interval '1 day' + r.n * interval '1 second' FROM (SELECT object, regexp_replace(share, '\D', '')::int AS n FROM groupshare.placements) r
    WHERE r.object = p.object;
CREATE TEMP VIEW what_if AS SELECT * FROM groupshare.replay_notices(now() - interval '2 days', now() - interval '1 hour');
SELECT results_eq('SELECT share, device, new_device, new_distance, refusal FROM what_if',
    $$ VALUES ('w1', 'near', 'near', 0, NULL::text), ('w2', 'near', 'near', 0, NULL), ('w3', 'near', 'near', 0, NULL) $$, 'as it was');
CREATE TEMP TABLE before AS SELECT device_id, reserved_bytes FROM groupshare.device_ledger;
SAVEPOINT what_if;
SELECT groupshare.drain_device('near') \g /dev/null
SELECT results_eq('SELECT share, new_device, new_distance, refusal FROM what_if',
    $$ VALUES ('w1', 'mid', 2, NULL::text), ('w2', NULL, NULL, 'no room: of the 3 nearest devices: 2 too little room, 1 draining'),
              ('w3', NULL, NULL, 'no room: of the 3 nearest devices: 2 too little room, 1 draining') $$, 'had it been drained, each taking its room from the next');
ROLLBACK TO what_if;
SELECT results_eq('SELECT device_id, reserved_bytes FROM groupshare.device_ledger ORDER BY 1', 'SELECT * FROM before ORDER BY 1', 'nothing stays');
SELECT is(count(*), 2::bigint, 'at most so many') FROM groupshare.replay_notices('-infinity', 'infinity', 2);

-- Views
SELECT results_eq($$ SELECT used_percent, bar FROM groupshare.devices WHERE name = 'mid' $$, $$ VALUES (99.0, '[####################]') $$, 'used, with a bar');
SELECT results_eq($$ SELECT location, devices, writable, capacity_bytes FROM groupshare.device_locations ORDER BY location COLLATE "C" $$,
    $$ VALUES ('', 3::bigint, 3::bigint, 300000::bigint), ('cn', 2, 2, 200000), ('cn/east', 2, 2, 200000), ('cn/east/z1', 1, 1, 100000),
              ('cn/east/z2', 1, 1, 100000), ('us', 1, 1, 100000), ('us/west', 1, 1, 100000) $$, 'each location sums up what lies in it');
SELECT groupshare.set_device_limits('mid', capacity_limit_bytes => 50000) \g /dev/null
SELECT results_eq($$ SELECT l.capacity_bytes, l.available_bytes, l.used_percent FROM groupshare.device_locations l WHERE l.location = 'cn' $$,
    $$ SELECT 150000::bigint, sum(greatest(available_bytes, 0))::bigint, round(100 - sum(greatest(available_bytes, 0)) / 1500, 1)
         FROM groupshare.devices WHERE location LIKE 'cn/%' $$, 'of a limited device counts what it may be given');
SELECT groupshare.set_device_limits('mid') \g /dev/null
DELETE FROM groupshare.device_history;
SELECT pg_temp.report('near', 60000 - n, epoch => 30) FROM generate_series(1, 3) n \g /dev/null
SELECT results_eq('SELECT used_bytes FROM groupshare.device_history', 'VALUES (40001::bigint)', 'one row a device and hour: the first');
SELECT is(days_until_full, NULL, 'one report is no forecast') FROM groupshare.device_forecast WHERE name = 'near';
INSERT INTO groupshare.device_history SELECT id, date_trunc('hour', now()) - n * interval '1 hour', 100000, 40001 - n * 1000, 0
    FROM groupshare.device, generate_series(1, 48) n WHERE name = 'near';
SELECT results_eq($$ SELECT hours, used_bytes_per_day FROM groupshare.device_forecast WHERE name = 'near' $$, 'VALUES (49::bigint, 24000::bigint)', 'a thousand bytes an hour');
SELECT is(f.days_until_full, round(pg_temp.available('near') / 24000.0, 1), 'so long until full') FROM groupshare.device_forecast f WHERE name = 'near';
SET LOCAL groupshare.device_history_retention = '1d';
SELECT groupshare.run_maintenance() \g /dev/null
SELECT ok(count(*) >= 24 AND min(hour) >= now() - interval '1 day', 'old history goes, no other') FROM groupshare.device_history;

-- The search's index follows the ledger
SELECT ok(bool_and(a.room_class - floor(log(2, l.available_bytes)) IN (0, 1)), 'octave of the room, or one more')
    FROM groupshare.device_area a JOIN groupshare.device_ledger l USING (device_id);
SELECT groupshare.drain_device('mid') \g /dev/null
SELECT results_eq($$ SELECT DISTINCT a.room_class FROM groupshare.device_area a JOIN groupshare.device d ON d.id = a.device_id WHERE d.name = 'mid' $$,
    'VALUES (-1)', 'a drained device leaves the search');
SELECT groupshare.undrain_device('mid') \g /dev/null
UPDATE groupshare.device SET location = 'us/east' WHERE name = 'mid';
SELECT results_eq($$ SELECT area, depth, room_class >= 0 FROM groupshare.device_area a JOIN groupshare.device d ON d.id = a.device_id WHERE d.name = 'mid' ORDER BY depth $$,
    $$ VALUES ('us/east', 0, true), ('us', 1, true), ('', 2, true) $$, 'and comes back, wherever it is moved');

SELECT * FROM finish();
ROLLBACK;
