-- SPDX-License-Identifier: PostgreSQL
-- :prefixes networks, /24 and some shorter ones around them, and a terminal that is found by its address; the same behind GiST.
\set ON_ERROR_STOP 1
INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, 'bob@example.org', 'standard' FROM groupshare.self;
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT g.id, t.id, t.home, 'member', now() FROM groupshare.sharing_group g, groupshare.terminal t WHERE t.identifier LIKE 'bob%';
DROP TABLE IF EXISTS public.network_made;
CREATE TABLE public.network_made AS
    SELECT DISTINCT ON (prefix) prefix, format('r%s/c%s/s%s', n % 5, n / 5 % 10, n / 50 % 20) AS location
      FROM (SELECT n, network(set_masklen('10.0.0.0'::inet + (n * 256::bigint) % 4000000000, CASE WHEN n % 100 = 0 THEN 16 + n / 100 % 8 ELSE 24 END)) AS prefix
              FROM generate_series(0, :prefixes - 1) n) p;
DROP TABLE IF EXISTS public.network_gist;
CREATE TABLE public.network_gist AS SELECT prefix, location FROM public.network_made;
CREATE INDEX ON public.network_gist USING gist (prefix inet_ops);
VACUUM ANALYZE;
