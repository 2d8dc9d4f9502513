-- SPDX-License-Identifier: PostgreSQL
-- Many who lose their rights at once are told to a device page by page: no more is written than it can be told, nothing is lost
-- with a reply, and what comes meanwhile comes after.
BEGIN;
\ir include/sharing.psql
SET LOCAL jit = off; -- many rows make plans dear enough to be compiled
SELECT plan(22);
INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, 'm' || i || '@example.org', 'standard' FROM groupshare.self, generate_series(1, 2300) i;
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT pg_temp.group_id('friends'), id, home, 'member', now() FROM groupshare.terminal WHERE identifier LIKE 'm%';
UPDATE groupshare.terminal SET public_key = sha256(identifier::bytea), enrolled_at = now() WHERE identifier IN ('eve@example.org', 'bob@example.org');

-- What each device was told, page by page; `done` says whether it tells what it has done.
CREATE TEMP TABLE told (device text, page int, n bigint, id bigint, terminal uuid, kind text);
CREATE FUNCTION pg_temp.page(device text, page int, done boolean, work jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO told SELECT device, page, n, (w ->> 'id')::bigint, (w ->> 'terminal')::uuid, w ->> 'kind' FROM jsonb_array_elements(work) WITH ORDINALITY e (w, n);
    IF done THEN
        PERFORM pg_temp.as_device(device, format('SELECT groupshare.device_work_done(%s, ARRAY(SELECT (w ->> %L)::bigint FROM jsonb_array_elements(%L) w))',
            (SELECT l.epoch FROM groupshare.device_ledger l JOIN groupshare.device d ON d.id = l.device_id WHERE d.name = device), 'id', work));
    END IF;
    RETURN jsonb_array_length(work) || ' of ' || (SELECT count(*) FROM groupshare.device_work w JOIN groupshare.device d ON d.id = w.device_id WHERE d.name = device);
END $$;
CREATE FUNCTION pg_temp.next(device text, page int, done boolean DEFAULT true, epoch bigint DEFAULT 10) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.page(device, page, done, pg_temp.report(device, 1000, epoch => epoch) -> 'work') $$;
CREATE FUNCTION pg_temp.wrong(device text) RETURNS TABLE (terminal uuid, times bigint) LANGUAGE sql AS $$
    SELECT coalesce(r.terminal_id, t.terminal), count(t.terminal) FROM (SELECT DISTINCT terminal_id FROM groupshare.revocation) r
      FULL JOIN (SELECT DISTINCT t.id, t.terminal FROM told t WHERE t.device = $1 AND t.kind = 'revoke') t ON t.terminal = r.terminal_id
     GROUP BY 1, r.terminal_id HAVING count(t.terminal) <> 1 OR r.terminal_id IS NULL $$;

SELECT groupshare.dissolve_group(pg_temp.group_id('friends'));
SELECT is(count(*), 2302::bigint, 'one row for each that was a member') FROM groupshare.revocation;
SELECT is(pg_temp.next('near', 1, false), '1000 of 1000', 'a page is told, and no more is written');
SELECT is(pg_temp.next('near', 2), '1000 of 1000', 'a lost reply costs none of it');
SELECT is((SELECT array_agg(id ORDER BY n) FROM told WHERE page = 1), (SELECT array_agg(id ORDER BY n) FROM told WHERE page = 2), 'the same is told again');
SELECT groupshare.revoke_terminal('eve@example.org') \g /dev/null
SELECT is(pg_temp.next('near', 3), '1000 of 2000', 'what is done makes room for the next page');
SELECT is(pg_temp.page('near', 4, false, pg_temp.announce('near', 1000, 11) -> 'work'), '1000 of 2000', 'a new start begins with a full page of what is in force');
SELECT is(pg_temp.page('near', 5, true, pg_temp.announce('near', 1000, 12) -> 'work'), '1000 of 2000', 'and so does the next');
SELECT is(count(*), 0::bigint, 'none of it out of turn') FROM told JOIN groupshare.terminal t ON t.id = told.terminal WHERE t.identifier = 'eve@example.org';
SELECT is(pg_temp.next('near', 6, epoch => 12), '1000 of 2000', 'page by page');
SELECT is(pg_temp.next('near', 7, epoch => 12), '303 of 2303', 'to what came meanwhile');
SELECT is(pg_temp.next('near', 8, epoch => 12), '0 of 2303', 'then there is no more');
SELECT is_empty($$ SELECT * FROM pg_temp.wrong('near') $$, 'each of them was told, by one item');
SELECT is(d.seen IS NOT NULL AND d.target IS NULL AND d.reached_xid IS NULL, true, 'nothing is under way any more')
  FROM groupshare.device_heard d JOIN groupshare.device v ON v.id = d.device_id WHERE v.name = 'near';

-- A device that is told objects by the thousand hears of terminals as it gets through with those.
INSERT INTO groupshare.device_work (device_id, kind, object) SELECT d.id, 'revoke', gen_random_uuid() FROM groupshare.device d, generate_series(1, 1500) WHERE d.name = 'far';
SELECT is(pg_temp.next('far', 1), '1000 of 1500', 'objects first');
SELECT is(pg_temp.next('far', 2), '1000 of 2000', 'then both');
SELECT is(pg_temp.next('far', 3), '1000 of 3000', 'then terminals');
SELECT is(pg_temp.next('far', 4), '803 of 3803', 'all of them');
SELECT is(pg_temp.next('far', 5), '0 of 3803', 'once');
SELECT is_empty($$ SELECT * FROM (SELECT terminal FROM told WHERE device = 'far' AND terminal IS NOT NULL EXCEPT ALL SELECT terminal_id FROM groupshare.revocation
    UNION ALL SELECT terminal_id FROM groupshare.revocation EXCEPT ALL SELECT terminal FROM told WHERE device = 'far') x $$, 'each once');

-- A page that is exactly full: the next report finds that it was the last.
DELETE FROM groupshare.revocation;
INSERT INTO groupshare.revocation (terminal_id) SELECT gen_random_uuid() FROM generate_series(1, 1000);
SELECT is(pg_temp.next('far', 6), '1000 of 4803', 'a thousand');
SELECT is(pg_temp.next('far', 7), '0 of 4803', 'and no more');
SELECT is(d.target IS NULL, true, 'the device has come to the end') FROM groupshare.device_heard d JOIN groupshare.device v ON v.id = d.device_id WHERE v.name = 'far';
SELECT * FROM finish();
ROLLBACK;
