-- SPDX-License-Identifier: PostgreSQL
-- Upload notice: rights, quota, repetition, moving, tickets; receipt; expiry.
BEGIN;
\ir include/sharing.psql
SELECT plan(65);

-- Rights and bad input
SELECT throws_ok($$ SELECT groupshare.upload_notice('eve@example.org', 'a', 1) $$, 'GS019', NULL, 'in no group');
SELECT throws_ok($$ SELECT groupshare.upload_notice('bob@example.org', 'a', 1, groups => ARRAY[pg_temp.group_id('others')]) $$,
    'GS012', NULL, 'for a group that it is not in');
SELECT throws_ok($$ SELECT groupshare.upload_notice('bob@example.org', 'a', 1, groups => ARRAY[gen_random_uuid()]) $$,
    'GS012', NULL, 'for no group at all: the same');
SELECT throws_ok($$ SELECT groupshare.upload_notice('bob@example.org', 'a', 1, groups => '{}') $$, 'GS010', NULL, 'no groups');
SELECT throws_ok(format('SELECT groupshare.upload_notice(%L, %L, 1)', 'ann@example.org', name), 'GS010', NULL, note)
    FROM (VALUES ('', 'empty'), ('..', 'dots'), ('a/b', 'slash'), (repeat('a', 256), '256 bytes'), (E'a\tb', 'control')) v (name, note);
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'a', -1) $$, 'GS010', NULL, 'negative size');
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'a', 9007199254740992) $$, 'GS010', NULL, '2^53');
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'a', 1, '\x00') $$, 'GS010', NULL, 'short digest');
SELECT is_empty($$ SELECT 1 FROM groupshare.share $$, 'nothing of it is left');
SELECT is(sum(reserved_bytes), 0::numeric, 'and nothing is reserved') FROM groupshare.devices;

-- Plan and quota
UPDATE groupshare.plan SET max_object_bytes = 300, quota_bytes = 500, max_shares = 3 WHERE name = 'standard';
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'a', 301) $$, 'GS020', NULL, 'over the object limit');
SELECT lives_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'a', 300) $$, 'at the object limit');
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'b', 201) $$, 'GS021', NULL, 'over the quota by one byte');
SELECT lives_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'b', 200) $$, 'at the quota');
SELECT lives_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'c', 0) $$, 'an empty file fits');
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'd', 0) $$, 'GS021', NULL, 'a share too many');
SELECT lives_ok($$ SELECT groupshare.upload_notice('bob@example.org', 'a', 300) $$, 'another terminal has its own quota');
SELECT results_eq($$ SELECT used_bytes::bigint, shares::int FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org') $$,
    $$ VALUES (500::bigint, 3) $$, 'charged at the notice');
UPDATE groupshare.plan SET max_object_bytes = NULL, quota_bytes = NULL, max_shares = NULL WHERE name = 'standard';

-- Allocation
SELECT pg_temp.announce(d, 1000, 10) FROM unnest(ARRAY['near', 'mid', 'far']) d \g /dev/null
SELECT * FROM groupshare.upload_notice('ann@example.org', 'film', 100, avoid => '{mid,far}') \gset
SELECT is(:'device'::text, 'near', 'the device'); SELECT is(:'state'::text, 'pending', 'pending');
SELECT is(:'url'::text, 'https://near.test:8443/v1/objects/' || :'object', 'the url');
SELECT is(pg_temp.claims(:'ticket') - '{jti,exp,iat,until}'::text[], jsonb_build_object(
    'iss', (SELECT server_id FROM groupshare.self), 'aud', (SELECT id FROM groupshare.device WHERE name = 'near'),
    'obj', :'object', 'sub', pg_temp.terminal('ann@example.org'), 'met', '["PUT","PATCH","HEAD","DELETE"]'::jsonb,
    'size', 100, 'name', 'film'), 'the ticket''s claims');
SELECT is((pg_temp.claims(:'ticket') ->> 'exp')::numeric - (pg_temp.claims(:'ticket') ->> 'iat')::numeric, 900::numeric,
    'the ticket''s life');
SELECT is(to_timestamp((pg_temp.claims(:'ticket') ->> 'exp')::bigint), :'expires_at'::timestamptz, 'as the answer says');
SELECT is((pg_temp.claims(:'ticket') ->> 'until')::bigint,
    floor(extract(epoch FROM :'reservation_expires_at'::timestamptz))::bigint, 'unfinished bytes are kept as long as the reservation');
SELECT is(pg_temp.available('near') + (SELECT sum(size_bytes) FROM groupshare.reservations WHERE device = 'near' AND state = 'live'),
    1000::numeric, 'the ledger agrees with the live reservations');

-- The same notice again
SELECT is(u.share, :'share'::uuid, 'the same share') FROM groupshare.upload_notice('ann@example.org', 'film', 100) u;
SELECT is(u.object, :'object'::uuid, 'the same object') FROM groupshare.upload_notice('ann@example.org', 'film', 100) u;
SELECT isnt(u.ticket, :'ticket'::text, 'a fresh ticket') FROM groupshare.upload_notice('ann@example.org', 'film', 100) u;
SELECT is(shares::int, 4, 'charged once') FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org');
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'film', 101) $$, 'GS016', NULL, 'another size');
SELECT is(pg_temp.claims(u.ticket) ->> 'sha256', encode(sha256('film'), 'hex'), 'a digest said later is kept')
    FROM groupshare.upload_notice('ann@example.org', 'film', 100, sha256('film')) u;
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'film', 100, sha256('other')) $$, 'GS016', NULL, 'another digest');
UPDATE groupshare.reservation SET expires_at = now() + interval '1 minute' WHERE object = :'object';
SELECT ok(u.reservation_expires_at > now() + interval '1 hour', 'the reservation lives on')
    FROM groupshare.upload_notice('ann@example.org', 'film', 100) u;

-- Moving
SELECT pg_temp.available('near') AS before \gset
SELECT u.object AS moved, u.share AS moved_share, u.device AS moved_to
    FROM groupshare.upload_notice('ann@example.org', 'film', 100, avoid => '{near,far}') u \gset
SELECT is(:'moved_to'::text, 'mid', 'moved'); SELECT is(:'moved_share'::text, :'share'::text, 'the share is the same');
SELECT isnt(:'moved'::text, :'object'::text, 'the object is another');
SELECT is(pg_temp.available('near'), :before + 100::bigint, 'the old place is free again');
SELECT results_eq(format('SELECT c.state::text, r.state::text FROM groupshare.share_copy c JOIN groupshare.reservation r USING (object) WHERE object = %L', :'object'),
    $$ VALUES ('abandoned', 'cancelled') $$, 'the old copy is abandoned');
SELECT is(pg_temp.report('near', 1000) #>> '{work,0,object}', :'object'::text, 'and its device told to drop it');
SELECT is(pg_temp.receipt('near', :'object', 100, 'film'), 'unwanted', 'a late receipt for it');
UPDATE groupshare.device_ledger SET reported_at = now() - interval '1 hour'
    WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT is(u.device IN ('near', 'far'), true, 'a device out of reach is left without being named')
    FROM groupshare.upload_notice('ann@example.org', 'film', 100) u;
SELECT c.object AS moved, d.name AS moved_to FROM groupshare.share_copy c JOIN groupshare.device d ON d.id = c.device_id
    WHERE c.share_id = :'share' AND c.state = 'pending' \gset

-- Receipt
SELECT throws_ok(format('SELECT pg_temp.receipt(%L, %L, 99, %L)', :'moved_to', :'moved', 'film'), 'GS032', NULL, 'another size');
SELECT throws_ok(format('SELECT pg_temp.receipt(%L, %L, 100, %L)', :'moved_to', :'moved', 'fil'), 'GS032', NULL, 'another digest');
SELECT is(pg_temp.receipt('mid', :'moved', 100, 'film'), 'unwanted', 'of a device that was not asked');
SELECT is(pg_temp.receipt('near', gen_random_uuid(), 100, 'film'), 'unwanted', 'of an unknown object');
SELECT is_empty($$ SELECT 1 FROM groupshare.event UNION ALL SELECT 1 FROM groupshare.group_event $$, 'nobody was told so far');
SELECT is(pg_temp.receipt(:'moved_to', :'moved', 100, 'film'), 'stored', 'stored');
SELECT is(pg_temp.receipt(:'moved_to', :'moved', 100, 'film'), 'stored', 'again: the same');
SELECT throws_ok(format('SELECT pg_temp.receipt(%L, %L, 100, %L)', :'moved_to', :'moved', 'other'), 'GS032', NULL, 'but not other bytes');
SELECT results_eq($$ SELECT t.identifier FROM groupshare.terminal t, jsonb_array_elements(groupshare.fetch_events(t.identifier) -> 'events') e ORDER BY 1 $$,
    $$ VALUES ('ann@example.org'), ('bob@example.org') $$, 'each who sees it is told once');
SELECT results_eq(format('SELECT settled_bytes, available_bytes FROM groupshare.devices WHERE name = %L', :'moved_to'),
    format('SELECT 100::bigint, free_bytes - 100 - reserved_bytes FROM groupshare.devices WHERE name = %L', :'moved_to'),
    'settled until the next report');
SELECT is(u.state, 'stored', 'the notice again: stored') FROM groupshare.upload_notice('ann@example.org', 'film', 100) u;
SELECT is(u.ticket, NULL::text, 'and no ticket') FROM groupshare.upload_notice('ann@example.org', 'film', 100) u;

-- Expiry
SELECT used_bytes AS used, shares AS count FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org') \gset
SELECT u.object AS dead, u.share AS dead_share FROM groupshare.upload_notice('ann@example.org', 'late', 7, avoid => '{mid,far}') u \gset
SELECT groupshare.run_maintenance() \g /dev/null
SELECT is(state, 'pending', 'not before its time') FROM groupshare.share WHERE id = :'dead_share';
UPDATE groupshare.reservation SET expires_at = now() - interval '1 second' WHERE object = :'dead';
SELECT groupshare.run_maintenance() \g /dev/null
SELECT is(state, 'expired', 'the share is expired') FROM groupshare.share WHERE id = :'dead_share';
SELECT is(state, 'expired', 'the reservation is expired') FROM groupshare.reservation WHERE object = :'dead';
SELECT results_eq($$ SELECT used_bytes::bigint, shares::int FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org') $$,
    format('VALUES (%s::bigint, %s)', :used, :count), 'the quota is given back');
SELECT is(pg_temp.receipt('near', :'dead', 7, 'late'), 'unwanted', 'a receipt after that');
SELECT isnt(u.share, :'dead_share'::uuid, 'the name is free for a new share') FROM groupshare.upload_notice('ann@example.org', 'late', 8) u;
SELECT throws_ok(format('UPDATE groupshare.share SET state = %L WHERE id = %L', 'pending', :'dead_share'), 'GS015', NULL,
    'what has ended stays ended');

SELECT * FROM finish();
ROLLBACK;
