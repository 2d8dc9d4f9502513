-- SPDX-License-Identifier: PostgreSQL
-- Challenge and connect, with real Ed25519 signatures by openssl.
\ir fixture/start.psql
SELECT plan(23);

-- :ann_key, :bob_key: public keys in hex. sign: set :text first; :signature is base64url.
\set dir `d=$(mktemp -d) && for t in ann bob; do openssl genpkey -algorithm ED25519 -out $d/$t.pem; done; echo $d`
\setenv DIR :dir
\set ann_key `openssl pkey -in "$DIR/ann.pem" -pubout -outform DER | tail -c 32 | od -An -v -tx1 | tr -d ' \n'`
\set bob_key `openssl pkey -in "$DIR/bob.pem" -pubout -outform DER | tail -c 32 | od -An -v -tx1 | tr -d ' \n'`
UPDATE groupshare.terminal SET public_key = decode(:'ann_key', 'hex'), enrolled_at = now() WHERE identifier = 'ann@x.org';
UPDATE groupshare.terminal SET public_key = decode(:'bob_key', 'hex'), enrolled_at = now() WHERE identifier = 'bob@x.org';

CREATE FUNCTION pg_temp.connect(terminal text, challenge text, signature text) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT pg_temp.call_with(NULL, 'connect', '{}', jsonb_build_object('terminal', $1, 'challenge', $2, 'signature', $3)) $$;
CREATE FUNCTION pg_temp.refused(terminal text, challenge text, signature text, why text) RETURNS text LANGUAGE sql
    AS $$ SELECT throws_ok(format('SELECT pg_temp.connect(%L, %L, %L)', $1, $2, $3), 'GS001', 'the connection failed', $4) $$;

SELECT pg_temp.call_with(NULL, 'challenge', '{}', '{"terminal":"Ann@x.org"}') AS answer \gset
SELECT is(pg_temp.status(:'answer'), '200', 'a challenge');
SELECT pg_temp.call_with(NULL, 'challenge', '{}', '{"terminal":"nobody@x.org"}') AS other \gset
SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(:'other'::jsonb -> 'reply') k), '{challenge,expires_at}'::text[],
    'an unknown terminal gets the same');
SELECT :'answer'::jsonb -> 'reply' ->> 'challenge' AS challenge \gset
\setenv TEXT :challenge
\set signature `printf %s "$TEXT" > "$DIR/text"; openssl pkeyutl -sign -rawin -inkey "$DIR/ann.pem" -in "$DIR/text" | base64 -w0 | tr '+/' '-_' | tr -d '='`
\set bobs `openssl pkeyutl -sign -rawin -inkey "$DIR/bob.pem" -in "$DIR/text" | base64 -w0 | tr '+/' '-_' | tr -d '='`

SELECT pg_temp.refused('ann@x.org', :'challenge', :'bobs', 'another key');
SELECT pg_temp.refused('ann@x.org', :'challenge', repeat('A', 86), 'a signature of zeros');
SELECT pg_temp.refused('bob@x.org', :'challenge', :'bobs', 'a challenge of another terminal');
SELECT pg_temp.refused('nobody@x.org', :'challenge', :'signature', 'an unknown terminal');
SELECT pg_temp.refused('cid@x.org', :'challenge', :'signature', 'a terminal that is not enrolled');
SELECT pg_temp.refused('ann@x.org', 'no challenge', :'signature', 'no challenge at all');
SELECT pg_temp.refused('ann@x.org', pg_temp.session('ann@x.org'), :'signature', 'a session in its place');
SELECT pg_temp.refused('ann@x.org', left(:'challenge', -1), :'signature', 'a challenge cut short');
SELECT throws_ok(format('SELECT pg_temp.connect(%L, %L, %L)', 'ann@x.org', :'challenge', 'AA'), 'GS010', NULL, 'no signature by its form');

UPDATE groupshare.plan SET sharing = false;
SELECT pg_temp.refused('ann@x.org', :'challenge', :'signature', 'no permission by the plan');
UPDATE groupshare.plan SET sharing = true;
SAVEPOINT revoked;
SELECT groupshare.revoke_terminal('ann@x.org');
SELECT pg_temp.refused('ann@x.org', :'challenge', :'signature', 'a revoked terminal');
ROLLBACK TO revoked;
SAVEPOINT rotated;
SELECT groupshare.rotate_secrets(true);
SELECT pg_temp.refused('ann@x.org', :'challenge', :'signature', 'a challenge by a key that is gone');
ROLLBACK TO rotated;

SELECT is((SELECT count(*) FROM groupshare.used_challenge), 0::bigint, 'refusals write nothing');
SELECT pg_temp.connect('ANN@x.org', :'challenge', :'signature') AS answer \gset
SELECT is(pg_temp.status(:'answer'), '200', 'none of them used the challenge up: now it connects');
SELECT is((:'answer'::jsonb -> 'reply') - 'session' - 'expires_at',
    '{"server":"here","terminal":"ann@x.org","groups":[],"next":null,"in_group":false}', 'in no group: the answer says so');
SELECT is(pg_temp.status(pg_temp.call_with(:'answer'::jsonb -> 'reply' ->> 'session', 'my_groups')), '200', 'its session is good');
SELECT pg_temp.refused('ann@x.org', :'challenge', :'signature', 'a challenge is good once');

SELECT pg_temp.group_of_ann('Friends', 'anyone') AS g \gset
SELECT groupshare.challenge('ann@x.org') AS challenge \gset
\setenv TEXT :challenge
\set signature `printf %s "$TEXT" > "$DIR/text"; openssl pkeyutl -sign -rawin -inkey "$DIR/ann.pem" -in "$DIR/text" | od -An -v -tx1 | tr -d ' \n'`
SAVEPOINT typed;
SELECT is(pg_temp.status(pg_temp.call_with(groupshare.connect('ann@x.org', :'challenge', decode(:'signature', 'hex')), 'my_groups')), '200',
    'the typed function connects');
ROLLBACK TO typed;
SELECT pg_temp.connect('ann@x.org', :'challenge', pg_temp.b64url(decode(:'signature', 'hex'))) AS answer \gset
SELECT is(:'answer'::jsonb -> 'reply' -> 'groups' -> 0 ->> 'name', 'Friends', 'in a group: the answer is the group info');
SELECT is(:'answer'::jsonb -> 'reply' ->> 'in_group', 'true', 'and says so');

SET LOCAL groupshare.challenge_lifetime = '1s';
SELECT groupshare.challenge('ann@x.org') AS challenge \gset
\setenv TEXT :challenge
\set signature `printf %s "$TEXT" > "$DIR/text"; openssl pkeyutl -sign -rawin -inkey "$DIR/ann.pem" -in "$DIR/text" | base64 -w0 | tr '+/' '-_' | tr -d '='`
SELECT pg_sleep(2.1) \gset
SELECT pg_temp.refused('ann@x.org', :'challenge', :'signature', 'an expired challenge');

\! rm -rf "$DIR"
SELECT * FROM finish();
ROLLBACK;
