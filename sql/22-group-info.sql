-- SPDX-License-Identifier: PostgreSQL
-- Group info as terminals get it (doc/contracts.md section 3, GROUP). Each function builds one bounded page and says by `next`
-- where the following one starts; one row more than the page is read to know whether there is a following one.

CREATE FUNCTION groupshare.group_info_shares(group_id uuid, owner uuid, after text, most int) RETURNS jsonb
    LANGUAGE SQL STABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT jsonb_build_object(
        'shares', coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'name', p.name, 'size', p.size_bytes,
            'sha256', pg_catalog.encode(p.sha256, 'hex'), 'stored_at', groupshare.wire_time(p.stored_at)) ORDER BY p.n)
            FILTER (WHERE p.n <= most), '[]'),
        'next', CASE WHEN count(*) > most THEN (array_agg(p.name ORDER BY p.n))[most] END)
      FROM (SELECT s.*, row_number() OVER (ORDER BY s.name) AS n
              FROM groupshare.share s
             WHERE s.owner = group_info_shares.owner AND s.state = 'stored' AND (after IS NULL OR s.name > after)
               AND (s.all_groups OR EXISTS (SELECT 1 FROM groupshare.share_group v
                     WHERE v.share_id = s.id AND v.group_id = group_info_shares.group_id))
             ORDER BY s.name LIMIT most + 1) p $$;
COMMENT ON FUNCTION groupshare.group_info_shares(uuid, uuid, text, int) IS
    'one page of a member''s shares that are visible in a group';

CREATE FUNCTION groupshare.group_info_members(group_id uuid, after uuid, most int, most_shares int) RETURNS jsonb
    LANGUAGE SQL STABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT jsonb_build_object(
        'members', coalesce(jsonb_agg(jsonb_build_object('terminal', p.identifier, 'role', p.state,
            'shares', s.page -> 'shares', 'shares_next', s.page -> 'next') ORDER BY p.n)
            FILTER (WHERE p.n <= most), '[]'),
        'next', CASE WHEN count(*) > most THEN (array_agg(p.terminal_id ORDER BY p.n))[most] END)
      -- The identifier is looked up for each row of the page: joined, the planner may walk all terminals for a small group.
      FROM (SELECT m.terminal_id, m.state, row_number() OVER (ORDER BY m.terminal_id) AS n,
                   (SELECT t.identifier FROM groupshare.terminal t WHERE t.id = m.terminal_id) AS identifier
              FROM groupshare.membership m
             WHERE m.group_id = group_info_members.group_id AND m.state IN ('member', 'administrator')
               AND (after IS NULL OR m.terminal_id > after)
             ORDER BY m.terminal_id LIMIT most + 1) p
      LEFT JOIN LATERAL (SELECT groupshare.group_info_shares(group_info_members.group_id, p.terminal_id, NULL, most_shares)
                          AS page) s ON p.n <= most $$;
COMMENT ON FUNCTION groupshare.group_info_members(uuid, uuid, int, int) IS 'one page of a group''s members with their shares';

CREATE FUNCTION groupshare.group_info(viewer uuid, group_id uuid, most int) RETURNS jsonb
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT jsonb_build_object('id', g.id, 'name', g.name, 'home', h.name, 'role', v.state, 'state', g.state,
               'join', g.join_rule, 'listing', g.listing,
               'description', g.description, 'max_members', g.max_members, 'members', m.page -> 'members', 'members_next', m.page -> 'next')
      FROM groupshare.sharing_group g
      JOIN groupshare.server h ON h.id = g.home
      JOIN groupshare.membership v ON v.group_id = g.id AND v.terminal_id = viewer
           AND v.state IN ('member', 'administrator'),
           LATERAL (SELECT groupshare.group_info_members(g.id, NULL, most, most) AS page) m
     WHERE g.id = group_info.group_id AND g.state <> 'dissolved' $$;
COMMENT ON FUNCTION groupshare.group_info(uuid, uuid, int) IS
    'one group as a member sees it, with the first members and shares; NULL for others';

CREATE FUNCTION groupshare.group_info_page(viewer uuid, after uuid, most int, most_nested int) RETURNS jsonb
    LANGUAGE SQL STABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT jsonb_build_object(
        'groups', coalesce(jsonb_agg(i.info ORDER BY p.n) FILTER (WHERE p.n <= most), '[]'),
        'next', CASE WHEN count(*) > most THEN (array_agg(p.group_id ORDER BY p.n))[most] END)
      FROM (SELECT m.group_id, row_number() OVER (ORDER BY m.group_id) AS n
              FROM groupshare.membership m JOIN groupshare.sharing_group g ON g.id = m.group_id
             WHERE m.terminal_id = viewer AND m.state IN ('member', 'administrator') AND g.state <> 'dissolved'
               AND (after IS NULL OR m.group_id > after)
             ORDER BY m.group_id LIMIT most + 1) p
      LEFT JOIN LATERAL (SELECT groupshare.group_info(viewer, p.group_id, most_nested) AS info) i ON p.n <= most $$;
COMMENT ON FUNCTION groupshare.group_info_page(uuid, uuid, int, int) IS 'one page of a terminal''s groups with the first members';
