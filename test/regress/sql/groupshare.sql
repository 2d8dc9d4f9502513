-- What a user's server must do with the extension; it needs no preloading and leaves no role behind.
CREATE EXTENSION groupshare;
SELECT extversion = default_version AS newest FROM pg_extension JOIN pg_available_extensions ON name = extname
 WHERE extname = 'groupshare';
SELECT groupshare.setup_server('cs1') IS NOT NULL AS set_up;
-- again: no change
SELECT count(*) AS servers FROM (SELECT groupshare.setup_server('cs1')) again, groupshare.server;

-- words
SELECT groupshare.normalize_identifier('Ann@Example.ORG');
SELECT id, groupshare.is_identifier(id)
  FROM unnest(ARRAY['+4915112345678', 'ann@example.org', '4915112345678', '+0123', 'ann', '']) WITH ORDINALITY t(id, n)
 ORDER BY n;
SELECT name, groupshare.is_share_name(name)
  FROM unnest(ARRAY['film.mkv', '..', 'a/b', '']) WITH ORDINALITY t(name, n)
 ORDER BY n;
SELECT groupshare.is_share_name(repeat('n', 255)) AS longest, groupshare.is_share_name(repeat('n', 256)) AS too_long;
SELECT groupshare.location_distance('eu/de/berlin', 'eu/de/berlin') AS same,
       groupshare.location_distance('eu/de/berlin', 'eu/fr/paris') AS cousins,
       groupshare.location_distance('eu/de/berlin', '') AS root;

-- terminals
SELECT length(groupshare.add_terminal('ann@example.org')) > 0 AS code;
\set VERBOSITY sqlstate
SELECT groupshare.add_terminal('not an identifier');
SELECT groupshare.add_terminal('bob@example.org', 'no such plan');
\set VERBOSITY default
SELECT groupshare.api_route('ann@example.org');

-- an unknown terminal gets a challenge like any other
SELECT status, reply ? 'challenge' AS challenge
  FROM groupshare.api_challenge(NULL, NULL, 'r1', '{}', '{"terminal": "nobody@example.org"}');
\set VERBOSITY sqlstate
SELECT status FROM groupshare.api_connect(NULL, NULL, 'r2', '{}',
    format('{"terminal": "nobody@example.org", "challenge": "x", "signature": "%s"}', repeat('A', 86))::jsonb);
SELECT status FROM groupshare.api_my_groups('no session', NULL, 'r3', '{}', NULL);
\set VERBOSITY default

SELECT count(*) AS devices FROM groupshare.devices;
SELECT groupshare.run_maintenance();
DROP EXTENSION groupshare;
