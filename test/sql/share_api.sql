-- SPDX-License-Identifier: PostgreSQL
-- What the gateway calls for shares: api_upload, api_shares, api_set_share, api_delete_share, api_download.
BEGIN;
\ir include/sharing.psql
SELECT plan(63);

CREATE FUNCTION pg_temp.base64url(bytes bytea) RETURNS text LANGUAGE sql AS $$
    SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;

-- HMAC-SHA256 with a key of 32 bytes (RFC 2104).
CREATE FUNCTION pg_temp.hmac(key bytea, message bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0..31 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(key, i) # 54);
        outer_pad := set_byte(outer_pad, i, get_byte(key, i) # 92);
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || message));
END $$;

-- A session as connecting gives it.
CREATE FUNCTION pg_temp.session(who text) RETURNS text LANGUAGE sql AS $$
    SELECT body || '.' || pg_temp.base64url(pg_temp.hmac(k.key, body::bytea))
      FROM groupshare.secret k, groupshare.terminal t, groupshare.self f, LATERAL (SELECT
           pg_temp.base64url(jsonb_build_object('alg', 'HS256', 'kid', k.kid, 'typ', 'gs-session')::text::bytea) || '.' ||
           pg_temp.base64url(jsonb_build_object('iss', 'test', 'srv', f.server_id, 'sub', t.id, 'ep', t.epoch,
               'exp', floor(extract(epoch FROM now()))::bigint + 60)::text::bytea) AS body) b
     WHERE k.purpose = 'session' AND k.retired_at IS NULL AND t.identifier = who || '@example.org' $$;

CREATE FUNCTION pg_temp.upload(who text, body jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT reply || jsonb_build_object('status', status)
      FROM groupshare.api_upload(pg_temp.session(who), '192.0.2.1', 'r-1', '{}', body) $$;
CREATE FUNCTION pg_temp.shares(who text, params jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT reply FROM groupshare.api_shares(pg_temp.session(who), '192.0.2.1', 'r-2', params, NULL) $$;
CREATE FUNCTION pg_temp.show(who text, params jsonb, body jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT reply || jsonb_build_object('status', status)
      FROM groupshare.api_set_share(pg_temp.session(who), '192.0.2.1', 'r-5', params, body) $$;
CREATE FUNCTION pg_temp.remove(who text, params jsonb) RETURNS int LANGUAGE sql AS $$
    SELECT status FROM groupshare.api_delete_share(pg_temp.session(who), '192.0.2.1', 'r-3', params, NULL) $$;
CREATE FUNCTION pg_temp.download(who text, body jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT reply || jsonb_build_object('status', status)
      FROM groupshare.api_download(pg_temp.session(who), '192.0.2.1', 'r-4', '{}', body) $$;

-- Each refuses a missing and a wrong session before anything else
SELECT throws_ok(format('SELECT * FROM groupshare.api_%s(%s, NULL, NULL, %L, %L)', call, session, '{"x": 1}', '{"x": 1}'),
    'GS002', NULL, call || ' with ' || note)
    FROM unnest(ARRAY['upload', 'shares', 'set_share', 'delete_share', 'download']) call,
         (VALUES ('NULL', 'no session'), ('''a.b.c''', 'no token'), ('pg_temp.session(''ann'') || ''A''', 'a wrong signature')) v (session, note);

-- Bad input
SELECT throws_ok(format('SELECT pg_temp.upload(%L, %L)', 'ann', body), state, NULL, body) FROM (VALUES
    ('{"name": "a", "size": 1, "owner": "x"}', 'GS011'), ('{"size": 1}', 'GS010'), ('{"name": "a"}', 'GS010'),
    ('{"name": 1, "size": 1}', 'GS010'), ('{"name": "a/b", "size": 1}', 'GS010'), ('{"name": "a", "size": -1}', 'GS010'),
    ('{"name": "a", "size": 1.5}', 'GS010'), ('{"name": "a", "size": 9007199254740992}', 'GS010'),
    ('{"name": "a", "size": 1, "groups": []}', 'GS010'), ('{"name": "a", "size": 1, "groups": ["x"]}', 'GS010'),
    ('{"name": "a", "size": 1, "sha256": "00"}', 'GS010'), ('{"name": "a", "size": 1, "avoid": [1]}', 'GS010')) v (body, state);
SELECT throws_ok($$ SELECT pg_temp.upload('ann', NULL) $$, 'GS010', NULL, 'no body');

-- Upload
SELECT pg_temp.upload('ann', format('{"name": "film", "size": 3, "sha256": "%s", "avoid": ["mid", "far"]}',
    encode(sha256('film'), 'hex'))::jsonb) AS film \gset
SELECT is(ARRAY(SELECT jsonb_object_keys(:'film'::jsonb) ORDER BY 1), ARRAY['device', 'expires_at', 'object', 'reservation_expires_at',
    'share', 'state', 'status', 'ticket', 'url'], 'what a notice answers');
SELECT is((:'film'::jsonb ->> 'status')::int, 201, '201');
SELECT is((pg_temp.upload('ann', '{"name": "film", "size": 3}') ->> 'object')::uuid, (:'film'::jsonb ->> 'object')::uuid, 'again: the same');
SELECT is(peer, '192.0.2.1'::inet, 'the audit row knows the peer') FROM groupshare.audit WHERE request_id = 'r-1' ORDER BY id LIMIT 1;
SELECT throws_ok($$ SELECT pg_temp.download('ann', '{"owner": "ann@example.org", "name": "film"}') $$, 'GS024', NULL, 'pending');
SELECT is(pg_temp.receipt('near', (:'film'::jsonb ->> 'object')::uuid, 3, 'film'), 'stored', 'received');
SELECT is(pg_temp.upload('ann', '{"name": "film", "size": 3}'),
    jsonb_build_object('share', :'film'::jsonb ->> 'share', 'state', 'stored', 'device', 'near', 'status', 200), 'stored: 200');

-- Download
SELECT is(pg_temp.download('bob', jsonb_build_object('share', :'film'::jsonb ->> 'share')) - '{ticket,expires_at}'::text[],
    jsonb_build_object('share', :'film'::jsonb ->> 'share', 'name', 'film', 'owner', 'ann@example.org', 'size', 3,
        'sha256', encode(sha256('film'), 'hex'), 'device', 'near', 'url', :'film'::jsonb ->> 'url', 'status', 200,
        'alternates', '[]'::jsonb), 'the designation');
SELECT is(pg_temp.download('bob', '{"owner": "ANN@example.org", "name": "film"}') ->> 'share', :'film'::jsonb ->> 'share', 'by name');
SELECT throws_ok(format('SELECT pg_temp.download(%L, %L)', who, body), state, NULL, who || ' ' || body) FROM (VALUES
    ('eve', '{"owner": "ann@example.org", "name": "film"}', 'GS012'), ('bob', '{"owner": "ann@example.org", "name": "x"}', 'GS012'),
    ('bob', '{"owner": "ann@example.org"}', 'GS010'), ('bob', '{}', 'GS010'),
    ('bob', '{"share": "00000000-0000-0000-0000-000000000000", "name": "film"}', 'GS010')) v (who, body, state);

-- Share list, by pages
SELECT pg_temp.upload('ann', format('{"name": "%s", "size": 1, "groups": ["%s"]}', name, pg_temp.group_id('friends'))::jsonb)
    FROM unnest(ARRAY['album', 'zoo']) name \g /dev/null
SELECT is((SELECT jsonb_agg(s -> 'name') FROM jsonb_array_elements(pg_temp.shares('ann') -> 'shares') s), '["album", "film", "zoo"]',
    'the share list');
SELECT is((pg_temp.shares('ann') -> 'shares' -> 1) - '{created_at,stored_at}'::text[], jsonb_build_object('id', :'film'::jsonb ->> 'share',
    'name', 'film', 'size', 3, 'sha256', encode(sha256('film'), 'hex'), 'state', 'stored', 'devices', '["near"]'::jsonb,
    'groups', 'all'), 'an entry');
SELECT is(pg_temp.shares('ann') #> '{shares,0,groups}', jsonb_build_array(pg_temp.group_id('friends')), 'chosen groups');
SELECT is(pg_temp.shares('ann') -> 'next', 'null', 'no next page');
SELECT is(pg_temp.shares('ann', '{"limit": "2"}') ->> 'next', 'film', 'the next page begins after');
SELECT is((SELECT jsonb_agg(s -> 'name') FROM jsonb_array_elements(pg_temp.shares('ann', '{"limit": "2", "after": "film"}') -> 'shares') s),
    '["zoo"]', 'the last page');
SELECT is(pg_temp.shares('eve'), '{"shares": [], "next": null}', 'an empty list');
SELECT throws_ok($$ SELECT pg_temp.shares('ann', '{"limit": "101"}') $$, 'GS010', NULL, 'a page too large');
SELECT throws_ok($$ SELECT pg_temp.shares('ann', '{"offset": "1"}') $$, 'GS011', NULL, 'an unknown parameter');

-- Who sees it
SELECT jsonb_build_object('share', :'film'::jsonb ->> 'share') AS film_id \gset
SELECT throws_ok(format('SELECT pg_temp.show(%L, %L, %L)', who, :'film_id', body), state, NULL, who || ' ' || coalesce(body, 'no body')) FROM (VALUES
    ('bob', '{"groups": "all"}', 'GS012'), ('ann', NULL, 'GS010'), ('ann', '{}', 'GS010'), ('ann', '{"groups": []}', 'GS010'),
    ('ann', '{"groups": "some"}', 'GS010'), ('ann', '{"groups": ["x"]}', 'GS010'), ('ann', '{"groups": "all", "x": 1}', 'GS011')) v (who, body, state);
SELECT is(pg_temp.show('ann', :'film_id', jsonb_build_object('groups', jsonb_build_array(pg_temp.group_id('others')))),
    jsonb_build_object('share', :'film'::jsonb ->> 'share', 'groups', jsonb_build_array(pg_temp.group_id('others')), 'status', 200), 'in another group');
SELECT throws_ok($$ SELECT pg_temp.download('bob', '{"owner": "ann@example.org", "name": "film"}') $$, 'GS012', NULL, 'out of sight where it was');
SELECT is(pg_temp.show('ann', :'film_id', '{"groups": "all"}') -> 'groups', '"all"', 'in all again');

-- Deletion
SELECT throws_ok(format('SELECT pg_temp.remove(%L, %L)', 'bob', jsonb_build_object('share', :'film'::jsonb ->> 'share')), 'GS012', NULL,
    'only by the owner');
SELECT is(pg_temp.remove('ann', jsonb_build_object('share', :'film'::jsonb ->> 'share')), 204, '204');

SELECT * FROM finish();
ROLLBACK;
