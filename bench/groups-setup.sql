-- SPDX-License-Identifier: PostgreSQL
-- What the measurements of groups work on: terminals with sessions, made here, and groups of any size, filled by SQL.
CREATE SCHEMA bench;
CREATE SEQUENCE bench.turn;
CREATE UNLOGGED TABLE bench.work (n bigint PRIMARY KEY, session text, id text);

CREATE FUNCTION bench.b64url(data bytea) RETURNS text LANGUAGE sql
    AS $$ SELECT rtrim(translate(replace(encode(data, 'base64'), E'\n', ''), '+/', '-_'), '=') $$;

-- RFC 2104 with SHA-256 and a key of 32 bytes.
CREATE FUNCTION bench.hmac(key bytea, data bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. 31 LOOP
        inner_pad := set_byte(inner_pad, i, 54 # get_byte(key, i));
        outer_pad := set_byte(outer_pad, i, 92 # get_byte(key, i));
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || data));
END $$;

-- A session of an hour.
CREATE FUNCTION bench.session(identifier text) RETURNS text LANGUAGE sql AS $$
    SELECT signed || '.' || bench.b64url(bench.hmac(key, signed::bytea)) FROM (
        SELECT bench.b64url(convert_to(jsonb_build_object('alg', 'HS256', 'kid', s.kid, 'typ', 'gs-session')::text, 'UTF8')) || '.'
            || bench.b64url(convert_to(jsonb_build_object('iss', v.name, 'srv', v.id, 'sub', t.id, 'ep', t.epoch,
                'exp', extract(epoch FROM clock_timestamp())::bigint + 3600)::text, 'UTF8')) AS signed, s.key
          FROM groupshare.terminal t, groupshare.secret s, groupshare.self f JOIN groupshare.server v ON v.id = f.server_id
         WHERE t.identifier = $1 AND s.purpose = 'session' AND s.retired_at IS NULL) made $$;

CREATE FUNCTION bench.id(identifier text) RETURNS uuid LANGUAGE sql STABLE
    AS $$ SELECT id FROM groupshare.terminal t WHERE t.identifier = $1 $$;

CREATE FUNCTION bench.people(tag text, n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO groupshare.terminal (home, identifier, plan)
        SELECT server_id, tag || i || '@x.org', 'standard' FROM groupshare.self, generate_series(1, n) i ON CONFLICT DO NOTHING $$;

-- A group of so many members; its administrator is head<members>@x.org, who is in no other. Spare terminals are in none.
CREATE FUNCTION bench.establish(members int, spare int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    PERFORM groupshare.add_terminal('head' || members || '@x.org'), bench.people('member', members - 1), bench.people('spare', spare);
    made := groupshare.create_group('head' || members || '@x.org', 'bench ' || members, '{"join": {"rule": "anyone"}, "max_members": 1000000}');
    INSERT INTO groupshare.membership (group_id, terminal_id, home, state, since, joined_at)
        SELECT made, bench.id('member' || i || '@x.org'), server_id, 'member', now() - interval '1 s', now()
          FROM groupshare.self, generate_series(1, members - 1) i;
    RETURN made;
END $$;

-- Who does what next in the group of this size, with nothing left of what was done before. join: sessions of spare terminals
-- and their names; decide: that of the administrator, and inquiries.
CREATE FUNCTION bench.begin(what text, members int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    g uuid := (SELECT id FROM groupshare.sharing_group WHERE name = 'bench ' || members);
    head text := bench.session('head' || members || '@x.org');
BEGIN
    DELETE FROM groupshare.inquiry WHERE group_id = g;
    DELETE FROM groupshare.membership m USING groupshare.terminal t WHERE t.id = m.terminal_id AND m.group_id = g AND t.identifier LIKE 'spare%';
    UPDATE groupshare.sharing_group SET join_rule = CASE what WHEN 'decide' THEN 'confirm' ELSE 'anyone' END WHERE id = g;
    TRUNCATE bench.work;
    IF what = 'join' THEN
        INSERT INTO bench.work SELECT row_number() OVER () - 1, bench.session(identifier), identifier
          FROM groupshare.terminal WHERE identifier LIKE 'spare%';
    ELSE
        PERFORM groupshare.join_group(identifier, g) FROM groupshare.terminal WHERE identifier LIKE 'spare%';
        INSERT INTO bench.work SELECT row_number() OVER () - 1, head, id FROM groupshare.inquiry WHERE group_id = g;
    END IF;
    PERFORM setval('bench.turn', 1, false);
END $$;

GRANT USAGE ON SCHEMA bench TO PUBLIC;
GRANT SELECT ON bench.work TO PUBLIC;
GRANT USAGE ON bench.turn TO PUBLIC;
