-- SPDX-License-Identifier: PostgreSQL
-- after_restore(): what was given out before the restored point's successors is not taken for what is given now.
BEGIN;
\ir include/sharing.psql
\ir include/inventory.psql
SELECT plan(19);

SELECT pg_temp.store('near', 'film', 'film') AS film \gset
SELECT groupshare.add_terminal('new@example.org') \g /dev/null
INSERT INTO groupshare.used_challenge VALUES ('x', now() + interval '1 hour');
INSERT INTO groupshare.event (terminal_id, kind, data, position)
    SELECT pg_temp.terminal('ann@example.org'), 'share', '{}', nextval('groupshare.event_position') RETURNING position AS cursor \gset
SELECT pg_temp.list('near') \g /dev/null
SELECT u.object AS pending FROM groupshare.upload_notice('ann@example.org', 'pending', 5, avoid => '{mid,far}') u \gset
SELECT d.ticket FROM groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') d \gset
CREATE TEMP TABLE before AS SELECT kid, key FROM groupshare.secret;
SELECT kid AS device_kid FROM groupshare.device_key k JOIN groupshare.device d ON d.id = k.device_id WHERE d.name = 'near' \gset
SELECT max(id) AS work FROM groupshare.device_work \gset
SELECT last_value AS work FROM groupshare.device_work_id_seq \gset

SELECT throws_ok($$ SELECT pg_temp.as_device('near', 'SELECT groupshare.after_restore()') $$, '42501', NULL, 'not for a device');
SELECT groupshare.after_restore() \g /dev/null

SELECT is_empty('SELECT 1 FROM groupshare.secret JOIN before USING (kid) UNION ALL SELECT 1 FROM groupshare.secret JOIN before USING (key)',
    'no session key of before is left');
SELECT results_eq('SELECT purpose FROM groupshare.secret WHERE retired_at IS NULL ORDER BY 1', $$ VALUES ('challenge'), ('session') $$, 'there are new ones');
SELECT is_empty('SELECT 1 FROM groupshare.enrolment_code', 'codes are dead');
SELECT is_empty('SELECT 1 FROM groupshare.used_challenge', 'answered challenges are forgotten, their key is gone');
SELECT is_empty('SELECT 1 FROM groupshare.device_key', 'tickets are dead');
SELECT throws_ok($$ SELECT pg_temp.report('near', 1000) $$, 'GS033', NULL, 'a device must announce itself');
SELECT throws_ok(format('SELECT pg_temp.receipt(%L, %L, 5, %L)', 'near', :'pending', 'other'), 'GS033', NULL, 'before any receipt');
SELECT throws_ok($$ SELECT groupshare.upload_notice('ann@example.org', 'new', 1) $$, 'GS022', NULL, 'nothing is placed until then');
SELECT throws_ok($$ SELECT groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') $$, 'GS025', NULL, 'nothing designated');
SELECT is(pg_temp.announce('near', 1000) #>> '{keys,0,kid}' <> :'device_kid', true, 'with the same start of its daemon too; its ticket key is new');
SELECT is(reserved_bytes, 5::bigint, 'its reservations are counted anew') FROM groupshare.devices WHERE name = 'near';
SELECT is(pg_temp.announce('near', 1000) #>> '{work,0,kind}', 'inventory', 'it is asked at once what it has');
SELECT is(pg_temp.report('near', 1000) #>> '{work,0,kind}', 'inventory', 'and until it tells');
SELECT ok((pg_temp.report('near', 1000) #>> '{work,0,id}')::bigint > :work + 1000000, 'under a number that no work of before had');
INSERT INTO groupshare.device_work (device_id, kind, object) SELECT id, 'delete', gen_random_uuid() FROM groupshare.device WHERE name = 'near';
SELECT ok(max(id) > (SELECT max(work_id) FROM groupshare.inventory), 'nor later work') FROM groupshare.device_work;
SELECT ok(nextval('groupshare.event_position') > :cursor + 1000000, 'event cursors go on above any that a terminal has');
SELECT isnt(d.ticket, :'ticket'::text, 'the share is designated again') FROM groupshare.download_notice('bob@example.org', 'ann@example.org', 'film') d;
SELECT is(count(*), 1::bigint, 'audited') FROM groupshare.audit_log WHERE action = 'after_restore';

SELECT * FROM finish();
ROLLBACK;
