-- SPDX-License-Identifier: PostgreSQL
-- What may be called what.
\ir fixture/start.psql
SELECT plan(78);

SELECT ok(groupshare.is_identifier(i), 'identifier: ' || i) FROM unnest(ARRAY['+8613800138000', '+1234567', '+123456789012345',
    'a@b', 'first.last+tag@mail.example.org', 'o''brien@x.org', repeat('a', 64) || '@x.org']) i;
SELECT ok(NOT groupshare.is_identifier(i), 'no identifier: ' || to_json(left(i, 40))) FROM unnest(ARRAY['', '+', '+123456', '+0123456789',
    '+1234567890123456', '13800138000', '+86 138 0013 8000', '+86138001380a0', 'a', '@', 'a@', '@b', 'a@@b', 'a b@c', '.a@b', 'a.@b',
    'a..b@c', 'a@-b', 'a@b-', 'a@b..c', 'A@b', 'é@b', E'a@b\n', repeat('a', 65) || '@x.org', 'a@' || repeat('b', 64),
    'a@' || repeat('b.', 130) || 'c']) i;
SELECT is(groupshare.normalize_identifier('Ann.B@X.Org'), 'ann.b@x.org', 'an address is lower-cased');
SELECT throws_ok($$ SELECT groupshare.normalize_identifier('ann') $$, 'GS010', NULL, 'what is none is refused');

SELECT ok(groupshare.is_share_name(n), 'name: ' || n) FROM unnest(ARRAY['a', 'film.mkv', '...', ' ', 'é', '日本語', 'CON', 'a\b', '-rf',
    '''; DROP TABLE share; --', '%41', '👩‍👩‍👧', repeat('x', 255)]) n;
SELECT ok(NOT groupshare.is_share_name(n), 'no name: ' || to_json(left(n, 20))::text) FROM unnest(ARRAY['', '.', '..', 'a/b', '/', E'a\nb',
    E'\x01', E'\x7f', E'a\u0085', E'e\u0301', E'a\u202eb', E'\u2066x', E'x\u200f', E'\u2028', E'\ufeff', repeat('x', 256),
    repeat('é', 128)]) n;
SELECT ok(groupshare.is_name('a/b') AND groupshare.is_name('.'), 'a group may have a slash and be a dot');
SELECT ok(NOT groupshare.is_name(E'a\u202eb'), 'but no character that turns the text around');

SELECT ok(groupshare.is_location(l), 'location: ' || l) FROM unnest(ARRAY['', 'cn', 'cn/east/z-1_a']) l;
SELECT ok(NOT groupshare.is_location(l), 'no location: ' || l) FROM unnest(ARRAY['/', 'CN', 'cn/', 'a//b', 'a b']) l;
SELECT is(groupshare.location_distance('cn/east/z1', 'cn/west'), 3, 'distance');
SELECT throws_ok($$ SELECT groupshare.location_distance('', 'A') $$, 'GS010', NULL, 'no distance to no location');
SELECT is(groupshare.wire_time('2026-01-31 13:00:00.25+01'), '2026-01-31T12:00:00.250000Z', 'times are UTC');

SELECT * FROM finish();
ROLLBACK;
