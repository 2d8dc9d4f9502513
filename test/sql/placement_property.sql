-- SPDX-License-Identifier: PostgreSQL
-- Placement against brute force: on 1,000 random topologies what the search finds is what a look at every device finds.
-- Each topology is a tree of its own below the root, and commits, so that the next one does not wade through its rows.
\ir fixture/start.psql
COMMIT;
SELECT plan(2);

CREATE FUNCTION public.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE
    AS $$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- What speaks against a device, written anew from the documentation and not from the code.
CREATE FUNCTION public.fits(d groupshare.device, size bigint, avoid text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT d.state = 'active' AND NOT d.name = ANY (avoid) AND l.epoch IS NOT NULL AND NOT l.read_only
           AND l.reported_at > now() - interval '15 seconds'
           AND l.available >= size + 1 + coalesce(d.headroom_bytes, 0)
           AND (l.capacity - l.available)::numeric / l.capacity <= coalesce(d.high_water_percent, 90) / 100.0
      FROM (SELECT *, least(capacity_bytes, d.capacity_limit_bytes) AS capacity,
                   least(free_bytes - CASE WHEN reserved_bytes + settled_bytes > staged_bytes THEN reserved_bytes + settled_bytes - staged_bytes ELSE 0 END,
                         d.capacity_limit_bytes - held_bytes - reserved_bytes) AS available
              FROM groupshare.device_ledger WHERE device_id = d.id) l $$;

CREATE FUNCTION public.topology(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    size_class int := 4 + floor(random() * 10);
BEGIN
    DELETE FROM groupshare.device;
    FOR i IN 1 .. 1 + floor(random() * 14)::int LOOP
        INSERT INTO groupshare.device (home, name, login_role, location, state, headroom_bytes, high_water_percent, capacity_limit_bytes)
            SELECT server_id, 'd' || i, 'property_' || i,
                   public.pick('', 'a', 'a/b', 'a/b/c', 'a/b/d', 'a/e', 'a/e/f/g', 'h', 'h/i', 'ab', 'a-b'),
                   public.pick('active', 'active', 'active', 'active', 'active', 'draining', 'decommissioned'),
                   CASE WHEN random() < 0.2 THEN floor(random() * 200) END, CASE WHEN random() < 0.2 THEN 1 + floor(random() * 100) END,
                   CASE WHEN random() < 0.2 THEN 1 + floor(random() * 20000) END
              FROM groupshare.self;
    END LOOP;
    UPDATE groupshare.device_ledger SET epoch = CASE WHEN random() < 0.9 THEN 1 END, capacity_bytes = 20000,
           free_bytes = 2 ^ size_class + floor(random() * 2 ^ (size_class - 1 + floor(random() * 2))), held_bytes = floor(random() * 100),
           staged_bytes = floor(random() * 10), reserved_bytes = floor(random() * 2) * floor(random() * 2 ^ size_class),
           read_only = random() < 0.05, reported_at = now() - CASE WHEN random() < 0.1 THEN interval '20 seconds' ELSE interval '0' END,
           report_interval_ms = 5000;
    -- Up, down and up again: the class follows.
    UPDATE groupshare.device_ledger SET free_bytes = free_bytes / 2 WHERE random() < 0.3;
    UPDATE groupshare.device_ledger SET reserved_bytes = floor(random() * 2 ^ size_class) WHERE random() < 0.3;
    UPDATE groupshare.device SET location = 'a/b/c', headroom_bytes = NULL WHERE random() < 0.1;
    UPDATE groupshare.terminal SET location = public.pick('', 'a', 'a/b', 'a/b/c', 'a/b/c/x', 'h', 'q', 'a/e/f/g') WHERE identifier = 'ann@x.org';
    PERFORM set_config('groupshare.placement_candidates', (1 + floor(random() * 8))::text, true);
END $$;

-- NULL, or what is wrong. The nearest N in any order among equals; scores by free space among the nearest.
CREATE FUNCTION public.judge(size bigint, avoid text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    most CONSTANT int := current_setting('groupshare.placement_candidates');
    here CONSTANT text := (SELECT location FROM groupshare.terminal WHERE identifier = 'ann@x.org');
    truth record;
    found record;
    wrong text;
BEGIN
    WITH fit AS MATERIALIZED (SELECT d.name, groupshare.location_distance(d.location, here) AS distance
                   FROM groupshare.device d WHERE public.fits(d, size, avoid))
    SELECT (SELECT array_agg(distance ORDER BY distance) FROM (SELECT distance FROM fit ORDER BY distance LIMIT most) n) AS distances,
           array(SELECT name FROM fit) AS names
      INTO truth;
    SELECT array_agg(n.distance ORDER BY n.place) AS distances, coalesce(array_agg(n.device), '{}') AS names,
           coalesce(sum(n.score), 1) AS score,
           count(*) FILTER (WHERE n.distance <> groupshare.location_distance(n.location, here)) AS lies,
           count(*) <> count(DISTINCT n.device) AS twice
      INTO found FROM groupshare.nearest_devices('ann@x.org', size, avoid) WITH ORDINALITY
           AS n (device, location, distance, km, available_bytes, score, place);
    wrong := CASE WHEN found.distances IS DISTINCT FROM truth.distances THEN format('distances %s, should be %s', found.distances, truth.distances)
                  WHEN NOT found.names <@ truth.names THEN format('devices %s, of which should be none outside %s', found.names, truth.names)
                  WHEN found.twice THEN 'a device twice'
                  WHEN found.lies > 0 THEN 'a wrong distance'
                  WHEN abs(found.score - 1) > 1e-9 THEN format('scores sum up to %s', found.score) END;
    IF wrong IS NULL AND EXISTS (SELECT 1 FROM groupshare.explain_placement('ann@x.org', size, avoid) e
            WHERE (e.device = ANY (truth.names)) <> (e.candidate OR e.reason LIKE 'farther%' OR e.reason LIKE 'as near%')) THEN
        wrong := 'explained otherwise';
    END IF;
    IF wrong IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN format('%s (size %s, avoid %s, %s candidates, from "%s"): %s', wrong, size, avoid, most, here,
                  (SELECT jsonb_agg(e) FROM groupshare.explain_placement('ann@x.org', size, avoid) e));
END $$;

CREATE TABLE public.wrong (n int, what text);
CREATE TABLE public.asked (refused boolean);
DO $$
DECLARE
    size bigint;
BEGIN
    FOR n IN 1 .. 1000 LOOP
        PERFORM set_config('groupshare.device_headroom', '0', true);
        PERFORM set_config('groupshare.device_high_water_percent', '90', true);
        PERFORM public.topology(n);
        size := floor(2 ^ (random() * 14));
        INSERT INTO public.wrong SELECT n, w FROM public.judge(size, CASE WHEN random() < 0.3 THEN '{d1,d2}' ELSE '{}' END::text[]) w
            WHERE w IS NOT NULL;
        INSERT INTO public.asked SELECT NOT EXISTS (SELECT 1 FROM groupshare.nearest_devices('ann@x.org', size));
        COMMIT;
    END LOOP;
END $$;
SELECT is((SELECT string_agg(n || ': ' || what, E'\n') FROM (SELECT * FROM public.wrong ORDER BY n LIMIT 3) w), NULL, 'the search finds what brute force finds');
-- Far below what is usual, since the topologies are random.
SELECT is(count(*) FILTER (WHERE refused) > 20 AND count(*) FILTER (WHERE NOT refused) > 50, true,
    format('of questions with and without an answer: %s refused', count(*) FILTER (WHERE refused))) FROM public.asked;
SELECT * FROM finish();
