-- SPDX-License-Identifier: PostgreSQL
-- The check of a session: one look-up sees signature, expiry, epoch, revocation, subscription.
\ir fixture/start.psql
SELECT plan(29);

CREATE FUNCTION pg_temp.refused(session text, why text) RETURNS text LANGUAGE sql
    AS $$ SELECT throws_ok(format('SELECT pg_temp.call_with(%L, %L)', $1, 'my_groups'), 'GS002', NULL, $2) $$;

SELECT is(pg_temp.status(pg_temp.call('ann@x.org', 'my_groups')), '200', 'a good session');
SELECT is(pg_temp.call('ann@x.org', 'my_groups') -> 'reply' ->> 'terminal', 'ann@x.org', 'is the terminal''s that it names');
SELECT pg_temp.refused(NULL, 'none');
SELECT pg_temp.refused('', 'empty');
SELECT pg_temp.refused('a.b.c', 'no token');
SELECT pg_temp.refused(repeat('a', 5000), 'too long');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', jsonb_build_object('exp', extract(epoch FROM now())::bigint - 2)), 'expired');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{"exp":"never"}'), 'expiry no number');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{"ep":0}'), 'another epoch');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{"ep":4294967297}'), 'an epoch beyond the type');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{"ep":null}'), 'no epoch');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{"sub":"x"}'), 'no terminal');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{"sub":"11111111-1111-4111-8111-111111111111"}'), 'an unknown terminal');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{"srv":"11111111-1111-4111-8111-111111111111"}'), 'another server');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{}', '{"alg":"none"}'), 'alg none');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{}', '{"typ":"gs-ticket"}'), 'another kind of token');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{}', '{"kid":"x"}'), 'an unknown key');
SELECT pg_temp.refused(pg_temp.session('ann@x.org', '{}', jsonb_build_object('kid',
    (SELECT kid FROM groupshare.secret WHERE purpose = 'challenge'))), 'the key of challenges');
SELECT pg_temp.refused(overlay(pg_temp.session('ann@x.org') PLACING 'A' FROM 120 FOR 1) || '', 'a changed character')
 WHERE substr(pg_temp.session('ann@x.org'), 120, 1) <> 'A';
SELECT pg_temp.refused(split_part(a, '.', 1) || '.' || split_part(b, '.', 2) || '.' || split_part(a, '.', 3), 'another''s claims')
  FROM (SELECT pg_temp.session('ann@x.org') AS a, pg_temp.session('bob@x.org') AS b) s;

-- The order of complaints tells a stranger nothing.
SELECT throws_ok($$ SELECT pg_temp.call_with('x', 'my_groups', '{"nonsense":"1"}') $$, 'GS002', NULL, 'the session comes before the parameters');
SELECT throws_ok($$ SELECT pg_temp.call('ann@x.org', 'my_groups', '{"nonsense":"1"}') $$, 'GS011', NULL, 'an unknown parameter');
SELECT throws_ok($$ SELECT pg_temp.call('ann@x.org', 'my_groups', '{}', '{"a":1}') $$, 'GS011', NULL, 'a body where none belongs');
SELECT throws_ok($$ SELECT pg_temp.call('ann@x.org', 'my_groups', '{}', '[]') $$, 'GS010', NULL, 'a body that is no object');
SELECT is(pg_temp.status(pg_temp.call('ann@x.org', 'my_groups', '{}', '{}')), '200', 'an empty object is fine');

UPDATE groupshare.plan SET sharing = false;
SELECT pg_temp.refused(pg_temp.session('ann@x.org'), 'the plan''s permission taken away');
UPDATE groupshare.plan SET sharing = true;
INSERT INTO groupshare.plan (name, sharing) VALUES ('none', false);
SELECT groupshare.set_terminal_plan('ann@x.org', 'none');
SELECT pg_temp.refused(pg_temp.session('ann@x.org'), 'a plan without permission');
SELECT groupshare.set_terminal_plan('ann@x.org', 'standard');
SELECT is(pg_temp.status(pg_temp.call('ann@x.org', 'my_groups')), '200', 'and back');
SELECT throws_ok($$ SELECT groupshare.set_terminal_plan('ann@x.org', 'gold') $$, 'GS012', NULL, 'no plan of that name');

SELECT * FROM finish();
ROLLBACK;
