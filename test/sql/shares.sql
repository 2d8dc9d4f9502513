-- SPDX-License-Identifier: PostgreSQL
-- Visibility and download notice, share list, deletion, work for the device, maintenance.
BEGIN;
\ir include/sharing.psql
SELECT plan(50);

SELECT * FROM groupshare.upload_notice('ann@example.org', 'film', 100, avoid => '{mid,far}') \gset film_
SELECT * FROM groupshare.upload_notice('ann@example.org', 'notes', 5, groups => ARRAY[pg_temp.group_id('others')]) \gset notes_
SELECT * FROM groupshare.upload_notice('bob@example.org', 'song', 5, groups => ARRAY[pg_temp.group_id('friends')]) \gset song_

-- Pending
SELECT throws_ok($$ SELECT groupshare.download_notice('ann@example.org', 'ann@example.org', 'film') $$, 'GS024', NULL,
    'the owner learns that it is pending');
SELECT throws_ok($$ SELECT groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') $$, 'GS012', NULL,
    'others do not see it');

SELECT is(pg_temp.receipt('near', :'film_object', 100, 'film'), 'stored');
SELECT is(pg_temp.receipt(:'notes_device', :'notes_object', 5, 'notes'), 'stored');
SELECT is(pg_temp.receipt(:'song_device', :'song_object', 5, 'song'), 'stored');

-- Designation
SELECT * FROM groupshare.download_notice('bob@example.org', 'Ann@Example.org', 'film') \gset got_
SELECT is(:'got_share'::text, :'film_share'::text, 'the share'); SELECT is(:'got_device'::text, 'near', 'its device');
SELECT is(:'got_url'::text, 'https://near.test:8443/v1/objects/' || :'film_object', 'its url');
SELECT is(:'got_size'::bigint, 100::bigint, 'its size'); SELECT is(:'got_sha256'::bytea, sha256('film'), 'its digest');
SELECT is(pg_temp.claims(:'got_ticket') - '{jti,exp,iat,iss,aud}'::text[], jsonb_build_object('obj', :'film_object', 'sub',
    pg_temp.terminal('bob@example.org'), 'met', '["GET","HEAD"]'::jsonb, 'size', 100, 'sha256', encode(sha256('film'), 'hex'),
    'name', 'film'), 'the ticket''s claims');
SELECT is(d.name, 'film', 'by the share''s id') FROM groupshare.download_notice('bob@example.org', :'film_share'::uuid) d;
SELECT is(d.name, 'film', 'also for the owner') FROM groupshare.download_notice('ann@example.org', :'film_share'::uuid) d;

-- Who sees what
SELECT throws_ok(format('SELECT groupshare.download_notice(%L, %L::uuid)', who, share), 'GS012', NULL, note) FROM (VALUES
    ('eve@example.org', :'film_share', 'a stranger'),
    ('bob@example.org', :'notes_share', 'a share of another group of its owner'),
    ('bob@example.org', gen_random_uuid()::text, 'no share at all')) v (who, share, note);
SELECT lives_ok($$ SELECT groupshare.download_notice('ann@example.org', 'bob@example.org', 'song') $$, 'a share for a chosen group');
SELECT throws_ok($$ SELECT groupshare.download_notice('ann@example.org', 'no identifier', 'song') $$, 'GS012', NULL, 'no such owner');
SAVEPOINT s;
UPDATE groupshare.membership SET state = 'left' WHERE terminal_id = pg_temp.terminal('bob@example.org');
SELECT throws_ok($$ SELECT groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') $$, 'GS012', NULL, 'after leaving');
SELECT throws_ok($$ SELECT groupshare.download_notice('ann@example.org', 'bob@example.org', 'song') $$, 'GS012', NULL,
    'and what it shared is gone for the others');
ROLLBACK TO s;
SAVEPOINT s;
UPDATE groupshare.sharing_group SET state = 'dissolved', dissolved_at = now() WHERE name = 'friends';
SELECT throws_ok($$ SELECT groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') $$, 'GS012', NULL,
    'after the group is dissolved');
ROLLBACK TO s;
SAVEPOINT s;
UPDATE groupshare.device_ledger SET reported_at = now() - interval '1 hour';
SELECT throws_ok($$ SELECT groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') $$, 'GS025', NULL,
    'its device is silent');
ROLLBACK TO s;
SAVEPOINT s;
SELECT groupshare.drain_device('near') \g /dev/null
SELECT lives_ok($$ SELECT groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') $$, 'a draining device still serves');
ROLLBACK TO s;
SAVEPOINT s;
SELECT groupshare.rotate_device_key('near') AS kid \gset
SELECT is(convert_from(decode(rpad(h, (length(h) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb ->> 'kid', :'kid'::text,
    'the new key signs once the device has heard of it')
    FROM groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') d, split_part(d.ticket, '.', 1) h;
UPDATE groupshare.device_key SET created_at = now() + interval '1 second' WHERE kid = :'kid';
SELECT isnt(convert_from(decode(rpad(h, (length(h) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb ->> 'kid', :'kid'::text,
    'until then the one before it')
    FROM groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') d, split_part(d.ticket, '.', 1) h;
DELETE FROM groupshare.device_key WHERE kid <> :'kid';
SELECT throws_ok($$ SELECT groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') $$, 'GS025', NULL,
    'no key that the device knows');
ROLLBACK TO s;

-- Notice again with other groups
SELECT is(u.state, 'stored') FROM groupshare.upload_notice('ann@example.org', 'notes', 5, groups => ARRAY[pg_temp.group_id('friends')]) u;
SELECT lives_ok(format('SELECT groupshare.download_notice(%L, %L::uuid)', 'bob@example.org', :'notes_share'),
    'a repeated notice with groups shows it there');
SELECT is(groups, ARRAY['friends'], 'and there only') FROM groupshare.shares WHERE id = :'notes_share';
SELECT is(u.state, 'stored') FROM groupshare.upload_notice('ann@example.org', 'notes', 5) u;
SELECT is(groups, ARRAY['friends'], 'one without groups leaves it') FROM groupshare.shares WHERE id = :'notes_share';

-- Share list
SELECT * FROM groupshare.upload_notice('ann@example.org', 'empty', 0) \gset empty_
SELECT results_eq($$ SELECT name, size_bytes, state, cardinality(devices), groups FROM groupshare.share_list('ann@example.org') $$,
    $$ VALUES ('empty', 0::bigint, 'pending', 1, NULL::uuid[]), ('film', 100, 'stored', 1, NULL),
              ('notes', 5, 'stored', 1, ARRAY[pg_temp.group_id('friends')]) $$, 'the share list');

-- Deletion
SELECT throws_ok(format('SELECT groupshare.delete_share(%L, %L)', 'bob@example.org', :'film_share'), 'GS012', NULL, 'only by its owner');
-- What a report asks the device to delete; what it asks to revoke is revocation.sql's.
CREATE FUNCTION pg_temp.deletions(device text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_agg(w), '[]') FROM jsonb_array_elements(pg_temp.report(device, 900) -> 'work') w WHERE w ->> 'kind' = 'delete' $$;
SET LOCAL groupshare.delete_hold = '1h';
SELECT lives_ok(format('SELECT groupshare.delete_share(%L, %L)', 'ann@example.org', :'film_share'), 'deleted');
SELECT throws_ok(format('SELECT groupshare.delete_share(%L, %L)', 'ann@example.org', :'film_share'), 'GS012', NULL, 'once');
SELECT throws_ok(format('SELECT groupshare.download_notice(%L, %L::uuid)', 'ann@example.org', :'film_share'), 'GS012', NULL,
    'out of sight at once');
SELECT is(pg_temp.deletions('near'), '[]'::jsonb, 'its bytes are held');
SELECT is(pg_temp.receipt('near', :'film_object', 100, 'film'), 'unwanted', 'a repeated receipt after the deletion');
SELECT results_eq($$ SELECT used_bytes::bigint, shares::int FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org') $$,
    $$ VALUES (5::bigint, 2) $$, 'the quota is given back');
UPDATE groupshare.device_work SET not_before = now() WHERE object = :'film_object';
SELECT is((pg_temp.deletions('near') -> 0) - 'id', jsonb_build_object('kind', 'delete', 'object', :'film_object'),
    'after the hold the device is told');
SELECT is(pg_temp.deletions('near') -> 0 ->> 'object', :'film_object'::text, 'and told again until it is done');
SELECT pg_temp.as_device('far', format('SELECT groupshare.device_work_done(10, ARRAY[%s])', id)) FROM groupshare.device_work
    WHERE kind = 'delete' AND object = :'film_object' \g /dev/null
SELECT isnt(pg_temp.deletions('near'), '[]'::jsonb, 'another device can''t say it is');
SELECT pg_temp.as_device('near', format('SELECT groupshare.device_work_done(10, ARRAY[%s])', id)) FROM groupshare.device_work
    WHERE kind = 'delete' AND object = :'film_object' \g /dev/null
SELECT is(pg_temp.deletions('near'), '[]'::jsonb, 'done');
SELECT is(state, 'deleted', 'the copy is deleted') FROM groupshare.share_copy WHERE object = :'film_object';
SELECT pg_temp.announce(:'empty_device', 1000, 11) \g /dev/null
SELECT lives_ok(format('SELECT groupshare.delete_share(%L, %L)', 'ann@example.org', :'empty_share'), 'a pending one too');
SELECT is(state, 'cancelled', 'its reservation is cancelled') FROM groupshare.reservation WHERE object = :'empty_object';
SELECT is(pg_temp.receipt(:'empty_device', :'empty_object', 0, '', 11), 'unwanted', 'its bytes are unwanted');

-- Maintenance
INSERT INTO groupshare.used_challenge VALUES ('old', now() - interval '2 minutes'), ('new', now() + interval '1 second');
UPDATE groupshare.device_work SET done_at = now() - interval '8 days' WHERE done_at IS NOT NULL;
SELECT groupshare.run_maintenance() \g /dev/null
SELECT results_eq('SELECT jti FROM groupshare.used_challenge', ARRAY['new'], 'expired challenges go');
SELECT is_empty('SELECT 1 FROM groupshare.device_work WHERE done_at IS NOT NULL', 'old work goes');
SELECT is_empty('SELECT 1 FROM groupshare.event WHERE NOT sent', 'those who wait for events are woken');

SELECT * FROM finish();
ROLLBACK;
