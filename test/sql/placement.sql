-- SPDX-License-Identifier: PostgreSQL
-- Choice of the device: distance, room, avoid, silence, water marks, the network map, and its explanation.
BEGIN;
\ir include/sharing.psql
SELECT plan(52);

CREATE FUNCTION pg_temp.reason(who text, device text, size bigint) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(e.reason, 'candidate') FROM groupshare.explain_placement(who, size) e WHERE e.device = reason.device $$;

SELECT results_eq(
    $$ SELECT device, distance, candidate, reason FROM groupshare.explain_placement('ann@example.org', 100) $$,
    $$ VALUES ('near', 0, true, NULL), ('mid', 2, true, NULL), ('far', 5, true, NULL) $$, 'nearest first, all have room');
SELECT is(sum(score), 1::float8, 'the chances sum up to one') FROM groupshare.explain_placement('ann@example.org', 100);
SELECT is_empty($$ SELECT 1 FROM groupshare.reservation $$, 'explaining reserves nothing');
SELECT is(score, 1::float8, 'the nearest comes first, whatever the others have')
    FROM groupshare.explain_placement('ann@example.org', 100) WHERE device = 'near';

SAVEPOINT renamed;
UPDATE groupshare.device SET name = 'next', latitude = 1, longitude = 2 WHERE name = 'near';
UPDATE groupshare.terminal SET latitude = 1, longitude = 2 WHERE identifier = 'ann@example.org';
SELECT results_eq($$ SELECT device, km::int FROM groupshare.nearest_devices('ann@example.org', 100) LIMIT 1 $$, $$ VALUES ('next', 0) $$,
    'a search knows a device''s new name and place at once');
ROLLBACK TO renamed;

-- Where a device's row lies is remembered. The table gets shorter and its rows change places: each device is still itself.
SAVEPOINT moved;
UPDATE groupshare.device SET location = 'us/west' WHERE name = 'near';
INSERT INTO groupshare.device (id, home, name, login_role, location)
    SELECT id, server_id, d.name, d.name, 'cn/east/z1' FROM groupshare.self,
        (SELECT gen_random_uuid(), 'filler' || n FROM generate_series(1, 300) n UNION ALL
         VALUES ('ffffffff-ffff-4fff-8fff-ffffffffffff'::uuid, 'roomy'), ('00000000-0000-4000-8000-000000000000', 'full')) d (id, name);
UPDATE groupshare.device_ledger SET epoch = 10, url = 'https://d.test', capacity_bytes = 100000, announced_at = now(), reported_at = now(),
    free_bytes = CASE name WHEN 'roomy' THEN 50000 ELSE 5 END WHERE name IN ('roomy', 'full');
INSERT INTO groupshare.device_key (device_id, key, created_at)
    SELECT id, groupshare.random_key(), now() - interval '1 s' FROM groupshare.device WHERE name IN ('roomy', 'full');
SELECT is(device, 'roomy', 'the one with room') FROM groupshare.upload_notice('ann@example.org', 'before', 100);
SELECT is(pg_temp.reason('ann@example.org', 'full', 4), 'candidate', 'both are looked at');
CREATE TEMP TABLE kept AS SELECT * FROM groupshare.device_ledger WHERE name NOT LIKE 'filler%';
TRUNCATE groupshare.device_ledger;
INSERT INTO groupshare.device_ledger SELECT * FROM kept ORDER BY name;
SELECT is(device, 'roomy', 'in a shorter table') FROM groupshare.upload_notice('ann@example.org', 'shorter', 100);
SELECT is(pg_temp.reason('ann@example.org', 'full', 4), 'candidate', 'both again');
TRUNCATE kept;
INSERT INTO kept SELECT * FROM groupshare.device_ledger;
TRUNCATE groupshare.device_ledger;
INSERT INTO groupshare.device_ledger SELECT * FROM kept ORDER BY name DESC;
SELECT is(device, 'roomy', 'in another order') FROM groupshare.upload_notice('ann@example.org', 'order', 100);
SELECT results_eq($$ SELECT name, reserved_bytes::bigint FROM groupshare.device_ledger WHERE name IN ('roomy', 'full') ORDER BY name $$,
    $$ VALUES ('full', 0::bigint), ('roomy', 300) $$, 'the bytes are promised there');
ROLLBACK TO moved;

-- Two equally near devices, one with three times the space: drawn by it, and repeatably so.
SAVEPOINT equals;
UPDATE groupshare.device SET location = 'cn/east/z1' WHERE name = 'far';
SELECT pg_temp.report('near', 30000) \g /dev/null
SELECT pg_temp.report('far', 90000) \g /dev/null
SELECT results_eq($$ SELECT device, score FROM groupshare.explain_placement('ann@example.org', 100) WHERE score > 0 ORDER BY 2 $$,
    $$ VALUES ('near', 0.25::float8), ('far', 0.75) $$, 'equally near devices share the chance by free space');
-- What would be nearly full with the size comes last, and only when the roomier are not enough.
SET LOCAL groupshare.placement_candidates = 1;
SELECT is(pg_temp.reason('ann@example.org', 'near', 20000), 'as near as the candidates, not drawn', 'one with room for little more is passed over');
SELECT is(pg_temp.reason('ann@example.org', 'far', 20000), 'candidate', 'for one that has more');
SET LOCAL groupshare.placement_candidates = 2;
SELECT is(pg_temp.reason('ann@example.org', 'near', 20000), 'candidate', 'when there is no other, it is taken');
SET LOCAL groupshare.placement_candidates = 10;
SET LOCAL groupshare.placement_seed = 7;
SELECT count(*) FROM generate_series(1, 200) i, LATERAL groupshare.upload_notice('ann@example.org', 'e' || i, 1) \g /dev/null
SELECT cmp_ok(count(*) FILTER (WHERE device = 'far'), '>', 120::bigint, 'the roomier is drawn more often')
    FROM groupshare.placements;
SELECT is(count(*) FILTER (WHERE device = 'near') > 20 AND count(*) FILTER (WHERE device = 'mid') = 0, true,
    'the other one too, and none that is farther') FROM groupshare.placements;
ROLLBACK TO equals;

SET LOCAL groupshare.placement_candidates = 2;
SELECT is(pg_temp.reason('ann@example.org', 'far', 100), 'farther than the candidates', 'only the N nearest compete');
SET LOCAL groupshare.placement_candidates = 1;
SELECT is(device, 'near', 'N = 1 takes the nearest') FROM groupshare.upload_notice('ann@example.org', 'n1', 100);
SELECT is(device, 'mid', 'unless it is avoided')
    FROM groupshare.upload_notice('ann@example.org', 'n2', 100, avoid => '{near}');
SELECT is(device, 'mid', 'or is too small') FROM (SELECT pg_temp.report('near', 150, 100)) r,
    LATERAL groupshare.upload_notice('ann@example.org', 'n3', 150) u;
SELECT is(device, 'far', 'the circle widens') FROM groupshare.upload_notice('ann@example.org', 'n4', 999);
SELECT is(p.distance, 5, 'the decision is kept') FROM groupshare.placements p WHERE share = 'n4';
SELECT is(p.candidates, '[{"device": "far", "distance": 5, "available": 1000, "score": 1.000000, "outcome": "chosen"}]'::jsonb,
    'with its candidates') FROM groupshare.placements p WHERE share = 'n4';
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'n5', 1000) $$, 'GS022', NULL, 'bigger than any device');
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'n5', 1, avoid => '{near,mid,far}') $$, 'GS022', NULL,
    'all avoided');
SET LOCAL groupshare.placement_candidates = 10;

-- More room than the size, exactly
SELECT pg_temp.announce('far', 500, 11) \g /dev/null
DELETE FROM groupshare.reservation;
SELECT pg_temp.announce(d, 500, 12) FROM unnest(ARRAY['near', 'mid', 'far']) d \g /dev/null
SELECT is(pg_temp.reason('ann@example.org', 'near', 499), 'candidate', 'one byte more than the size is room');
SELECT is(pg_temp.reason('ann@example.org', 'near', 500), 'too little room', 'just the size is not');
SET LOCAL groupshare.device_headroom = '1MB';
SELECT is(pg_temp.reason('ann@example.org', 'near', 0), 'too little room', 'the headroom is never promised');
SET LOCAL groupshare.device_headroom = 0;
SELECT is(pg_temp.reason('ann@example.org', 'near', 0), 'candidate', 'an empty file has room');
SET LOCAL groupshare.device_high_water_percent = 99;
SELECT is(pg_temp.reason('ann@example.org', 'near', 1), 'over high water', '500 of 100000 bytes are free');
SET LOCAL groupshare.device_high_water_percent = 100;

-- Who is out
SELECT groupshare.drain_device('near') \g /dev/null
SELECT is(pg_temp.reason('ann@example.org', 'near', 1), 'draining', 'a draining device');
SELECT groupshare.undrain_device('near') \g /dev/null
SELECT pg_temp.report('near', 500, epoch => 12, read_only => true) \g /dev/null
SELECT is(pg_temp.reason('ann@example.org', 'near', 1), 'read-only', 'a read-only device');
SELECT pg_temp.announce('near', 500, 12) \g /dev/null
SELECT is(pg_temp.reason('ann@example.org', 'near', 1), 'read-only', 'it stays so over a new connection');
SELECT pg_temp.announce('near', 500, 13) \g /dev/null
SELECT is(pg_temp.reason('ann@example.org', 'near', 1), 'candidate', 'until it is started again');
SELECT pg_temp.report('near', 500, epoch => 13, read_only => true) \g /dev/null
UPDATE groupshare.device_ledger SET reported_at = now() - interval '15001 milliseconds'
    WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT is(pg_temp.reason('ann@example.org', 'mid', 1), 'silent', 'three intervals without a report');
UPDATE groupshare.device_ledger SET epoch = NULL WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'far');
SELECT is(pg_temp.reason('ann@example.org', 'far', 1), 'not announced', 'a device that has not announced');
SELECT throws_like($$ SELECT groupshare.upload_notice('ann@example.org', 'n6', 1) $$, '%no storage device has room%',
    'nobody is left');
SELECT is(reason, 'avoided', 'an avoided device') FROM groupshare.explain_placement('ann@example.org', 1, '{near}')
    WHERE device = 'near';

-- Where a terminal is
SELECT pg_temp.announce(d, 500, 13) FROM unnest(ARRAY['near', 'mid', 'far']) d \g /dev/null
UPDATE groupshare.terminal SET location = NULL WHERE identifier = 'bob@example.org';
INSERT INTO groupshare.network VALUES ('10.0.0.0/8', 'us/west'), ('10.1.0.0/16', 'cn/east/z2');
SELECT is((SELECT device FROM groupshare.explain_placement('bob@example.org', 1, peer => peer) LIMIT 1), device, note)
    FROM (VALUES ('10.1.2.3'::inet, 'mid', 'the longest prefix'), ('10.2.0.1', 'far', 'a shorter one')) v (peer, device, note);
SELECT is((SELECT distance FROM groupshare.explain_placement('bob@example.org', 1, peer => '192.0.2.1') WHERE device = 'near'), 3,
    'an unknown address is at the root');
SELECT is((SELECT distance FROM groupshare.explain_placement('ann@example.org', 1, peer => '10.2.0.1') WHERE device = 'near'), 0,
    'the terminal''s own setting comes first');
SELECT groupshare.move_terminal('BOB@example.org', 'us/west', 47, 8) \g /dev/null
SELECT results_eq($$ SELECT location, latitude, longitude FROM groupshare.terminal WHERE identifier = 'bob@example.org' $$,
    $$ VALUES ('us/west', 47::float8, 8::float8) $$, 'a DBA says where a terminal is');
SELECT is((SELECT device FROM groupshare.explain_placement('bob@example.org', 1, peer => '10.1.2.3') LIMIT 1), 'far', 'which counts more than its network');
SELECT groupshare.move_terminal('bob@example.org', NULL) \g /dev/null
SELECT is((SELECT device FROM groupshare.explain_placement('bob@example.org', 1, peer => '10.1.2.3') LIMIT 1), 'mid', 'until it is taken back');
SELECT results_eq($$ SELECT detail FROM groupshare.audit_log WHERE action = 'move_terminal' AND subject = 'bob@example.org' ORDER BY id $$,
    $$ VALUES ('{"from": {}, "to": {"location": "us/west", "latitude": 47, "longitude": 8}}'::jsonb),
        ('{"from": {"location": "us/west", "latitude": 47, "longitude": 8}, "to": {}}') $$, 'the audit tells from where to where');
SELECT throws_ok($$ SELECT groupshare.move_terminal('bob@example.org', 'US//west') $$, 'GS010', NULL, 'no location');
SELECT throws_ok($$ SELECT groupshare.move_terminal('bob@example.org', NULL, 1, 1) $$, 'GS010', NULL, 'coordinates without a location');
SELECT throws_ok($$ SELECT groupshare.move_terminal('bob@example.org', 'us', 1) $$, 'GS010', NULL, 'half a point');
SELECT throws_ok($$ SELECT groupshare.move_terminal('nobody@example.org', 'us') $$, 'GS012', NULL, 'whose location');
SELECT throws_ok($$ SELECT * FROM groupshare.explain_placement('nobody@example.org', 1) $$, 'GS012', NULL, 'no such terminal');

SELECT * FROM finish();
ROLLBACK;
