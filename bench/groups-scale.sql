-- SPDX-License-Identifier: PostgreSQL
-- A terminal in 100 groups, a group of 10,000 members, a member with 10,000 shares.
SELECT bench.people(who, 1) FROM unnest(ARRAY['ann', 'many', 'rich']) who;
UPDATE groupshare.terminal SET identifier = replace(identifier, '1@', '@') WHERE identifier IN ('ann1@x.org', 'many1@x.org', 'rich1@x.org');
SELECT bench.establish(10000, 8);
-- The 100 groups: those that many creates, with the first nine members of the large one.
CREATE TEMP TABLE hundred AS
    SELECT groupshare.create_group('many@x.org', 'hundred ' || i, '{"join": {"rule": "anyone"}}') AS id FROM generate_series(1, 100) i;
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, since, joined_at)
    SELECT h.id, bench.id('member' || i || '@x.org'), server_id, 'member', now() - interval '1 s', now()
      FROM groupshare.self, hundred h, generate_series(1, 9) i;
SELECT groupshare.create_group('rich@x.org', 'riches', '{"join": {"rule": "anyone"}}');
INSERT INTO groupshare.share (home, owner, name, size_bytes, state, all_groups, stored_at, sha256)
    SELECT server_id, bench.id('rich@x.org'), 'file ' || i, 1, 'stored', true, now(), sha256(i::text::bytea)
      FROM groupshare.self, generate_series(1, 10000) i;
-- The indexes of names, as the extension made them.
CREATE TABLE bench.name_index AS SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index
    WHERE indexrelid IN ('groupshare.sharing_group_name'::regclass, 'groupshare.sharing_group_part'::regclass);
CREATE FUNCTION bench.index_names() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    made text;
BEGIN
    FOR made IN SELECT definition FROM bench.name_index LOOP EXECUTE made; END LOOP;
END $$;
