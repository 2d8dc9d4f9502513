-- SPDX-License-Identifier: PostgreSQL
-- What a drain would do, told without doing it: by the rules that place copies, each copy on top of those before it, nothing locked.
BEGIN;
\ir include/sharing.psql
\ir include/inventory.psql
SELECT plan(34);
SET LOCAL groupshare.delete_hold = 0;

-- What a dry run of a drain says: with room, without, and what is in the way.
CREATE FUNCTION pg_temp.dry(of text, kind text DEFAULT 'drain') RETURNS text LANGUAGE plpgsql AS $$
DECLARE job bigint := groupshare.start_job(kind, of, dry_run => true);
BEGIN
    RETURN (SELECT format('%s of %s copies, %s of %s bytes; %s and %s: %s', with_room, copies, with_room_bytes, bytes, without_room, without_room_bytes,
        coalesce(problem, 'nothing')) FROM groupshare.jobs WHERE id = job);
END $$;
CREATE FUNCTION pg_temp.with_room(of text, kind text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE job bigint := groupshare.start_job(kind, of, dry_run => true);
BEGIN
    RETURN (SELECT with_room FROM groupshare.jobs WHERE id = job);
END $$;
CREATE FUNCTION pg_temp.plan(of text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(share || ' ' || CASE WHEN leaves THEN 'to ' ELSE 'stays ' END || new_devices::text || coalesce(' ' || problem, ''), ', ' ORDER BY share)
      FROM groupshare.explain_drain(of) $$;
-- Everything that a reservation would write or lock.
CREATE FUNCTION pg_temp.ledgers() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s %s %s %s', l.ctid, l.xmin, l.xmax, l.reserved_bytes), ', ' ORDER BY l.device_id) || (SELECT count(*) FROM groupshare.reservation)
           || (SELECT count(*) FROM groupshare.share_copy WHERE leaving) || (SELECT count(*) FROM groupshare.copy_need)
      FROM groupshare.device_ledger l $$;

SELECT throws_ok($$ SELECT groupshare.explain_drain('nowhere') $$, 'GS012', NULL, 'no such device');
SELECT is(pg_temp.dry('near'), '0 of 0 copies, 0 of 0 bytes; 0 and 0: nothing', 'an empty device');

-- The nearest other device first, then the next; what takes room from one is not there for another.
SELECT pg_temp.store('near', 'film' || n, repeat('f', 300)) FROM generate_series(1, 3) n \g /dev/null
SELECT pg_temp.report('mid', 700), pg_temp.report('far', 1000) \g /dev/null
SELECT pg_temp.ledgers() AS before \gset
SELECT is(pg_temp.dry('near'), '3 of 3 copies, 900 of 900 bytes; 0 and 0: nothing', 'room for all');
SELECT is(string_agg(d || ' ' || n, ', ' ORDER BY d), 'far 1, mid 2', 'the nearest takes what it has room for')
  FROM (SELECT new_devices[1] AS d, count(*) AS n FROM groupshare.explain_drain('near') GROUP BY 1) x;
SELECT is(pg_temp.ledgers(), :'before', 'nothing is reserved, marked, or locked');
SELECT is(state, 'active', 'nor is the device closed') FROM groupshare.devices WHERE name = 'near';
SELECT is(count(*), 0::bigint, 'no place is the device itself') FROM groupshare.explain_drain('near') WHERE 'near' = ANY (new_devices);
SELECT pg_temp.report('mid', 301), pg_temp.report('far', 301) \g /dev/null
SELECT is(pg_temp.dry('near'),
    '2 of 3 copies, 600 of 900 bytes; 1 and 300: no room: of the 3 nearest devices: 2 filled by the copies before it, 1 avoided', 'one too many');
SELECT is(pg_temp.dry('near', 'decommission'),
    '2 of 3 copies, 600 of 900 bytes; 1 and 300: no room: of the 3 nearest devices: 2 filled by the copies before it, 1 avoided', 'decommission likewise');
SELECT results_eq($$ SELECT count(*) FILTER (WHERE leaves), count(*) FILTER (WHERE NOT leaves AND new_devices = '{}' AND problem IS NOT NULL)
    FROM groupshare.explain_drain('near') $$, $$ VALUES (2::bigint, 1::bigint) $$, 'each copy by itself');
SELECT pg_temp.report('far', 300) \g /dev/null
SELECT is(pg_temp.with_room('near', 'drain'), 1::bigint, 'what is just full has no room');

-- Of those that stay, the largest one's reason is told.
SELECT pg_temp.report('near', 1000) \g /dev/null
SELECT pg_temp.store('near', 'huge', repeat('h', 900)) \g /dev/null
SELECT pg_temp.report('mid', 301), pg_temp.report('far', 301) \g /dev/null
SELECT is(pg_temp.dry('near'), '2 of 4 copies, 600 of 1800 bytes; 2 and 1200: no room: of the 3 nearest devices: 2 too little room, 1 avoided',
    'too large for any device');
SELECT groupshare.delete_share('ann@example.org', id) FROM groupshare.share WHERE name = 'huge' \g /dev/null

-- The rules of placement: headroom, high water, silence, a policy.
SELECT pg_temp.report('mid', 1000), pg_temp.report('far', 1000) \g /dev/null
SELECT groupshare.set_device_limits('mid', headroom_bytes => 500) \g /dev/null
SELECT is(string_agg(new_devices[1], ' ' ORDER BY new_devices[1]), 'far far mid', 'headroom stays free') FROM groupshare.explain_drain('near');
SELECT groupshare.set_device_limits('mid', high_water_percent => 98) \g /dev/null
SELECT is(pg_temp.plan('near'), 'film1 to {far}, film2 to {far}, film3 to {far}', 'none to a device over high water');
SELECT groupshare.set_device_limits('mid') \g /dev/null
UPDATE groupshare.device_ledger SET capacity_bytes = 1000 WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT groupshare.set_device_limits('mid', high_water_percent => 50) \g /dev/null
SELECT is(string_agg(new_devices[1], ' ' ORDER BY new_devices[1]), 'far mid mid', 'what goes there counts for its high water')
  FROM groupshare.explain_drain('near');
SELECT groupshare.set_device_limits('mid') \g /dev/null
UPDATE groupshare.device_ledger SET reported_at = now() - interval '1 hour' WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT is(pg_temp.plan('near'), 'film1 to {far}, film2 to {far}, film3 to {far}', 'none to a silent device');
SELECT pg_temp.report('mid', 1000) \g /dev/null
CREATE SCHEMA dba;
CREATE FUNCTION dba.asia(terminal text, size bigint, device text, location text, distance int, available bigint, preference float8)
    RETURNS float8 LANGUAGE sql STABLE AS $$ SELECT CASE WHEN location LIKE 'cn/%' THEN preference END $$;
SELECT groupshare.set_placement_policy('dba.asia', 'standard') \g /dev/null
SELECT pg_temp.report('mid', 601) \g /dev/null
SELECT is(pg_temp.dry('near'), '2 of 3 copies, 600 of 900 bytes; 1 and 300: no room: of the 3 nearest devices: 2 passed over by the policy, 1 avoided',
    'a policy decides');
SELECT groupshare.set_placement_policy(NULL, 'standard') \g /dev/null

-- A device that can't be read from
UPDATE groupshare.device_ledger SET reported_at = now() - interval '1 hour' WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'near');
SELECT is(pg_temp.dry('near'), '0 of 3 copies, 0 of 900 bytes; 3 and 900: no device that has it is reachable', 'nothing can be fetched from it');
SELECT pg_temp.report('near', 1000) \g /dev/null

-- Several copies: another device for each, enough of them before one leaves.
SELECT groupshare.delete_share(owner, id) FROM groupshare.shares WHERE state = 'stored' \g /dev/null
SELECT pg_temp.report(name, 1000) FROM groupshare.devices \g /dev/null
SELECT pg_temp.store('near', 'alone', 'alone') \g /dev/null
UPDATE groupshare.plan SET copies = 2 WHERE name = 'standard';
SELECT is(pg_temp.plan('near'), 'alone to {mid,far}', 'one that has no second copy yet needs two places');
SELECT pg_temp.report('far', 5) \g /dev/null
SELECT is(pg_temp.plan('near'), 'alone stays {mid} no room: of the 3 nearest devices: 2 avoided, 1 too little room', 'and stays when there is one only');
SELECT is(pg_temp.dry('near'), '0 of 1 copies, 0 of 5 bytes; 1 and 5: no room: of the 3 nearest devices: 2 avoided, 1 too little room', 'it counts once');
SELECT groupshare.start_job('copies') \g /dev/null
SELECT groupshare.run_maintenance(), groupshare.run_maintenance() \g /dev/null
SELECT object AS second FROM groupshare.copies WHERE fetching AND device = 'mid' \gset
SELECT is(pg_temp.plan('near'), 'alone stays {} no room: of the 3 nearest devices: 2 avoided, 1 too little room', 'one on its way is one of them');
SELECT pg_temp.receipt('mid', :'second', 5, 'alone') \g /dev/null
SELECT is(pg_temp.plan('near'), 'alone stays {} no room: of the 3 nearest devices: 2 avoided, 1 too little room', 'not to where the second copy is');
SELECT pg_temp.report('far', 1000) \g /dev/null
SELECT is(pg_temp.plan('near'), 'alone to {far}', 'but to a third device');
UPDATE groupshare.plan SET copies = 1 WHERE name = 'standard';
SELECT pg_temp.report('far', 5) \g /dev/null
SELECT is(pg_temp.plan('near'), 'alone to {}', 'one too many needs no place');
SELECT is(pg_temp.dry('near'), '1 of 1 copies, 5 of 5 bytes; 0 and 0: nothing', 'and counts as having room');

-- A drain does what its dry run has said, and what is leaving already is rehearsed like the rest.
SELECT groupshare.delete_share(owner, id) FROM groupshare.shares WHERE state = 'stored' \g /dev/null
SELECT pg_temp.report(name, 1000) FROM groupshare.devices \g /dev/null
SELECT pg_temp.store('near', 'part' || n, repeat('p', 100)) FROM generate_series(1, 8) n \g /dev/null
SELECT pg_temp.report('mid', 250), pg_temp.report('far', 350) \g /dev/null
SELECT is(pg_temp.with_room('near', 'drain'), 5::bigint, 'five of eight');
SELECT groupshare.start_job('drain', 'near') AS job \gset
SELECT groupshare.run_maintenance(), groupshare.run_maintenance(), groupshare.run_maintenance() \g /dev/null
SELECT is(count(*), 5::bigint, 'five are on their way') FROM groupshare.copies WHERE fetching;
SELECT is(pg_temp.with_room('near', 'drain'), 5::bigint, 'which a dry run knows meanwhile');
SELECT pg_temp.receipt(device, object, size_bytes, repeat('p', 100)) FROM groupshare.copies WHERE fetching \g /dev/null
SELECT groupshare.run_maintenance(), groupshare.run_maintenance() \g /dev/null
SELECT is(left_on_device, 3::bigint, 'three stay') FROM groupshare.jobs WHERE id = :job;
SELECT is(pg_temp.dry('near'), '0 of 3 copies, 0 of 300 bytes; 3 and 300: no room: of the 3 nearest devices: 2 too little room, 1 draining', 'as it says of them');

-- What no dry run of a drain has found out stays empty; more copies than are read at a time.
SELECT results_eq($$ SELECT with_room, without_room_bytes FROM groupshare.jobs WHERE NOT dry_run $$,
    $$ SELECT NULL::bigint, NULL::bigint FROM groupshare.job WHERE NOT dry_run $$, 'a job that is done rehearses nothing');
SELECT is(pg_temp.with_room('near', 'lose'), NULL::bigint, 'nor does another kind');
SELECT groupshare.cancel_job(:job), groupshare.undrain_device('near') \g /dev/null
SELECT groupshare.delete_share(owner, id) FROM groupshare.shares WHERE state = 'stored' \g /dev/null
SELECT pg_temp.report(name, 10000) FROM groupshare.devices \g /dev/null
WITH many AS (
    INSERT INTO groupshare.share (home, owner, name, size_bytes, sha256, state, stored_at)
        SELECT home, id, 'many' || n, 1, sha256('x'), 'stored', now() FROM groupshare.terminal, generate_series(1, 1003) n WHERE identifier = 'ann@example.org'
        RETURNING id, home)
INSERT INTO groupshare.share_copy (home, share_id, device_id, state, stored_at)
    SELECT many.home, many.id, d.id, 'stored', now() FROM many, groupshare.device d WHERE d.name = 'near';
SELECT pg_temp.report('mid', 502), pg_temp.report('far', 502) \g /dev/null
SELECT is(pg_temp.dry('near'),
    '1002 of 1003 copies, 1002 of 1003 bytes; 1 and 1: no room: of the 3 nearest devices: 2 filled by the copies before it, 1 avoided', 'each copy once');

SELECT * FROM finish();
ROLLBACK;
