-- SPDX-License-Identifier: PostgreSQL
-- Adding terminals, enrolment codes, enrolment, revocation.
\ir fixture/start.psql
SELECT plan(34);

CREATE FUNCTION pg_temp.enroll(terminal text, code text) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT pg_temp.call_with(NULL, 'enroll', '{}', jsonb_build_object('terminal', $1, 'code', $2,
              'public_key', pg_temp.b64url(sha256($1::bytea)))) $$;

SELECT groupshare.add_terminal('Eve@x.org') AS code \gset
SELECT matches(:'code'::text, '^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$', 'a code to read out: 80 bits in base 32');
SELECT ok(NOT EXISTS (SELECT 1 FROM groupshare.enrolment_code c WHERE c::text LIKE '%' || :'code' || '%'), 'it is not kept');
SELECT throws_ok($$ SELECT groupshare.add_terminal('eve@x.org') $$, 'GS015', NULL, 'a known terminal is not added again');
SELECT throws_ok($$ SELECT groupshare.add_terminal('mal@x.org', 'gold') $$, 'GS012', NULL, 'not on a plan that is not there');
SELECT throws_ok($$ SELECT groupshare.add_terminal('mal') $$, 'GS010', NULL, 'not by a bad identifier');

SELECT pg_temp.enroll('eve@x.org', 'AAAA-AAAA-AAAA-AAAA') AS wrong \gset
SELECT is(:'wrong'::jsonb -> 'reply' ->> 'sqlstate', 'GS003', 'a wrong code fails');
SELECT is(pg_temp.status(:'wrong'), '403', 'with the status of it');
SELECT is(pg_temp.enroll('nobody@x.org', 'AAAA-AAAA-AAAA-AAAA'), :'wrong'::jsonb, 'an unknown terminal looks the same');
SELECT is((SELECT failures FROM groupshare.enrolment_code WHERE terminal_id = pg_temp.id('eve@x.org')), 1, 'the failure is counted');
SELECT throws_ok($$ SELECT groupshare.enroll('eve@x.org', 'x', sha256('k')) $$, 'GS003', NULL, 'the typed function raises');
SELECT throws_ok($$ SELECT pg_temp.call_with(NULL, 'enroll', '{}', '{"terminal":"eve@x.org","code":"x","public_key":"AAAA"}') $$,
    'GS010', NULL, 'a key that is none is refused');
SELECT throws_ok($$ SELECT pg_temp.call_with(NULL, 'enroll', '{}', '{"terminal":"eve@x.org"}') $$, 'GS010', NULL, 'a code is needed');
SELECT throws_ok($$ SELECT pg_temp.call_with(NULL, 'enroll') $$, 'GS010', NULL, 'a body is needed');
SELECT throws_ok($$ SELECT pg_temp.call_with(NULL, 'enroll', '{}', '{"terminal":"eve@x.org","admin":true}') $$, 'GS011', NULL,
    'an unknown member is refused');

SELECT is(pg_temp.enroll('EVE@x.org', lower(replace(:'code', '-', ' '))) -> 'reply',
    '{"terminal":"eve@x.org","server":"here"}', 'the right code, typed sloppily, enrols');
SELECT is((SELECT public_key FROM groupshare.terminal WHERE identifier = 'eve@x.org'), sha256('EVE@x.org'), 'the key is kept');
SELECT is(pg_temp.enroll('eve@x.org', :'code'), :'wrong'::jsonb, 'a code works once');
SELECT results_eq($$ SELECT action, subject, request_id, host(peer) FROM groupshare.audit_log WHERE action = 'enroll' $$,
    $$ VALUES ('enroll', 'eve@x.org', 'test-request', '192.0.2.1') $$, 'it is in the audit log');

SELECT pg_temp.session('eve@x.org') AS old \gset
SELECT groupshare.new_enrolment_code('eve@x.org') AS code \gset
SELECT is(pg_temp.status(pg_temp.call_with(:'old', 'my_groups')), '200', 'a new code by itself changes nothing');
SELECT is(pg_temp.status(pg_temp.enroll('eve@x.org', :'code')), '201', 'enrolled again with another code');
SELECT throws_ok(format('SELECT pg_temp.call_with(%L, %L)', :'old', 'my_groups'), 'GS002', NULL, 'the old key''s sessions are dead');

SELECT groupshare.new_enrolment_code('eve@x.org') AS code \gset
SELECT count(pg_temp.enroll('eve@x.org', 'wrong')) FROM generate_series(1, 9) \gset
SELECT is((SELECT failures FROM groupshare.enrolment_code WHERE terminal_id = pg_temp.id('eve@x.org')), 9, 'nine failures');
SAVEPOINT nine;
SELECT is(pg_temp.status(pg_temp.enroll('eve@x.org', :'code')), '201', 'leave the code alive');
ROLLBACK TO nine;
SELECT is(pg_temp.status(pg_temp.enroll('eve@x.org', 'wrong')), '403', 'a tenth');
SELECT is(pg_temp.enroll('eve@x.org', :'code'), :'wrong'::jsonb, 'wears it out');

SELECT groupshare.new_enrolment_code('eve@x.org') AS code \gset
UPDATE groupshare.enrolment_code SET expires_at = now() - interval '1 s';
SELECT is(pg_temp.enroll('eve@x.org', :'code'), :'wrong'::jsonb, 'an expired code fails');

SELECT pg_temp.session('eve@x.org') AS old \gset
SELECT groupshare.new_enrolment_code('eve@x.org') AS code \gset
SELECT groupshare.revoke_terminal('eve@x.org');
SELECT throws_ok(format('SELECT pg_temp.call_with(%L, %L)', :'old', 'my_groups'), 'GS002', NULL, 'revoked: the next request fails');
SELECT throws_ok($$ SELECT pg_temp.call('eve@x.org', 'my_groups') $$, 'GS002', NULL, 'also with a session of the new epoch');
SELECT is(pg_temp.enroll('eve@x.org', :'code'), :'wrong'::jsonb, 'its code is void');
SELECT throws_ok($$ SELECT groupshare.new_enrolment_code('eve@x.org') $$, 'GS015', NULL, 'no new code for it');
SELECT lives_ok($$ SELECT groupshare.revoke_terminal('eve@x.org') $$, 'revoking twice is no error');
SELECT groupshare.add_terminal('eve@x.org') AS code \gset
SELECT throws_ok(format('SELECT pg_temp.call_with(%L, %L)', :'old', 'my_groups'), 'GS002', NULL, 'taken back: the old session stays dead');
SELECT is(pg_temp.status(pg_temp.enroll('eve@x.org', :'code')), '201', 'and it enrols anew');
SELECT throws_ok($$ SELECT groupshare.revoke_terminal('nobody@x.org') $$, 'GS012', NULL, 'no revoking of an unknown one');

SELECT * FROM finish();
ROLLBACK;
