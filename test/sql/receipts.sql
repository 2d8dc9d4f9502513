-- SPDX-License-Identifier: PostgreSQL
-- Several receipts in one call: each has its own outcome, and all are one transaction.
BEGIN;
\ir include/sharing.psql
SELECT plan(25);

CREATE FUNCTION pg_temp.receipts(device text, objects uuid[], sizes bigint[], contents text[], epoch bigint DEFAULT 10)
RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.as_device(device, format('SELECT groupshare.device_receipts(%s, %L, %L, %L)', epoch, objects, sizes,
        ARRAY(SELECT sha256(content::bytea) FROM unnest(contents) WITH ORDINALITY u (content, n) ORDER BY n))) $$;
CREATE FUNCTION pg_temp.state_of(object uuid) RETURNS text LANGUAGE sql AS $$
    SELECT s.state || ' ' || c.state FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id
     WHERE c.object = state_of.object $$;

SELECT pg_temp.announce(d, 1000, 10) FROM unnest(ARRAY['near', 'mid', 'far']) d \g /dev/null
SELECT object AS a, share AS share_a FROM groupshare.upload_notice('ann@example.org', 'a', 10, avoid => '{mid,far}') \gset
SELECT object AS b FROM groupshare.upload_notice('ann@example.org', 'b', 20, sha256('b'), avoid => '{mid,far}') \gset
SELECT object AS c FROM groupshare.upload_notice('bob@example.org', 'c', 30, avoid => '{mid,far}') \gset
SELECT object AS d FROM groupshare.upload_notice('bob@example.org', 'd', 40, avoid => '{mid,far}') \gset
SELECT object AS e, share AS share_e FROM groupshare.upload_notice('ann@example.org', 'e', 50, avoid => '{mid,far}') \gset
SELECT object AS elsewhere FROM groupshare.upload_notice('ann@example.org', 'f', 60, avoid => '{near,far}') \gset
SELECT groupshare.delete_share('ann@example.org', :'share_e') \g /dev/null
SELECT is(pg_temp.available('near'), 900::bigint, 'promised');

-- Refused as a whole
SELECT throws_ok(format('SELECT pg_temp.as_device(%L, %L)', 'near', 'SELECT groupshare.device_receipts(10, ' || args || ')'), 'GS010', NULL, note)
    FROM (VALUES ($$'{}', '{}', '{}'$$, 'none'),
        ($$ARRAY[gen_random_uuid()], '{1,2}', ARRAY[sha256('x')]$$, 'sizes too many'),
        ($$ARRAY[gen_random_uuid()], '{1}', '{}'$$, 'a digest too few'),
        ($$ARRAY[gen_random_uuid()], '{NULL}', ARRAY[sha256('x')]$$, 'a null'),
        ($$ARRAY[gen_random_uuid()], '{-1}', ARRAY[sha256('x')]$$, 'a negative size'),
        ($$ARRAY[gen_random_uuid()], '{1}', '{x}'$$, 'a short digest'),
        ($$array_fill(gen_random_uuid(), ARRAY[101]), array_fill(1::bigint, ARRAY[101]), array_fill(sha256('x'), ARRAY[101])$$, 'more than 100')) v (args, note);
SELECT throws_ok(format($$ SELECT pg_temp.receipts('near', '{%1$s,%1$s}', '{10,10}', '{a,a}') $$, :'a'), 'GS010', NULL, 'one twice');
SELECT throws_ok(format($$ SELECT pg_temp.receipts('near', '{%s}', '{10}', '{a}', 9) $$, :'a'), 'GS031', NULL, 'an older epoch');
SELECT throws_ok(format($$ SELECT pg_temp.receipts('near', '{%s}', '{10}', '{a}', 11) $$, :'a'), 'GS033', NULL, 'a newer one');
SELECT is(pg_temp.state_of(:'a'), 'pending pending', 'nothing came of any of it');

-- Each its own outcome
SELECT is(pg_temp.receipts('near', ARRAY[:'a', :'b', :'c', :'e', :'elsewhere', gen_random_uuid(), :'d']::uuid[], '{10,20,31,50,60,1,40}', '{a,x,c,e,f,g,d}'),
    '{stored,mismatch,mismatch,unwanted,unwanted,unwanted,stored}', 'good, another digest, another size, deleted, another device''s, unknown, good');
SELECT is(pg_temp.state_of(:'a'), 'stored stored', 'the first'); SELECT is(pg_temp.state_of(:'d'), 'stored stored', 'the last');
SELECT is(pg_temp.state_of(o), 'pending pending', 'not the others') FROM unnest(ARRAY[:'b', :'c', :'elsewhere']::uuid[]) o;
SELECT is(state, 'settled', 'a settled reservation') FROM groupshare.reservation WHERE object IN (:'a', :'d');
SELECT results_eq($$ SELECT reserved_bytes::bigint, settled_bytes::bigint FROM groupshare.device_ledger l JOIN groupshare.device d ON d.id = l.device_id WHERE d.name = 'near' $$,
    $$ VALUES (50::bigint, 50::bigint) $$, 'the ledger has moved what came, and no more');
SELECT results_eq($$ SELECT subject FROM groupshare.audit WHERE action = 'stored' ORDER BY 1 $$,
    format('SELECT s.id::text FROM groupshare.share s WHERE s.name IN (%L, %L) ORDER BY 1', 'a', 'd'), 'the audit has those two');

-- Again
SELECT is(pg_temp.receipts('near', ARRAY[:'a', :'b', :'d']::uuid[], '{10,20,40}', '{a,b,d}'), '{stored,stored,stored}', 'repeated, with one that was not right');
SELECT results_eq($$ SELECT reserved_bytes::bigint, settled_bytes::bigint FROM groupshare.device_ledger l JOIN groupshare.device d ON d.id = l.device_id WHERE d.name = 'near' $$,
    $$ VALUES (30::bigint, 70::bigint) $$, 'settled once');
SELECT is(pg_temp.receipt('near', :'b', 20, 'b'), 'stored', 'device_receipt says the same');

SELECT * FROM finish();
ROLLBACK;
