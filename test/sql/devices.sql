-- SPDX-License-Identifier: PostgreSQL
-- Storage devices: registration, announcement, report, epochs, keys, draining, decommissioning, work.
BEGIN;
\ir include/sharing.psql
SELECT plan(64);

-- Registration
SELECT throws_ok($$ SELECT groupshare.add_storage_device('x', 'gs_no_such_role', '') $$, '42704', NULL, 'a missing role');
SELECT throws_ok($$ SELECT groupshare.add_storage_device('x', 'pg_monitor', '') $$, 'GS010', NULL, 'a role without login');
SELECT throws_ok($$ SELECT groupshare.add_storage_device('near', session_user, '') $$, 'GS015', NULL, 'a name twice');
SELECT throws_ok($$ SELECT groupshare.add_storage_device('x', pg_temp.role_of('near'), '') $$, 'GS015', NULL, 'a role twice');
SELECT throws_ok($$ SELECT groupshare.add_storage_device('x', session_user, 'CN//east') $$, 'GS010', NULL, 'a bad location');
SELECT throws_ok($$ SELECT groupshare.add_storage_device(E'x\ny', session_user, '') $$, 'GS010', NULL, 'a bad name');
SELECT ok(pg_has_role(pg_temp.role_of('near'), 'groupshare_storage', 'MEMBER'), 'the role may call device_*');
SELECT results_eq(
    $$ SELECT area, a.depth FROM groupshare.device_area a JOIN groupshare.device d ON d.id = device_id
        WHERE d.name = 'near' ORDER BY 2 $$,
    $$ VALUES ('cn/east/z1', 0), ('cn/east', 1), ('cn', 2), ('', 3) $$, 'an area for each prefix, the root too');
SELECT lives_ok($$ SELECT groupshare.move_device('near', 'de') $$, 'a device moves');
SELECT results_eq(
    $$ SELECT area, a.depth FROM groupshare.device_area a JOIN groupshare.device d ON d.id = device_id
        WHERE d.name = 'near' ORDER BY 2 $$,
    $$ VALUES ('de', 0), ('', 1) $$, 'its areas follow');
UPDATE groupshare.device SET location = '' WHERE name = 'near';
SELECT results_eq(
    $$ SELECT area, a.depth FROM groupshare.device_area a JOIN groupshare.device d ON d.id = device_id
        WHERE d.name = 'near' ORDER BY 2 $$,
    $$ VALUES ('', 0) $$, 'also after a DBA''s own UPDATE');
SELECT throws_ok($$ SELECT groupshare.move_device('nowhere', '') $$, 'GS012', NULL, 'no such device');
SELECT throws_ok(format('SELECT groupshare.move_device(''near'', ''de'', %s)', point), 'GS010', NULL, 'no coordinates: ' || point)
    FROM unnest('{1,"NULL, 1","91, 0","0, -181","''NaN'', 0"}'::text[]) point;
SELECT throws_ok(format('SELECT groupshare.set_device_limits(''near'', %s)', limits), 'GS010', NULL, 'no limits: ' || limits)
    FROM unnest('{-1,"1, 0","1, 101","1, 1, -1"}'::text[]) limits;
SELECT groupshare.set_device_limits('mid', 5, 50) \g /dev/null
SELECT groupshare.set_device_limits('mid') \g /dev/null
SELECT results_eq($$ SELECT action, detail FROM groupshare.audit_log WHERE subject IN ('near', 'mid') AND action ~ 'limits|move' ORDER BY id $$,
    $$ VALUES ('move_device', '{"location": "de"}'::jsonb), ('set_device_limits', '{"headroom_bytes": 5, "high_water_percent": 50}'), ('set_device_limits', '{}') $$,
    'the audit tells what was set');

-- Announcement
SELECT is(a - 'keys' - 'now', jsonb_build_object('work', jsonb '[]', 'server', (SELECT server_id FROM groupshare.self), 'server_name', 'test',
        'device', (SELECT id FROM groupshare.device WHERE name = 'mid'), 'device_name', 'mid'), 'what an announcement answers')
    FROM pg_temp.announce('mid', 900) a;
SELECT ok(abs((a ->> 'now')::bigint / 1e6 - extract(epoch FROM clock_timestamp())) < 10
        AND jsonb_typeof(pg_temp.report('mid', 900) -> 'now') = 'number', 'and a report too: the time here')
    FROM pg_temp.announce('mid', 900) a;
SELECT is(jsonb_array_length(a -> 'keys'), 1, 'announcing again makes no second key') FROM pg_temp.announce('mid', 900) a;
SELECT is(length(a #>> '{keys,0,key}'), 43, 'a key is base64url of 32 bytes') FROM pg_temp.announce('mid', 900) a;
SELECT throws_ok($$ SELECT pg_temp.announce('mid', 900, 9) $$, 'GS031', NULL, 'an older start can''t take over');
SELECT throws_ok($$ SELECT pg_temp.report('mid', 900, 0, 9) $$, 'GS031', NULL, 'a report of an older start');
SELECT throws_ok($$ SELECT pg_temp.report('mid', 900, 0, 11) $$, 'GS033', NULL, 'a report of a start that did not announce');
SELECT throws_ok($$ SELECT pg_temp.receipt('mid', gen_random_uuid(), 1, 'x', 9) $$, 'GS031', NULL, 'a receipt of an older start');
SELECT throws_ok($$ SELECT pg_temp.as_device('mid', 'SELECT groupshare.device_work_done(9, ARRAY[1])') $$, 'GS031', NULL,
    'work of an older start');
SELECT throws_ok($$ SELECT groupshare.device_report(10, 1, 1, 0, false) $$, 'GS030', NULL, 'a role that is no device');
SELECT throws_ok(format('SELECT pg_temp.as_device(%L, %L)', 'mid', call), 'GS010', NULL, call) FROM (VALUES
    ('SELECT groupshare.device_announce(0, ''https://h'', 1, 1, 0, 5000, ''1'')'),
    ('SELECT groupshare.device_announce(20, ''ftp://h'', 1, 1, 0, 5000, ''1'')'),
    ('SELECT groupshare.device_announce(20, ''https://h/'', 1, 1, 0, 5000, ''1'')'),
    ('SELECT groupshare.device_announce(20, ''https://h?a'', 1, 1, 0, 5000, ''1'')'),
    ('SELECT groupshare.device_announce(20, ''https://h'', 1, 2, 0, 5000, ''1'')'),
    ('SELECT groupshare.device_announce(20, ''https://h'', 1, -1, 0, 5000, ''1'')'),
    ('SELECT groupshare.device_announce(20, ''https://h'', 1, 1, 2, 5000, ''1'')'),
    ('SELECT groupshare.device_announce(20, ''https://h'', 1, 1, 0, 0, ''1'')'),
    ('SELECT groupshare.device_report(10, -1, 0, 0, false)')) bad (call);

-- Space
SELECT lives_ok($$ SELECT pg_temp.report('mid', 700, 50) $$, 'a report');
SELECT is(pg_temp.available('mid'), 700::bigint, 'what is staged and not promised makes no room, whatever the device says');
UPDATE groupshare.device_ledger SET reserved_bytes = 120 WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT is(pg_temp.available('mid'), 630::bigint, 'of what is promised, what is staged has taken its room already');
UPDATE groupshare.device_ledger SET reserved_bytes = 80, settled_bytes = 40 WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT is(pg_temp.available('mid'), 630::bigint, 'also when a part is settled');
UPDATE groupshare.device_ledger SET reserved_bytes = 0, settled_bytes = 0 WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT throws_ok($$ SELECT pg_temp.report('mid', 1, 9223372036854775807) $$, 'GS010', NULL, 'more staged than the device has');

-- Keys
SELECT groupshare.rotate_device_key('mid') AS kid \gset
SELECT is(pg_temp.report('mid', 700) -> 'keys' ->> 1 IS NOT NULL, true, 'after a rotation the device knows both keys');
SELECT is(pg_temp.report('mid', 700) #>> '{keys,0,kid}', :'kid', 'the new one first');
SELECT groupshare.rotate_device_key('mid', true) AS kid \gset
SELECT is((SELECT jsonb_agg(k ->> 'kid') FROM jsonb_array_elements(pg_temp.report('mid', 700) -> 'keys') k),
    jsonb_build_array(:'kid'), 'after a revocation only the new one');

-- States
SELECT lives_ok($$ SELECT groupshare.drain_device('mid') $$, 'drain');
SELECT is(state, 'draining') FROM groupshare.devices WHERE name = 'mid';
SELECT lives_ok($$ SELECT groupshare.undrain_device('mid') $$, 'undrain');
SELECT is(state, 'active') FROM groupshare.devices WHERE name = 'mid';
SELECT groupshare.move_device('near', 'cn/east/z1') \g /dev/null
SELECT * FROM groupshare.upload_notice('ann@example.org', 'a', 10, avoid => '{mid,far}') \gset
SELECT throws_ok($$ SELECT groupshare.decommission_device('near') $$, 'GS015', NULL, 'not while it has a pending share');
SELECT throws_ok($$ UPDATE groupshare.device SET state = 'decommissioned' WHERE name = 'near' $$, 'GS015', NULL,
    'nor by a DBA''s own UPDATE');
SELECT lives_ok($$ SELECT groupshare.decommission_device('far') $$, 'an empty one goes');
SELECT throws_ok($$ SELECT pg_temp.announce('far', 1000, 99) $$, 'GS030', 'storage device "far" is decommissioned', 'and is a device no more, which it is told');
SELECT results_eq($$ SELECT capacity_bytes, used_bytes, free_bytes, available_bytes, used_percent, online FROM groupshare.devices WHERE name = 'far' $$,
    'VALUES (0::bigint, 0::bigint, 0::bigint, 0::bigint, NULL::numeric, false)', 'nothing that it had is counted any more');
SELECT is_empty($$ SELECT 1 FROM groupshare.device_locations WHERE location IN ('us', 'us/west') $$, 'a place where it was alone is none');
SELECT results_eq($$ SELECT devices, capacity_bytes, available_bytes = (SELECT sum(greatest(available_bytes, 0)) FROM groupshare.devices)
    FROM groupshare.device_locations WHERE location = '' $$, 'VALUES (2::bigint, 200000::bigint, true)', 'nor does a place above it count it');
SELECT is_empty($$ SELECT 1 FROM groupshare.device_forecast WHERE name = 'far' $$, 'and it does not become full');
SAVEPOINT back;
SELECT groupshare.undrain_device('far') \g /dev/null
SELECT results_eq($$ SELECT devices, writable, capacity_bytes FROM groupshare.device_locations WHERE location = 'us' $$, 'VALUES (1::bigint, 0::bigint, 0::bigint)',
    'taken back it counts, with what it says then');
SELECT pg_temp.announce('far', 1000, 100) \g /dev/null
SELECT results_eq($$ SELECT writable, capacity_bytes FROM groupshare.device_locations WHERE location = 'us' $$, 'VALUES (1::bigint, 100000::bigint)', 'as soon as it says so');
DELETE FROM groupshare.device_ledger;
SELECT results_eq($$ SELECT devices, writable, capacity_bytes, available_bytes FROM groupshare.device_locations WHERE location = '' $$,
    'VALUES (3::bigint, 0::bigint, 0::bigint, 0::bigint)', 'nor are devices lost from sight that have not announced themselves since a restore');
ROLLBACK TO back;

SELECT * FROM finish();
ROLLBACK;
