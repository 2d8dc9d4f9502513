-- SPDX-License-Identifier: PostgreSQL
-- Inventories: asking for one, listing, the comparison in both directions, what reconcile does about it.
BEGIN;
\ir include/sharing.psql
\ir include/inventory.psql
SELECT plan(69);

-- Asking
SELECT throws_ok($$ SELECT groupshare.request_inventory('nowhere') $$, 'GS012', NULL, 'of no device');
SELECT is(pg_temp.report('near', 1000) -> 'work', '[]'::jsonb, 'nothing is asked');
SELECT groupshare.request_inventory('near') \g /dev/null
SELECT is(pg_temp.report('near', 1000) #>> '{work,0,kind}', 'inventory', 'asked with the next report');
SELECT pg_temp.report('near', 1000) #>> '{work,0,id}' AS work \gset
SELECT groupshare.request_inventory('near') \g /dev/null
SELECT is(pg_temp.report('near', 1000) -> 'work', jsonb_build_array(jsonb_build_object('id', :work, 'kind', 'inventory')),
    'asked twice is asked once');
SELECT is(pg_temp.report('mid', 1000) -> 'work', '[]'::jsonb, 'the others are not asked');
SELECT is(state, 'asked', 'the view tells') FROM groupshare.inventories WHERE device = 'near';

-- Listing
SELECT throws_ok($$ SELECT pg_temp.as_device('near', $q$ SELECT groupshare.device_inventory_add(10, '{00000000-0000-0000-0000-000000000001}', '{1}', '{NULL}', '{staged}') $q$) $$,
    'GS015', NULL, 'before the beginning');
SELECT throws_ok($$ SELECT pg_temp.end_list('near') $$, 'GS015', NULL, 'an end before the beginning');
SELECT pg_temp.begin_list('near') \g /dev/null
SELECT throws_ok(format('SELECT pg_temp.as_device(%L, %L)', 'near', 'SELECT groupshare.device_inventory_add(10, ' || args || ')'), code, NULL, note)
  FROM (VALUES ($$'{}', '{}', '{}', '{}'$$, 'GS010', 'an empty batch'),
    ($$array_fill(gen_random_uuid(), '{1001}'), array_fill(1, '{1001}')::bigint[], array_fill(NULL::bytea, '{1001}'), array_fill('staged'::text, '{1001}')$$, 'GS010', 'too many'),
    ($$array_fill(gen_random_uuid(), '{2}'), '{1}', '{NULL,NULL}', '{staged,staged}'$$, 'GS010', 'lengths that differ'),
    ($$ARRAY[gen_random_uuid()], '{NULL}', '{NULL}', '{staged}'$$, 'GS010', 'a null'),
    ($$ARRAY[gen_random_uuid()], '{1}', '{NULL}', '{stored}'$$, '23514', 'stored without a digest'),
    ($$ARRAY[gen_random_uuid()], '{1}', '{NULL}', '{lost}'$$, '23514', 'an unknown state')) v (args, code, note);
SELECT throws_ok(format('SELECT pg_temp.as_device(%L, %L)', 'near', 'SELECT groupshare.device_inventory_add(10, ARRAY[gen_random_uuid()], ''{1}'', ''{NULL}'', ''{staged}'', ' || args || ')'), 'GS010', NULL, note)
  FROM (VALUES ($$'{NULL,NULL}', '{a}'$$, 'more owners than objects'), ($$'{NULL}', '{a,b}'$$, 'more names than objects'), ($$'{}', '{{a}}'$$, 'names that are no list')) v (args, note);
SELECT throws_ok($$ SELECT pg_temp.begin_list('near', 9) $$, 'GS031', NULL, 'a former start of the daemon');
SELECT throws_ok($$ SELECT pg_temp.as_device('near', 'SELECT groupshare.reconcile(''near'')') $$, '42501', NULL, 'a device can''t reconcile');

-- All in order: everything listed, an upload staged, a deletion ordered, another confirmed since the beginning.
SELECT pg_temp.store('near', 'kept', 'kept') AS kept, pg_temp.store('near', 'gone', 'gone') AS gone,
       pg_temp.store('near', 'going', 'going') AS going \gset
SELECT object AS staged FROM groupshare.upload_notice('ann@example.org', 'staged', 6, avoid => '{mid,far}') \gset
SELECT pg_temp.fill_disks() \g /dev/null
INSERT INTO disk VALUES ('near', :'staged', 3, NULL, 'staged');
SET LOCAL groupshare.delete_hold = 0;
SELECT groupshare.delete_share('ann@example.org', share_id) FROM groupshare.share_copy WHERE object IN (:'gone', :'going') \g /dev/null
SELECT pg_temp.begin_list('near') \g /dev/null
SELECT pg_temp.as_device('near', format('SELECT groupshare.device_work_done(10, ARRAY(SELECT (w ->> %L)::bigint
    FROM jsonb_array_elements(%L::jsonb) w WHERE w ->> %L = %L))', 'id', pg_temp.report('near', 1000) -> 'work', 'object', :'gone')) \g /dev/null
SELECT is(pg_temp.copy_state(:'gone'), 'deleted', 'a deletion is confirmed while the disk is read');
SELECT pg_temp.add_list('near') \g /dev/null
SELECT pg_temp.add_list('near') \g /dev/null
SELECT is(listed, 4::bigint, 'a batch that comes twice counts once') FROM groupshare.inventories WHERE device = 'near';
SELECT is(pg_temp.end_list('near'), 0::bigint, 'nothing differs');
SELECT results_eq($$ SELECT state, objects, bytes, findings FROM groupshare.inventories WHERE device = 'near' $$,
    $$ VALUES ('done', 4::bigint, 16::bigint, 0::bigint) $$, 'the view tells');
SELECT is(jsonb_path_query_array(pg_temp.report('near', 1000) -> 'work', '$[*] ? (@.kind == "inventory")'), '[]'::jsonb, 'it is not asked any more');
SELECT is_empty('SELECT 1 FROM groupshare.inventory_object', 'the list is gone');

-- An upload in flight: whatever of it the device listed, staged or complete, and whenever its receipt comes.
SELECT object AS flying FROM groupshare.upload_notice('ann@example.org', 'flying', 6, avoid => '{mid,far}') \gset
INSERT INTO disk VALUES ('near', :'flying', 6, sha256('flying'), 'receipt_pending');
DELETE FROM disk WHERE object IN (:'gone', :'going');
SELECT is(pg_temp.list('near'), 0::bigint, 'durable, its receipt not yet sent');
SELECT pg_temp.begin_list('near') \g /dev/null
SELECT is(pg_temp.receipt('near', :'staged', 6, 'staged'), 'stored', 'a receipt after the beginning');
DELETE FROM disk WHERE object = :'staged';
SELECT pg_temp.add_list('near') \g /dev/null
SELECT is(pg_temp.end_list('near'), 0::bigint, 'and the device had not seen it: not missing');
SELECT pg_temp.age() \g /dev/null
SELECT is(pg_temp.list('near'), 1::bigint, 'stored before the beginning and not listed: missing');
SELECT results_eq($$ SELECT problem, owner, share FROM groupshare.inventory_report $$, $$ VALUES ('missing', 'ann@example.org', 'staged') $$, 'in the report');
INSERT INTO disk VALUES ('near', :'staged', 6, sha256('staged'), 'stored');
SELECT is(pg_temp.list('near'), 0::bigint, 'listed: the finding is gone');

-- 100 planted each way
SELECT pg_temp.announce('mid', 100000) \g /dev/null
SELECT pg_temp.store('mid', 'bulk' || n, 'x' || n) FROM generate_series(1, 300) n \g /dev/null
SELECT pg_temp.fill_disks() \g /dev/null
CREATE TEMP TABLE planted (object uuid, problem text);
WITH lost AS (DELETE FROM disk WHERE object IN (SELECT object FROM disk WHERE device = 'mid' ORDER BY object LIMIT 100) RETURNING object)
    INSERT INTO planted SELECT object, 'missing' FROM lost;
WITH made AS (INSERT INTO disk SELECT 'mid', gen_random_uuid(), n, sha256(n::text::bytea), (ARRAY['stored', 'staged', 'receipt_pending', 'quarantined'])[n % 4 + 1]
    FROM generate_series(1, 100) n RETURNING object) INSERT INTO planted SELECT object, 'orphan' FROM made;
SELECT is(pg_temp.list('mid'), 200::bigint, '100 planted each way: 200 reported');
SELECT set_eq($$ SELECT object, problem FROM groupshare.inventory_report WHERE device = 'mid' $$, 'SELECT object, problem FROM planted', 'these and no others');
SELECT is_empty($$ SELECT 1 FROM groupshare.inventory_report WHERE device <> 'mid' $$, 'not on the others');

-- Dry run, grace
SELECT results_eq($$ SELECT problem, action, count(*) FROM groupshare.reconcile('mid', grace => '30 minutes') GROUP BY 1, 2 ORDER BY 1 $$,
    $$ VALUES ('missing', 'mark missing', 100::bigint), ('orphan', 'wait', 100::bigint) $$, 'a dry run by default');
SELECT is(count(*), 300::bigint, 'which does nothing') FROM groupshare.share_copy c JOIN groupshare.device d ON d.id = c.device_id WHERE d.name = 'mid' AND c.state = 'stored';
SELECT results_eq($$ SELECT problem, action, count(*) FROM groupshare.reconcile('mid', false, '30 minutes', 40) GROUP BY 1, 2 ORDER BY 1 $$,
    $$ VALUES ('missing', 'mark missing', 40::bigint) $$, 'in steps');
SELECT results_eq($$ SELECT problem, action, count(*) FROM groupshare.reconcile('mid', false, '30 minutes') GROUP BY 1, 2 ORDER BY 1 $$,
    $$ VALUES ('missing', 'mark missing', 60::bigint) $$, 'the rest; orphans wait');
SELECT is_empty($$ SELECT 1 FROM groupshare.device_work w JOIN planted p USING (object) $$, 'nothing of them is deleted');
SELECT is(count(*), 100::bigint, 'the copies are missing') FROM groupshare.damaged WHERE state = 'missing' AND device = 'mid' AND good_copies = 0;
SELECT is(count(*), 100::bigint, 'and their owner is told of each') FROM groupshare.event e
    WHERE e.kind = 'share' AND e.data ->> 'state' = 'missing' AND e.terminal_id = pg_temp.terminal('ann@example.org');
SELECT throws_ok(format('SELECT groupshare.download_notice(%L, %L::uuid)', 'bob@example.org', c.share_id), 'GS027', NULL, 'a share without a good copy says so')
    FROM groupshare.share_copy c JOIN planted USING (object) WHERE problem = 'missing' LIMIT 1;
SELECT pg_temp.age() \g /dev/null
SELECT is(pg_temp.list('mid'), 100::bigint, 'the next inventory: what is known to be missing is no news');
SELECT results_eq($$ SELECT action, count(*) FROM groupshare.reconcile('mid', false, '30 minutes') GROUP BY 1 $$, $$ VALUES ('delete', 100::bigint) $$,
    'orphans seen for the grace period go');
SELECT set_eq($$ SELECT object FROM groupshare.device_work WHERE kind = 'delete' AND done_at IS NULL $$,
    $$ SELECT object FROM planted WHERE problem = 'orphan' UNION SELECT object FROM groupshare.share_copy WHERE state = 'abandoned' $$, 'by order to the device');
SELECT is(pg_temp.list('mid'), 0::bigint, 'while the order is open they are no findings');
SELECT is_empty($$ SELECT 1 FROM groupshare.reconcile('mid', false) $$, 'nothing is left to do');

-- What was missing and is there after all
INSERT INTO disk SELECT 'mid', c.object, s.size_bytes, s.sha256, 'stored' FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id
    JOIN planted p ON p.object = c.object WHERE p.problem = 'missing' ORDER BY c.object LIMIT 1;
SELECT is(pg_temp.list('mid'), 1::bigint, 'a missing copy is listed');
SELECT results_eq($$ SELECT problem, action FROM groupshare.reconcile('mid', false) $$, $$ VALUES ('returned', 'serve again') $$, 'it is served again');
SELECT is(count(*), 99::bigint, 'and no longer damaged') FROM groupshare.damaged WHERE device = 'mid';
-- or its daemon sends the receipt again
SELECT c.object AS back, c.share_id AS back_share, s.name AS back_name FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id WHERE c.state = 'missing' LIMIT 1 \gset
SELECT is(pg_temp.receipt('mid', :'back', octet_length('x' || substr(:'back_name', 5)), 'x' || substr(:'back_name', 5)), 'stored', 'a receipt for a missing copy');
SELECT is(pg_temp.copy_state(:'back'), 'stored', 'brings it back');

-- Wrong bytes
SELECT c.object AS bad, c.share_id AS bad_share, s.name AS bad_name FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id WHERE s.name = 'kept' \gset
UPDATE disk SET sha256 = sha256('kemp') WHERE object = :'bad';
SELECT is(pg_temp.list('near'), 1::bigint, 'another digest');
SELECT results_eq($$ SELECT problem, action FROM groupshare.reconcile('near', false) $$, $$ VALUES ('mismatch', 'quarantine') $$, 'is quarantined');
SELECT results_eq($$ SELECT device, state, share, found_sha256, good_copies FROM groupshare.damaged WHERE state = 'quarantined' $$,
    $$ VALUES ('near', 'quarantined', 'kept', encode(sha256('kemp'), 'hex'), 0::bigint) $$, 'and in the view');

-- What a device finds by itself
SELECT c.object AS rotten, c.share_id AS rotten_share FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id WHERE s.name = 'staged' AND c.state = 'stored' \gset
SELECT throws_ok(format('SELECT pg_temp.damaged(%L, %L, %L)', 'near', :'rotten', '\x01'), 'GS010', NULL, 'a short digest');
SELECT pg_temp.damaged('mid', :'rotten', '') \g /dev/null
SELECT is(pg_temp.copy_state(:'rotten'), 'stored', 'another device can''t say it');
SELECT pg_temp.damaged('near', :'rotten', sha256('rot')) \g /dev/null
SELECT pg_temp.damaged('near', :'rotten', sha256('rot')) \g /dev/null
SELECT is(pg_temp.copy_state(:'rotten'), 'quarantined', 'quarantined');
SELECT results_eq(format('SELECT data ->> %L, data ->> %L, data ->> %L FROM groupshare.event WHERE data ->> %L = %L AND data ->> %L = %L',
    'state', 'device', 'copies_left', 'share', :'rotten_share', 'state', 'damaged'), $$ VALUES ('damaged', 'near', '0') $$, 'the owner is told, once');
SELECT throws_ok(format('SELECT groupshare.download_notice(%L, %L::uuid)', 'bob@example.org', :'rotten_share'), 'GS027', NULL, 'never designated');
SELECT is(pg_temp.receipt('near', :'rotten', 6, 'staged'), 'unwanted', 'no receipt brings it back');
UPDATE disk SET state = 'quarantined' WHERE object IN (:'rotten', :'bad');
SELECT is(pg_temp.list('near'), 0::bigint, 'its quarantine is no news');
SELECT groupshare.delete_share('ann@example.org', :'rotten_share') \g /dev/null
SELECT ok(pg_temp.report('near', 1000) @? format('$.work[*] ? (@.kind == "delete" && @.object == "%s")', :'rotten')::jsonpath, 'the deletion of the share removes it');

-- What a restored database has forgotten
SELECT is(pg_temp.copy_state(:'flying'), 'pending', 'pending here');
INSERT INTO disk VALUES ('near', :'flying', 6, sha256('flying'), 'stored');
SELECT is(pg_temp.list('near'), 1::bigint, 'acknowledged there');
SELECT results_eq($$ SELECT problem, action FROM groupshare.reconcile('near', false) $$, $$ VALUES ('unacknowledged', 'take receipt') $$, 'its receipt is taken again');
SELECT is(s.state, 'stored', 'stored') FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id WHERE c.object = :'flying';

-- By itself
SET LOCAL groupshare.inventory_interval = '1d';
UPDATE groupshare.inventory SET last_ended_at = now() - interval '2 days' WHERE device_id = (SELECT id FROM groupshare.device WHERE name = 'mid');
SELECT groupshare.run_maintenance() \g /dev/null
SELECT results_eq('SELECT device, state FROM groupshare.inventories ORDER BY 1', $$ VALUES ('far', 'asked'), ('mid', 'asked'), ('near', 'done') $$,
    'the worker asks who never was asked, and again after an interval');
SELECT pg_temp.announce('near', 1000, 11) \g /dev/null
SELECT groupshare.run_maintenance() \g /dev/null
SELECT is(state, 'asked', 'and after a start') FROM groupshare.inventories WHERE device = 'near';

SELECT * FROM finish();
ROLLBACK;
