-- SPDX-License-Identifier: PostgreSQL
-- Several copies of a share: made after the receipt, device to device, ranked in the designation, healed after damage or
-- loss, moved by jobs.
BEGIN;
\ir include/sharing.psql
\ir include/inventory.psql
SELECT plan(91);
SET LOCAL groupshare.delete_hold = 0;
UPDATE groupshare.plan SET copies = 2 WHERE name = 'standard';

CREATE FUNCTION pg_temp.fetches(device text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_path_query_array(pg_temp.report(device, 1000) -> 'work', '$[*] ? (@.kind == "fetch")') $$;
CREATE FUNCTION pg_temp.fetch_failed(device text, object uuid, reason text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.as_device(device, format('SELECT groupshare.device_fetch_failed(10, %L, %L)', object, reason)) $$;
-- Where the copies of a share are, in which state
CREATE FUNCTION pg_temp.copies(name text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(device || ' ' || state || CASE WHEN leaving THEN ' leaving' ELSE '' END, ', ' ORDER BY device, state)
      FROM groupshare.copies WHERE share = name $$;
-- The worker's rounds; what is fetched arrives between them.
CREATE FUNCTION pg_temp.rounds(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE copy record;
BEGIN
    FOR i IN 1..n LOOP
        PERFORM groupshare.run_maintenance();
        FOR copy IN SELECT * FROM groupshare.copies WHERE fetching LOOP
            PERFORM pg_temp.receipt(copy.device, copy.object, copy.size_bytes, copy.share);
        END LOOP;
    END LOOP;
END $$;

-- A second copy
SELECT pg_temp.store('near', 'film', 'film') AS film \gset
SELECT share_id AS share FROM groupshare.share_copy WHERE object = :'film' \gset
SELECT is(pg_temp.copies('film'), 'near stored', 'one copy');
SELECT results_eq($$ SELECT t.identifier FROM groupshare.terminal t, jsonb_array_elements(groupshare.fetch_events(t.identifier) -> 'events') e ORDER BY 1 $$,
    $$ VALUES ('ann@example.org'), ('bob@example.org') $$, 'which is told to ann and bob');
SELECT groupshare.run_maintenance() \g /dev/null
SELECT object AS copy, device AS other FROM groupshare.copies WHERE share = 'film' AND state = 'pending' \gset
SELECT is(:'other'::text, 'mid', 'a second one begins, on the nearest other device');
SELECT is(reserved_bytes, 4::bigint, 'its bytes are reserved') FROM groupshare.devices WHERE name = 'mid';
UPDATE groupshare.reservation SET created_at = created_at + interval '1 s' WHERE object = :'copy'; -- as it will be in another transaction
SELECT is(string_agg(device, ' '), 'near', 'a replay has the upload''s own place, not that of a further copy')
    FROM groupshare.replay_notices('-infinity', 'infinity') WHERE share = 'film';
SELECT is(string_agg(device || ' ' || further, ', ' ORDER BY at), 'near false, mid true', 'placements tells them apart') FROM groupshare.placements WHERE share = 'film';
SELECT is(used_bytes::bigint, 4::bigint, 'the owner is charged once') FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org');
SELECT pg_temp.fetches('mid') AS work \gset
SELECT is((:'work'::jsonb #> '{0}') - '{id,ticket}'::text[], jsonb_build_object('kind', 'fetch', 'object', :'copy', 'size', 4,
    'url', 'https://near.test:8443/v1/objects/' || :'film', 'sha256', encode(sha256('film'), 'hex'),
    'terminal', pg_temp.terminal('ann@example.org'), 'name', 'film'), 'the device is told where to fetch it');
SELECT is(pg_temp.claims(:'work'::jsonb #>> '{0,ticket}') - '{jti,exp,iat}'::text[], jsonb_build_object(
    'iss', (SELECT server_id FROM groupshare.self), 'aud', (SELECT id FROM groupshare.device WHERE name = 'near'),
    'sub', (SELECT id FROM groupshare.device WHERE name = 'mid'), 'obj', :'film', 'met', '["GET","HEAD"]'::jsonb, 'size', 4,
    'sha256', encode(sha256('film'), 'hex'), 'name', 'film'), 'under a ticket for that device alone');
SELECT is(pg_temp.fetches('near'), '[]'::jsonb, 'the others are not');
SELECT isnt(pg_temp.fetches('mid') #>> '{0,ticket}', :'work'::jsonb #>> '{0,ticket}', 'told again with a fresh ticket');
UPDATE groupshare.reservation SET expires_at = now() + interval '1 second' WHERE object = :'copy';
SELECT pg_temp.fetches('mid') \g /dev/null
SELECT cmp_ok(expires_at, '>', now() + interval '1 minute', 'and its room is kept while it is under way') FROM groupshare.reservation WHERE object = :'copy';
SELECT throws_ok(format('SELECT pg_temp.receipt(%L, %L, 4, %L)', 'mid', :'copy', 'filn'), 'GS032', NULL, 'other bytes are not taken');
SELECT is(pg_temp.receipt('near', :'copy', 4, 'film'), 'unwanted', 'nor from another device');
SELECT is(pg_temp.receipt('mid', :'copy', 4, 'film'), 'stored', 'its receipt');
SELECT is(pg_temp.receipt('mid', :'copy', 4, 'film'), 'stored', 'again');
SELECT is(pg_temp.copies('film'), 'mid stored, near stored', 'two copies');
SELECT is((SELECT count(*) FROM groupshare.group_event WHERE data ->> 'state' = 'stored'), 1::bigint, 'nobody is told twice');
SELECT pg_temp.rounds(2) \g /dev/null
SELECT is(pg_temp.copies('film'), 'mid stored, near stored', 'and no third');
SELECT is_empty('SELECT 1 FROM groupshare.copy_need', 'nothing is left to do');
SELECT is(pg_temp.fetches('mid'), '[]'::jsonb, 'nor to fetch');
SELECT results_eq('SELECT name, reserved_bytes FROM groupshare.devices ORDER BY 1', $$ VALUES ('far', 0::bigint), ('mid', 0), ('near', 0) $$, 'nothing is reserved any more');

-- Designation
SELECT is(d.device, 'near', 'the nearest') FROM groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') d;
UPDATE groupshare.terminal SET location = 'cn/east/z2' WHERE identifier = 'bob@example.org';
SELECT is(d.device, 'mid', 'to whom it is near') FROM groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') d;
UPDATE groupshare.device_ledger SET reported_at = now() - interval '1 hour' WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT is(d.device, 'near', 'a silent device is passed over') FROM groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') d;
SELECT pg_temp.report('mid', 1000) \g /dev/null

-- Failure
SELECT pg_temp.store('near', 'song', 'song') AS song \gset
SELECT groupshare.run_maintenance() \g /dev/null
SELECT object AS copy FROM groupshare.copies WHERE share = 'song' AND fetching \gset
SELECT throws_ok(format('SELECT pg_temp.fetch_failed(%L, %L, %L)', 'mid', :'copy', 'mood'), 'GS010', NULL, 'an unknown reason');
SELECT pg_temp.fetch_failed('near', :'copy', 'failed') \g /dev/null
SELECT pg_temp.fetch_failed('mid', :'song', 'failed') \g /dev/null
SELECT is(pg_temp.copies('song'), 'mid pending, near stored', 'only its device can give up a fetch, and only a fetch');
SELECT pg_temp.fetch_failed('mid', :'copy', 'source_unreachable') \g /dev/null
SELECT pg_temp.fetch_failed('mid', :'copy', 'source_unreachable') \g /dev/null
SELECT results_eq($$ SELECT device, failures, problem, next_try > now() FROM groupshare.copies WHERE share = 'song' $$, $$ VALUES ('near', 1, 'source_unreachable', true) $$, 'given up, to be tried again later');
SELECT is(pg_temp.copy_state(:'copy'), 'abandoned', 'what was fetched is to be dropped');
SELECT pg_temp.rounds(1) \g /dev/null
SELECT is(pg_temp.copies('song'), 'near stored', 'not at once');
UPDATE groupshare.copy_need SET not_before = now() - interval '1 s';
SELECT groupshare.run_maintenance() \g /dev/null
SELECT is(pg_temp.copies('song'), 'mid pending, near stored', 'but then');
UPDATE groupshare.reservation SET expires_at = now() - interval '1 s' WHERE state = 'live';
SELECT groupshare.run_maintenance() \g /dev/null
SELECT results_eq($$ SELECT device, state, failures FROM groupshare.copies WHERE share = 'song' $$, $$ VALUES ('near', 'stored', 2) $$, 'one that never arrives expires, the share does not');
SELECT is(used_bytes::bigint, 8::bigint, 'nor its charge') FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org');
UPDATE groupshare.copy_need SET not_before = now() - interval '1 s';
SELECT pg_temp.rounds(2) \g /dev/null
SELECT is(pg_temp.copies('song'), 'mid stored, near stored', 'until it has two');
SELECT groupshare.upload_notice('ann@example.org', 'far', 3, avoid => '{near,mid}') \g /dev/null
SELECT object AS alone FROM groupshare.copies WHERE share = 'far' \gset
SELECT pg_temp.receipt('far', :'alone', 3, 'far') \g /dev/null
SELECT groupshare.run_maintenance() \g /dev/null
SELECT groupshare.delete_share('ann@example.org', share_id) FROM groupshare.copies WHERE object = :'alone' \g /dev/null
SELECT results_eq(format('SELECT state::text, count(*) FROM groupshare.share_copy WHERE share_id = (SELECT share_id FROM groupshare.share_copy WHERE object = %L) GROUP BY 1', :'alone'),
    $$ VALUES ('abandoned', 2::bigint) $$, 'a deletion ends a copy on its way too');
SELECT is(sum(reserved_bytes), 0::numeric, 'its reservation is given back') FROM groupshare.devices;
SELECT pg_temp.rounds(1) \g /dev/null
SELECT is_empty('SELECT 1 FROM groupshare.copy_need', 'and nobody looks after it any more');

-- Damage heals
SELECT pg_temp.damaged('near', :'film', sha256('bad')) \g /dev/null
SELECT is(data ->> 'copies_left', '1', 'the owner hears that a good copy is left') FROM groupshare.event WHERE data ->> 'state' = 'damaged';
SELECT is(d.device, 'mid', 'which is designated') FROM groupshare.download_notice('ann@example.org', 'ann@example.org', 'film') d;
SELECT pg_temp.rounds(2) \g /dev/null
SELECT is(pg_temp.copies('film'), 'far stored, mid stored', 'another is made elsewhere, the bad one given up');
SELECT is_empty('SELECT 1 FROM groupshare.damaged', 'nothing is damaged any more');
SELECT results_eq(format('SELECT kind, not_before > now() FROM groupshare.device_work WHERE object = %L', :'film'), $$ VALUES ('delete', true) $$,
    'its bytes go when no ticket can be good for them any more');

-- The only copy goes bad while another is fetched from it
SELECT pg_temp.store('near', 'sole', 'sole') AS sole \gset
SELECT groupshare.run_maintenance() \g /dev/null
SELECT object AS copy, share_id AS share FROM groupshare.copies WHERE share = 'sole' AND fetching \gset
SELECT pg_temp.damaged('near', :'sole', '') \g /dev/null
SELECT groupshare.run_maintenance() \g /dev/null
SELECT cmp_ok(expires_at, '<=', now(), 'nothing waits for it any more') FROM groupshare.reservation WHERE object = :'copy';
SELECT groupshare.delete_share('ann@example.org', :'share') \g /dev/null
SELECT pg_temp.rounds(1) \g /dev/null

-- All copies bad: the owner sends the bytes again
UPDATE groupshare.plan SET copies = 1 WHERE name = 'standard';
SELECT pg_temp.store('near', 'only', 'only') AS only \gset
SELECT pg_temp.damaged('near', :'only', '') \g /dev/null
SELECT pg_temp.rounds(1) \g /dev/null
SELECT is(pg_temp.copies('only'), 'near quarantined', 'there is nothing to copy');
SELECT throws_ok($$ SELECT groupshare.download_notice('bob@example.org', 'ann@example.org', 'only') $$, 'GS027', NULL, 'nor to give out');
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'only', 4, sha256('onlx')) $$, 'GS016', NULL, 'other bytes are another share');
SELECT u.state AS again_state, u.object AS again, u.device AS again_device FROM groupshare.upload_notice('ann@example.org', 'only', 4, avoid => '{near}') u \gset
SELECT is(:'again_state'::text, 'pending', 'the notice again: to be sent');
SELECT is(u.object, :'again'::uuid, 'repeated: the same') FROM groupshare.upload_notice('ann@example.org', 'only', 4) u;
SELECT is(used_bytes::bigint, (SELECT sum(size_bytes) FROM groupshare.share WHERE state IN ('pending', 'stored') AND owner = terminal_id)::bigint, 'charged once') FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org');
SELECT is(pg_temp.receipt(:'again_device', :'again', 4, 'only'), 'stored', 'received');
SELECT pg_temp.rounds(1) \g /dev/null
SELECT is(pg_temp.copies('only'), :'again_device' || ' stored', 'good again, the bad copy is given up');

-- Plans change: fewer, more
SELECT throws_ok($$ SELECT groupshare.start_job('dance') $$, 'GS010', NULL, 'an unknown job');
SELECT throws_ok($$ SELECT groupshare.start_job('copies', 'near') $$, 'GS010', NULL, 'a device where there is none');
SELECT throws_ok($$ SELECT groupshare.start_job('drain') $$, 'GS010', NULL, 'none where there should be one');
SELECT throws_ok($$ SELECT groupshare.start_job('drain', 'nowhere') $$, 'GS012', NULL, 'no such device');
SELECT throws_ok(format('SELECT groupshare.start_job(%L, pace => %s)', 'copies', p), 'GS010', 'pace must be between 1 and 10000', 'no such pace') FROM unnest(ARRAY[0, 10001]) p;
SELECT groupshare.start_job('copies', pace => 2) AS job \gset
SELECT throws_ok($$ SELECT groupshare.start_job('copies') $$, 'GS015', NULL, 'one at a time');
SELECT pg_temp.rounds(1) \g /dev/null
SELECT results_eq(format('SELECT state, moved FROM groupshare.jobs WHERE id = %s', :job), $$ VALUES ('running', 2::bigint) $$, 'paced');
SELECT pg_temp.rounds(3) \g /dev/null
SELECT is(state, 'done', 'it ends') FROM groupshare.jobs WHERE id = :job;
SELECT results_eq('SELECT share, count(*) FROM groupshare.copies GROUP BY 1 ORDER BY 1', $$ VALUES ('film', 1::bigint), ('only', 1), ('song', 1) $$, 'one copy of each is left');
UPDATE groupshare.plan SET copies = 2 WHERE name = 'standard';
SELECT groupshare.start_job('copies') \g /dev/null
SELECT pg_temp.rounds(4) \g /dev/null
SELECT results_eq($$ SELECT share, count(*) FROM groupshare.copies WHERE state = 'stored' GROUP BY 1 ORDER BY 1 $$, $$ VALUES ('film', 2::bigint), ('only', 2), ('song', 2) $$, 'two again');

-- Drain
SELECT pg_temp.store('near', 'bulk' || n, 'bulk' || n) FROM generate_series(1, 5) n \g /dev/null
SELECT pg_temp.rounds(3) \g /dev/null
SELECT groupshare.start_job('drain', 'near', dry_run => true) AS job \gset
SELECT is(copies, (SELECT count(*) FROM groupshare.copies WHERE device = 'near' AND state = 'stored'), 'a dry run counts') FROM groupshare.jobs WHERE id = :job;
SELECT is(state, 'active', 'and does nothing') FROM groupshare.devices WHERE name = 'near';
SELECT groupshare.start_job('drain', 'near', pace => 2) AS job \gset
SELECT is(state, 'draining', 'nothing new goes there') FROM groupshare.devices WHERE name = 'near';
SELECT groupshare.run_maintenance(), groupshare.run_maintenance() \g /dev/null
SELECT is(leaving, 2::bigint, 'two at a time') FROM groupshare.jobs WHERE id = :job;
SELECT is(count(*), 0::bigint, 'no share has less than two good copies meanwhile') FROM groupshare.share s WHERE state = 'stored'
    AND (SELECT count(*) FROM groupshare.share_copy c WHERE c.share_id = s.id AND c.state = 'stored') < 2;
SELECT groupshare.cancel_job(:job) \g /dev/null
SELECT is_empty('SELECT 1 FROM groupshare.copies WHERE leaving', 'cancelled: what is there stays');
SELECT pg_temp.rounds(3) \g /dev/null
SELECT groupshare.start_job('decommission', 'near', pace => 3) AS job \gset
SELECT pg_temp.rounds(12) \g /dev/null
SELECT is(state, 'done', 'it ends') FROM groupshare.jobs WHERE id = :job;
SELECT is(state, 'decommissioned', 'the device is shut out') FROM groupshare.devices WHERE name = 'near';
SELECT is_empty($$ SELECT 1 FROM groupshare.copies WHERE device = 'near' $$, 'nothing is there');
SELECT is(count(*), 0::bigint, 'every share has its two copies') FROM groupshare.share s WHERE state = 'stored'
    AND (SELECT count(*) FROM groupshare.share_copy c WHERE c.share_id = s.id AND c.state = 'stored') <> 2;

-- Loss
DO $$ BEGIN EXECUTE format('CREATE ROLE %I LOGIN', pg_temp.role_of('new')); END $$;
SELECT groupshare.add_storage_device('new', pg_temp.role_of('new'), 'cn/east/z3') \g /dev/null
SELECT pg_temp.announce('new', 1000) \g /dev/null
SELECT count(*) AS lost FROM groupshare.copies WHERE device = 'mid' AND state = 'stored' \gset
SELECT groupshare.lose_device('mid') AS job \gset
SELECT lives_ok(format('SELECT groupshare.download_notice(%L, %L::uuid)', 'bob@example.org', id), 'the loss of a device fails no download')
    FROM groupshare.share WHERE state = 'stored' ORDER BY id LIMIT 2;
SELECT groupshare.run_maintenance() \g /dev/null
SELECT is(count(*), :lost::bigint, 'its copies are missing') FROM groupshare.damaged WHERE device = 'mid';
SELECT pg_temp.rounds(4) \g /dev/null
SELECT is(state, 'done', 'the job ends') FROM groupshare.jobs WHERE id = :job;
SELECT is(count(*), 0::bigint, 'every share has its two copies again') FROM groupshare.share s WHERE state = 'stored'
    AND (SELECT count(*) FROM groupshare.share_copy c WHERE c.share_id = s.id AND c.state = 'stored') <> 2;
SELECT is_empty('SELECT 1 FROM groupshare.damaged', 'nothing is missing any more');

-- Balance
UPDATE groupshare.plan SET copies = 1 WHERE name = 'standard';
SELECT groupshare.delete_share(owner, id) FROM groupshare.shares WHERE state = 'stored' \g /dev/null
UPDATE groupshare.device_ledger SET capacity_bytes = 1000, free_bytes = 900;
SELECT pg_temp.store('far', 'heavy' || n, repeat('h', 50)) FROM generate_series(1, 6) n \g /dev/null
CREATE OR REPLACE FUNCTION pg_temp.rounds(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE copy record;
BEGIN
    FOR i IN 1..n LOOP
        PERFORM groupshare.run_maintenance();
        FOR copy IN SELECT * FROM groupshare.copies WHERE fetching LOOP
            PERFORM pg_temp.receipt(copy.device, copy.object, copy.size_bytes, repeat('h', 50));
        END LOOP;
    END LOOP;
END $$;
SELECT groupshare.start_job('rebalance', dry_run => true) AS job \gset
SELECT results_eq(format('SELECT copies, bytes, left_on_device FROM groupshare.jobs WHERE id = %s', :job),
    $$ VALUES (3::bigint, 150::bigint, NULL::bigint) $$, 'a dry run says what lies above the average');
SELECT groupshare.start_job('rebalance', pace => 2) AS job \gset
SELECT groupshare.run_maintenance() \g /dev/null
SELECT is(leaving, 2::bigint, 'two at a time') FROM groupshare.jobs WHERE id = :job;
SELECT pg_temp.rounds(12) \g /dev/null
SELECT results_eq('SELECT device, count(*) FROM groupshare.copies GROUP BY 1 ORDER BY 1', $$ VALUES ('far', 4::bigint), ('new', 2) $$, 'balanced to 5 percent of the average');
SELECT is(state, 'done', 'and it ends') FROM groupshare.jobs WHERE id = :job;
-- A device that was drained is taken back, but what has left it still fills it: a rebalance finds no place there and ends. What has
-- found no place is passed over until its pause is over; then, with room, it moves.
CREATE FUNCTION pg_temp.rebalanced() RETURNS text LANGUAGE plpgsql AS $$
DECLARE job bigint := groupshare.start_job('rebalance', pace => 2);
BEGIN
    PERFORM pg_temp.rounds(12);
    RETURN (SELECT string_agg(device || ' ' || n, ', ' ORDER BY device) FROM (SELECT device, count(*) AS n FROM groupshare.copies GROUP BY 1) c)
        || (SELECT ': ' || state FROM groupshare.jobs WHERE id = job);
END $$;
SELECT groupshare.start_job('drain', 'new') AS job \gset
SELECT pg_temp.rounds(8) \g /dev/null
SELECT is(state, 'done', 'drained') FROM groupshare.jobs WHERE id = :job;
SELECT groupshare.undrain_device('new') \g /dev/null
UPDATE groupshare.device_ledger SET free_bytes = 300 WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'new');
SELECT is(pg_temp.rebalanced(), 'far 6: done', 'no place at a device that is still full');
SELECT cmp_ok(count(*), '>', 0::bigint, 'which the view copies tells') FROM groupshare.copies WHERE problem IS NOT NULL AND next_try > now();
UPDATE groupshare.device_ledger SET free_bytes = 900 WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'new');
UPDATE groupshare.copy_need SET not_before = now() + interval '1 hour';
SELECT is(pg_temp.rebalanced(), 'far 6: done', 'and none is asked for again at once');
UPDATE groupshare.copy_need SET not_before = now();
SELECT is(pg_temp.rebalanced(), 'far 4, new 2: done', 'after that it moves');
-- What a DBA lets a device have is all that counts of its capacity.
UPDATE groupshare.device_ledger SET capacity_bytes = 100000, free_bytes = 99000;
SELECT groupshare.start_job('rebalance', dry_run => true) AS job \gset
SELECT is(copies, 0::bigint, 'nearly empty: nothing is to be moved') FROM groupshare.jobs WHERE id = :job;
SELECT groupshare.set_device_limits(name, capacity_limit_bytes => 1000) FROM groupshare.devices \g /dev/null
SELECT groupshare.set_device_limits('new', capacity_limit_bytes => 100000) \g /dev/null
UPDATE groupshare.copy_need SET not_before = now();
SELECT is(pg_temp.rebalanced(), 'far 1, new 5: done', 'by a limit that makes one of them full');
-- What the jobs above left behind: copies moved, lost, found bad and to be deleted. The sums of rebalance need no look at the good ones.
SELECT is(l.held_bytes + l.reserved_bytes - (SELECT coalesce(sum(s.size_bytes), 0) FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id
        WHERE c.device_id = d.id AND c.stored_at IS NOT NULL AND c.state IN ('quarantined', 'missing', 'abandoned')),
    (SELECT coalesce(sum(s.size_bytes), 0) FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id
        WHERE c.device_id = d.id AND c.state IN ('stored', 'pending')), d.name || ': the ledger knows what lies there')
  FROM groupshare.device d JOIN groupshare.device_ledger l ON l.device_id = d.id WHERE l.epoch IS NOT NULL;

SELECT * FROM finish();
ROLLBACK;
