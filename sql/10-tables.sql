-- SPDX-License-Identifier: PostgreSQL
-- Tables, constraints and indexes. Every rule that can be a constraint is one, so that it also holds against a DBA's own
-- UPDATE. `home` is the control server that owns a row and alone writes it; what belongs to a row has that row's home, by its foreign
-- key. (A foreign key to `server` instead would make each transaction lock the one row of this server, in a list of all who do.)
-- Of what such a key refers to, only the first column may lead an index: a check planned while the table is empty may take any.
\echo Use "CREATE EXTENSION groupshare" to load this file. \quit

CREATE SCHEMA groupshare;

CREATE FUNCTION groupshare.normalize_identifier(identifier text) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_normalize_identifier' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.is_identifier(identifier text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'gs_is_identifier' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.is_name(name text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'gs_is_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.is_share_name(name text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'gs_is_share_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.is_description(description text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'gs_is_description' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.name_key(name text) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_name_key_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.name_grams(key text) RETURNS int[]
    AS 'MODULE_PATHNAME', 'gs_name_grams' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.name_part_grams(part text) RETURNS int[]
    AS 'MODULE_PATHNAME', 'gs_name_part_grams' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.is_location(location text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'gs_is_location' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION groupshare.location_distance(a text, b text) RETURNS int
    AS 'MODULE_PATHNAME', 'gs_location_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON SCHEMA groupshare IS 'sharing of large files in groups: tables, views and functions of a control server';
COMMENT ON FUNCTION groupshare.normalize_identifier(text) IS 'a terminal identifier as it is kept: e-mail lower-cased; an error when it is neither a phone number nor an address';
COMMENT ON FUNCTION groupshare.is_identifier(text) IS 'is this the kept form of a terminal identifier (E.164 or e-mail)?';
COMMENT ON FUNCTION groupshare.is_name(text) IS 'is this a name: Unicode NFC, 1 to 255 bytes, no control or bidirectional characters?';
COMMENT ON FUNCTION groupshare.is_share_name(text) IS 'is this a shares name: a name without slash, not "." or ".."?';
COMMENT ON FUNCTION groupshare.is_description(text) IS 'is this a groups description: lines of Unicode NFC, at most 2000 bytes, no other control characters?';
COMMENT ON FUNCTION groupshare.name_key(text) IS 'what a name is searched by: without case, accents and compatibility forms';
COMMENT ON FUNCTION groupshare.name_grams(text) IS 'a number for each run of 1 to 3 characters of a key';
COMMENT ON FUNCTION groupshare.name_part_grams(text) IS 'the grams that each key with this part has';
COMMENT ON FUNCTION groupshare.is_location(text) IS 'is this a location path such as cn/east/shanghai? The root is the empty text';
COMMENT ON FUNCTION groupshare.location_distance(text, text) IS 'hops between two locations through their lowest common ancestor';

-- The rules of single columns that hot paths write. A CHECK of a table is read from its text and compiled anew by every statement
-- that writes to the table, whichever columns it writes; a domain's is kept, and only asked for a column that is given a value.
CREATE DOMAIN groupshare.byte_count AS bigint CHECK (VALUE >= 0);
CREATE DOMAIN groupshare.item_count AS int CHECK (VALUE >= 0);
CREATE DOMAIN groupshare.interval_ms AS int CHECK (VALUE > 0);
CREATE DOMAIN groupshare.share_size AS bigint CHECK (VALUE BETWEEN 0 AND 9007199254740991);
CREATE DOMAIN groupshare.share_name AS text CHECK (groupshare.is_share_name(VALUE));
CREATE DOMAIN groupshare.sha256 AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN groupshare.share_state AS text CHECK (VALUE IN ('pending', 'stored', 'deleted', 'expired'));
-- quarantined: its bytes are not what they should be; missing: they are gone. Neither is ever designated.
CREATE DOMAIN groupshare.copy_state AS text
    CHECK (VALUE IN ('pending', 'stored', 'quarantined', 'missing', 'abandoned', 'deleted'));
CREATE DOMAIN groupshare.reservation_state AS text CHECK (VALUE IN ('live', 'settled', 'expired', 'cancelled'));

COMMENT ON DOMAIN groupshare.byte_count IS 'bytes, not negative';
COMMENT ON DOMAIN groupshare.item_count IS 'a number of things, not negative';
COMMENT ON DOMAIN groupshare.interval_ms IS 'milliseconds, some';
COMMENT ON DOMAIN groupshare.share_size IS 'bytes of a share: what JSON''s numbers hold';
COMMENT ON DOMAIN groupshare.share_name IS 'a name without slash, not "." or ".."';
COMMENT ON DOMAIN groupshare.sha256 IS 'a digest, 32 bytes';
COMMENT ON DOMAIN groupshare.share_state IS 'pending, stored, deleted or expired';
COMMENT ON DOMAIN groupshare.copy_state IS 'pending, stored, quarantined, missing, abandoned or deleted';
COMMENT ON DOMAIN groupshare.reservation_state IS 'live, settled, expired or cancelled';

-- Control servers and the service list ---------------------------------------------------------------------------------

CREATE TABLE groupshare.server (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (groupshare.is_name(name)),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Which of the servers this database is: one row.
CREATE TABLE groupshare.self (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    server_id uuid NOT NULL REFERENCES groupshare.server
);

CREATE TABLE groupshare.service_entry (
    identifier text PRIMARY KEY CHECK (groupshare.is_identifier(identifier)),
    server_id uuid NOT NULL REFERENCES groupshare.server,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX service_entry_server ON groupshare.service_entry (server_id);

-- Keys that sign sessions and challenges. Never dumped: a restored database starts with new ones, so old sessions die.
CREATE TABLE groupshare.secret (
    kid text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    purpose text NOT NULL CHECK (purpose IN ('session', 'challenge')),
    key bytea NOT NULL CHECK (octet_length(key) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE UNIQUE INDEX secret_current ON groupshare.secret (purpose) WHERE retired_at IS NULL;

-- Terminals --------------------------------------------------------------------------------------------------------------

CREATE TABLE groupshare.plan (
    name text PRIMARY KEY CHECK (groupshare.is_name(name)),
    sharing boolean NOT NULL DEFAULT true,
    quota_bytes bigint CHECK (quota_bytes >= 0),
    max_object_bytes bigint CHECK (max_object_bytes >= 0),
    max_shares int CHECK (max_shares >= 0),
    -- In so many groups a terminal may be; NULL: no limit. Some calls cost a look-up for each (doc/scaling.md).
    max_groups int DEFAULT 1000 CHECK (max_groups >= 0),
    -- Of deleted shares whose bytes are still held, so many count nothing; NULL: none of them counts.
    free_held_bytes bigint CHECK (free_held_bytes >= 0),
    copies int NOT NULL DEFAULT 1 CHECK (copies BETWEEN 1 AND 8),
    -- Bytes a second, of all transfers of a terminal with one device; NULL: no limit. Below the least, what is under way at once
    -- would take longer than clients wait.
    transfer_rate_bytes bigint CHECK (transfer_rate_bytes BETWEEN 65536 AND 9007199254740991)
);

CREATE TABLE groupshare.terminal (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    home uuid NOT NULL REFERENCES groupshare.server,
    identifier text NOT NULL UNIQUE CHECK (groupshare.is_identifier(identifier)),
    plan text NOT NULL REFERENCES groupshare.plan,
    public_key bytea CHECK (octet_length(public_key) = 32),
    enrolled_at timestamptz,
    epoch int NOT NULL DEFAULT 1,
    revoked_at timestamptz,
    location text CHECK (groupshare.is_location(location)),
    latitude float8 CHECK (latitude BETWEEN -90 AND 90),
    longitude float8 CHECK (longitude BETWEEN -180 AND 180),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, home),
    CHECK ((latitude IS NULL) = (longitude IS NULL)),
    CHECK ((public_key IS NULL) = (enrolled_at IS NULL))
);

-- One-time enrolment codes, kept only as SHA-256. Never dumped.
CREATE TABLE groupshare.enrolment_code (
    terminal_id uuid PRIMARY KEY REFERENCES groupshare.terminal ON DELETE CASCADE,
    code_sha256 bytea NOT NULL CHECK (octet_length(code_sha256) = 32),
    failures int NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL
);

-- Challenges that were answered once; a row outlives the challenge's expiry and is then removed. Never dumped.
CREATE TABLE groupshare.used_challenge (
    jti text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_challenge_expiry ON groupshare.used_challenge (expires_at);

-- What a terminal holds of its plan's quota: pending and stored shares. Charged by a guarded UPDATE.
CREATE TABLE groupshare.usage (
    terminal_id uuid PRIMARY KEY,
    home uuid NOT NULL,
    used_bytes groupshare.byte_count NOT NULL DEFAULT 0,
    shares groupshare.item_count NOT NULL DEFAULT 0,
    FOREIGN KEY (terminal_id, home) REFERENCES groupshare.terminal (id, home) ON DELETE CASCADE
) WITH (fillfactor = 70);

-- Groups -----------------------------------------------------------------------------------------------------------------

CREATE TABLE groupshare.sharing_group (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    home uuid NOT NULL REFERENCES groupshare.server,
    name text NOT NULL CHECK (groupshare.is_name(name)),
    name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (groupshare.name_key(name)) STORED,
    name_grams int[] NOT NULL GENERATED ALWAYS AS (groupshare.name_grams(groupshare.name_key(name))) STORED,
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'live', 'dissolved')),
    join_rule text CHECK (join_rule IN ('anyone', 'listed', 'confirm')),
    listing text NOT NULL DEFAULT 'listed' CHECK (listing IN ('listed', 'exact', 'hidden')),
    description text NOT NULL DEFAULT '' CHECK (groupshare.is_description(description)),
    max_members int NOT NULL DEFAULT 10000 CHECK (max_members BETWEEN 1 AND 1000000),
    creator uuid NOT NULL REFERENCES groupshare.terminal,
    -- An administrator who named others in its place stays one until the first of them joins.
    steps_down uuid REFERENCES groupshare.terminal,
    created_at timestamptz NOT NULL DEFAULT now(),
    established_at timestamptz,
    dissolved_at timestamptz,
    -- When the memberships and the list of a dissolved group had gone (extension/group_sweep.c).
    swept_at timestamptz,
    UNIQUE (id, home),
    CHECK (state <> 'live' OR join_rule IS NOT NULL),
    CHECK ((state = 'dissolved') = (dissolved_at IS NOT NULL))
);
-- A search walks only those that it may find: hidden ones make none slower, and tell nothing by where a page ends.
CREATE INDEX sharing_group_name ON groupshare.sharing_group (listing, name_key, id) WHERE state = 'live';
-- What waits to be sorted in is read by each search: little, in kB.
CREATE INDEX sharing_group_part ON groupshare.sharing_group USING gin (name_grams) WITH (gin_pending_list_limit = 256)
    WHERE state = 'live' AND listing = 'listed';

CREATE INDEX sharing_group_unswept ON groupshare.sharing_group (dissolved_at)
    WHERE state = 'dissolved' AND (swept_at IS NULL OR swept_at < dissolved_at);

-- Who may join by the rule "listed": identifiers, also of terminals that do not exist yet.
CREATE TABLE groupshare.group_listed (
    group_id uuid NOT NULL,
    home uuid NOT NULL,
    identifier text NOT NULL CHECK (groupshare.is_identifier(identifier)),
    PRIMARY KEY (group_id, identifier),
    FOREIGN KEY (group_id, home) REFERENCES groupshare.sharing_group (id, home) ON DELETE CASCADE
);

-- Transaction numbers mean something within one cluster only: a database restored from a dump begins a new era, since this row is not
-- dumped. What is of an older era is all committed.
CREATE TABLE groupshare.event_era (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number bigint NOT NULL
);
INSERT INTO groupshare.event_era (number) VALUES ((1000000 * extract(epoch FROM clock_timestamp()))::bigint);

CREATE FUNCTION groupshare.current_era() RETURNS bigint
    AS 'MODULE_PATHNAME', 'gs_current_era' LANGUAGE C STABLE STRICT PARALLEL SAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- One row for a terminal and group, ever; extension/member.c holds the only setter of `state` and the table of legal moves.
CREATE TABLE groupshare.membership (
    group_id uuid NOT NULL,
    terminal_id uuid NOT NULL REFERENCES groupshare.terminal ON DELETE CASCADE,
    home uuid NOT NULL,
    state text NOT NULL CHECK (state IN
        ('invited', 'pending', 'member', 'administrator', 'refused', 'left', 'removed', 'banned')),
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    joined_at timestamptz,
    -- The role that an invited terminal gets when it joins.
    invited_role text CHECK (invited_role IN ('member', 'administrator')),
    -- What was committed when it came in last: of the group's events it gets only what is not in it.
    came_era bigint NOT NULL DEFAULT groupshare.current_era(),
    came_after pg_snapshot NOT NULL DEFAULT pg_catalog.pg_current_snapshot(),
    -- The transaction by which it came in. A snapshot may show the transaction that took it, or not: its events are later than it.
    came_xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    CHECK ((state = 'invited') = (invited_role IS NOT NULL)),
    PRIMARY KEY (group_id, terminal_id),
    FOREIGN KEY (group_id, home) REFERENCES groupshare.sharing_group (id, home) ON DELETE CASCADE
);
CREATE INDEX membership_group ON groupshare.membership (group_id, terminal_id)
    WHERE state IN ('member', 'administrator');
CREATE INDEX membership_administrator ON groupshare.membership (group_id, terminal_id) WHERE state = 'administrator';
CREATE INDEX membership_oldest ON groupshare.membership (group_id, joined_at, terminal_id) WHERE state = 'member';
CREATE INDEX membership_invited ON groupshare.membership (terminal_id) WHERE state = 'invited';
CREATE INDEX membership_terminal ON groupshare.membership (terminal_id, group_id)
    WHERE state IN ('member', 'administrator');

-- How many are in a group: the row of its last place. Kept by triggers (extension/group_size.c).
CREATE TABLE groupshare.group_size (
    group_id uuid NOT NULL REFERENCES groupshare.sharing_group ON DELETE CASCADE,
    place bigint NOT NULL,
    members int NOT NULL CHECK (members >= 0),
    PRIMARY KEY (group_id, place)
);

CREATE TABLE groupshare.inquiry (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    home uuid NOT NULL,
    group_id uuid NOT NULL,
    terminal_id uuid NOT NULL REFERENCES groupshare.terminal ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'allowed', 'refused', 'cancelled', 'expired')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    decided_by uuid REFERENCES groupshare.terminal,
    FOREIGN KEY (group_id, home) REFERENCES groupshare.sharing_group (id, home) ON DELETE CASCADE,
    CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX inquiry_one_open ON groupshare.inquiry (group_id, terminal_id) WHERE state = 'open';
CREATE INDEX inquiry_open ON groupshare.inquiry (group_id, id) WHERE state = 'open';
CREATE INDEX inquiry_overdue ON groupshare.inquiry (created_at) WHERE state = 'open';
CREATE INDEX inquiry_terminal ON groupshare.inquiry (terminal_id, created_at);

-- Devices ----------------------------------------------------------------------------------------------------------------

CREATE TABLE groupshare.device (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    home uuid NOT NULL REFERENCES groupshare.server,
    name text NOT NULL UNIQUE CHECK (groupshare.is_name(name)),
    login_role name NOT NULL UNIQUE,
    location text NOT NULL CHECK (groupshare.is_location(location)),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'draining', 'decommissioned')),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- What holds for this device instead of the settings of these names, and how much it may be given at most.
    headroom_bytes bigint CHECK (headroom_bytes >= 0),
    high_water_percent int CHECK (high_water_percent BETWEEN 1 AND 100),
    capacity_limit_bytes bigint CHECK (capacity_limit_bytes >= 0),
    latitude float8 CHECK (latitude BETWEEN -90 AND 90),
    longitude float8 CHECK (longitude BETWEEN -180 AND 180),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);

-- Every prefix of a device's location, the root '' included. Within an area the devices of one depth and class of room stand on
-- a ring of 2^32 places, by a hash of their ids: a search finds some of them from any place on by one descent of the index,
-- and passes over any number of full ones by one more. Kept by triggers (35-constraints-storage.sql).
CREATE TABLE groupshare.device_area (
    device_id uuid NOT NULL REFERENCES groupshare.device ON DELETE CASCADE,
    depth int NOT NULL,
    area text NOT NULL,
    room_class int NOT NULL,
    place int NOT NULL,
    PRIMARY KEY (device_id, depth)
);
CREATE INDEX device_area_room ON groupshare.device_area (area, depth, room_class, place);

-- What the device said last and what is promised on it. available = free less what is promised and has not arrived, and no more than the
-- DBA's limit leaves. room_class: 2^class bytes and more may be promised, -1 none (extension/room.c).
-- The device writes it by its reports, a notice by its reservation; not dumped (the next announcement makes it).
CREATE TABLE groupshare.device_ledger (
    device_id uuid PRIMARY KEY REFERENCES groupshare.device ON DELETE CASCADE,
    epoch bigint,
    url text,
    version text,
    capacity_bytes groupshare.byte_count NOT NULL DEFAULT 0,
    free_bytes groupshare.byte_count NOT NULL DEFAULT 0,
    staged_bytes groupshare.byte_count NOT NULL DEFAULT 0,
    reserved_bytes groupshare.byte_count NOT NULL DEFAULT 0,
    settled_bytes groupshare.byte_count NOT NULL DEFAULT 0,
    held_bytes groupshare.byte_count NOT NULL DEFAULT 0,
    active boolean NOT NULL DEFAULT true,
    headroom_bytes bigint,
    high_water_percent int,
    capacity_limit_bytes bigint,
    -- These two are set by a trigger in front of every write (classify_room), whatever a statement gives them.
    available_bytes bigint NOT NULL DEFAULT 0,
    room_class int NOT NULL DEFAULT -1,
    refused_at timestamptz,
    read_only boolean NOT NULL DEFAULT false,
    report_interval_ms groupshare.interval_ms NOT NULL DEFAULT 5000,
    announced_at timestamptz,
    -- When the connection was opened on which it announced itself last.
    connected_at timestamptz,
    reported_at timestamptz,
    -- The device's own, like active and the limits above (follow_device): a search reads one row a device.
    name text,
    location text,
    latitude float8,
    longitude float8
) WITH (fillfactor = 50);

-- The first report of each hour, for forecasts.
CREATE TABLE groupshare.device_history (
    device_id uuid NOT NULL REFERENCES groupshare.device ON DELETE CASCADE,
    hour timestamptz NOT NULL,
    capacity_bytes bigint NOT NULL,
    used_bytes bigint NOT NULL,
    available_bytes bigint NOT NULL,
    PRIMARY KEY (device_id, hour)
);
CREATE INDEX device_history_hour ON groupshare.device_history (hour);

-- Ticket keys, one current a device. Never dumped: the next announcement makes a new one, so old tickets die.
CREATE TABLE groupshare.device_key (
    kid text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    device_id uuid NOT NULL REFERENCES groupshare.device ON DELETE CASCADE,
    key bytea NOT NULL CHECK (octet_length(key) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE UNIQUE INDEX device_key_current ON groupshare.device_key (device_id) WHERE retired_at IS NULL;
CREATE INDEX device_key_device ON groupshare.device_key (device_id);

CREATE TABLE groupshare.device_work (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id uuid NOT NULL REFERENCES groupshare.device ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('delete', 'revoke')),
    object uuid,
    -- revoke: whose tickets (NULL: everybody's) die, and of which time; the time is that of the first report that hands it out.
    terminal_id uuid,
    tickets_before timestamptz,
    -- The worker wakes the device, then sets it back.
    wake boolean NOT NULL DEFAULT false,
    not_before timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    CHECK (kind <> 'delete' OR (object IS NOT NULL AND terminal_id IS NULL)),
    CHECK (kind <> 'revoke' OR num_nonnulls(object, terminal_id) > 0)
);
CREATE INDEX device_work_open ON groupshare.device_work (device_id, not_before) WHERE done_at IS NULL AND kind = 'delete';
CREATE INDEX device_work_revoke ON groupshare.device_work (device_id, id) WHERE done_at IS NULL AND kind = 'revoke';
CREATE INDEX device_work_wake ON groupshare.device_work (id) WHERE wake;
CREATE INDEX device_work_done ON groupshare.device_work (done_at) WHERE done_at IS NOT NULL;

-- All of whose tickets die, on every device: written once. Each device makes work of its own of it at its next report (extension/revoke.c).
CREATE TABLE groupshare.revocation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    terminal_id uuid NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    -- When the worker woke the devices: it was committed then.
    told_at timestamptz
);
CREATE INDEX revocation_xid ON groupshare.revocation (xid, id);
CREATE INDEX revocation_untold ON groupshare.revocation (id) WHERE told_at IS NULL;
CREATE INDEX revocation_told ON groupshare.revocation (told_at) WHERE told_at IS NOT NULL;

-- What was committed when a device had heard of all revocations last, the transaction in which it did, and how far it came in those of
-- that one. While there are more than a page of work has room for: the snapshot that it works towards, its transaction, and the last one
-- that was heard of.
CREATE TABLE groupshare.device_heard (
    device_id uuid PRIMARY KEY REFERENCES groupshare.device ON DELETE CASCADE,
    seen pg_snapshot,
    own_xid xid8,
    own_id bigint,
    target pg_snapshot,
    target_xid xid8,
    reached_xid xid8,
    reached_id bigint,
    CHECK (num_nonnulls(seen, own_xid, own_id) IN (0, 3)),
    CHECK (num_nonnulls(target, target_xid, reached_xid, reached_id) IN (0, 4))
) WITH (fillfactor = 70);

-- Which network a terminal's peer address is in says where it is: the longest matching prefix.
CREATE TABLE groupshare.network (
    prefix cidr PRIMARY KEY,
    location text NOT NULL CHECK (groupshare.is_location(location)),
    latitude float8 CHECK (latitude BETWEEN -90 AND 90),
    longitude float8 CHECK (longitude BETWEEN -180 AND 180),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);

-- Shares -----------------------------------------------------------------------------------------------------------------

CREATE TABLE groupshare.share (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    home uuid NOT NULL,
    owner uuid NOT NULL,
    name groupshare.share_name NOT NULL,
    size_bytes groupshare.share_size NOT NULL,
    sha256 groupshare.sha256,
    state groupshare.share_state NOT NULL DEFAULT 'pending',
    all_groups boolean NOT NULL DEFAULT true,
    all_groups_since timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    stored_at timestamptz,
    deleted_at timestamptz,
    -- Deleted, and some device has not confirmed yet that the bytes are gone.
    held boolean NOT NULL DEFAULT false,
    UNIQUE (id, home),
    FOREIGN KEY (owner, home) REFERENCES groupshare.terminal (id, home),
    CHECK (NOT held OR deleted_at IS NOT NULL),
    CHECK (state <> 'stored' OR (sha256 IS NOT NULL AND stored_at IS NOT NULL)),
    CHECK ((state = 'deleted') = (deleted_at IS NOT NULL))
);
CREATE INDEX share_held ON groupshare.share (owner) WHERE held;
CREATE UNIQUE INDEX share_owner_name ON groupshare.share (owner, name) WHERE state IN ('pending', 'stored');

-- The groups a share is visible in, when all_groups is false.
CREATE TABLE groupshare.share_group (
    share_id uuid NOT NULL,
    group_id uuid NOT NULL REFERENCES groupshare.sharing_group ON DELETE CASCADE,
    home uuid NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (share_id, group_id),
    FOREIGN KEY (share_id, home) REFERENCES groupshare.share (id, home) ON DELETE CASCADE
);
CREATE INDEX share_group_group ON groupshare.share_group (group_id);

-- Where a share's bytes are: the object's id on the device is the copy's id.
CREATE TABLE groupshare.share_copy (
    object uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    home uuid NOT NULL,
    share_id uuid NOT NULL,
    device_id uuid NOT NULL REFERENCES groupshare.device,
    state groupshare.copy_state NOT NULL DEFAULT 'pending',
    -- To be given up once the share has enough others.
    leaving boolean NOT NULL DEFAULT false,
    stored_at timestamptz,
    failed_at timestamptz,
    found_sha256 groupshare.sha256,
    UNIQUE (object, home),
    FOREIGN KEY (share_id, home) REFERENCES groupshare.share (id, home) ON DELETE CASCADE,
    CHECK (state NOT IN ('quarantined', 'missing') OR failed_at IS NOT NULL)
);
CREATE UNIQUE INDEX share_copy_pending ON groupshare.share_copy (share_id) WHERE state = 'pending';
CREATE INDEX share_copy_share ON groupshare.share_copy (share_id);
CREATE INDEX share_copy_device ON groupshare.share_copy (device_id);
CREATE INDEX share_copy_leaving ON groupshare.share_copy (device_id) WHERE leaving AND state = 'stored';
CREATE INDEX share_copy_going ON groupshare.share_copy (device_id) WHERE state IN ('quarantined', 'missing', 'abandoned');
CREATE INDEX share_copy_failed ON groupshare.share_copy (failed_at) WHERE state IN ('quarantined', 'missing');

-- A DBA's functions that pass devices over or prefer them otherwise; the latest version of a plan or group is the one without
-- replaced_at. function NULL: the default again.
CREATE TABLE groupshare.placement_policy (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    plan text REFERENCES groupshare.plan,
    group_id uuid REFERENCES groupshare.sharing_group,
    version int NOT NULL CHECK (version > 0),
    function text,
    set_at timestamptz NOT NULL DEFAULT now(),
    set_by text NOT NULL,
    replaced_at timestamptz,
    CHECK (num_nonnulls(plan, group_id) = 1),
    UNIQUE (plan, version),
    UNIQUE (group_id, version)
);
CREATE UNIQUE INDEX placement_policy_plan ON groupshare.placement_policy (plan) WHERE replaced_at IS NULL;
CREATE UNIQUE INDEX placement_policy_group ON groupshare.placement_policy (group_id) WHERE replaced_at IS NULL;

-- What is kept of a device that placement considered. NULL: `refused` by no terminal lately, `km` not known, no `preference` of a
-- policy; all but the first two of a device that a moved upload leaves.
CREATE TYPE groupshare.candidate AS (
    device text,
    outcome text,
    distance int,
    refused boolean,
    available bigint,
    score float8,
    km float8,
    preference float8
);

-- The bytes that a copy was promised on a device, and how the device was chosen: each decision of placement is kept with its
-- allocation, in its row.
CREATE TABLE groupshare.reservation (
    object uuid PRIMARY KEY,
    home uuid NOT NULL,
    device_id uuid NOT NULL, -- its copy's
    size_bytes groupshare.byte_count NOT NULL,
    state groupshare.reservation_state NOT NULL DEFAULT 'live',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    location text NOT NULL,
    distance int NOT NULL,
    candidates groupshare.candidate[] NOT NULL, -- in the order in which they were tried
    latitude float8,
    longitude float8,
    policy_id uuid REFERENCES groupshare.placement_policy,
    policy_error text,
    further boolean NOT NULL DEFAULT false, -- of a further copy: no terminal asked
    FOREIGN KEY (object, home) REFERENCES groupshare.share_copy (object, home) ON DELETE CASCADE,
    CHECK ((state = 'live') = (ended_at IS NULL))
);
CREATE INDEX reservation_expiry ON groupshare.reservation (expires_at) WHERE state = 'live';
CREATE INDEX reservation_device ON groupshare.reservation (device_id) WHERE state = 'live';
CREATE INDEX reservation_created ON groupshare.reservation (created_at);

-- Events and audit -------------------------------------------------------------------------------------------------------

-- Outbox of what concerns single terminals: one row an event and recipient. `position` is the recipient's cursor: it is given when the
-- recipient fetches, one fetch at a time, so that an event that commits late never takes a place that the recipient has already
-- passed. `sent` is the worker's wake-up mark.
CREATE SEQUENCE groupshare.event_position;
CREATE TABLE groupshare.event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    terminal_id uuid NOT NULL REFERENCES groupshare.terminal ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('inquiry', 'decision', 'share', 'member', 'group')),
    data jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    sent boolean NOT NULL DEFAULT false,
    position bigint
);
CREATE INDEX event_terminal ON groupshare.event (terminal_id, position);
CREATE INDEX event_new ON groupshare.event (terminal_id, id) WHERE position IS NULL;
CREATE INDEX event_at ON groupshare.event (at);
CREATE INDEX event_unsent ON groupshare.event (id) WHERE NOT sent;

-- Outbox of what concerns whole groups: one row an event, and one in event_group for each of its groups, never one for each member.
-- A member gets a row of its own in `event` when it fetches (extension/fetch.c). Ids are of one sequence with those of `event`.
CREATE TABLE groupshare.group_event (
    id bigint PRIMARY KEY DEFAULT nextval('groupshare.event_id_seq'),
    kind text NOT NULL CHECK (kind IN ('share', 'member', 'group')),
    data jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    sent boolean NOT NULL DEFAULT false
);
CREATE INDEX group_event_at ON groupshare.group_event (at);
CREATE INDEX group_event_unsent ON groupshare.group_event (id) WHERE NOT sent;

-- No foreign key: a receipt may write a thousand rows, and each check would lock the group's row. The sweep takes both away.
CREATE TABLE groupshare.event_group (
    group_id uuid NOT NULL,
    era bigint NOT NULL,
    xid xid8 NOT NULL,
    event_id bigint NOT NULL,
    -- Members of this group do not get the event, whatever other groups of it they are in.
    hides boolean NOT NULL,
    PRIMARY KEY (group_id, era, xid, event_id)
);
CREATE INDEX event_group_event ON groupshare.event_group (event_id);

-- How far a terminal has come in its groups' events: all that the snapshot `seen` shows is in `event`. When there is more than one fetch
-- takes, `target` is what is being taken, in the order (era, xid, event), and `reached` the last one taken. `own_xid`, `own_event`: the
-- transaction of the last fetch, and what that took of events that it had written itself; what else it writes is not taken yet.
CREATE TABLE groupshare.event_cursor (
    terminal_id uuid PRIMARY KEY REFERENCES groupshare.terminal ON DELETE CASCADE,
    seen_era bigint,
    seen pg_snapshot,
    target_era bigint,
    target pg_snapshot,
    reached_era bigint,
    reached_xid xid8,
    reached_event bigint,
    own_xid xid8,
    own_event bigint,
    CHECK (num_nulls(seen_era, seen) IN (0, 2)),
    CHECK (num_nulls(target_era, target, reached_era, reached_xid, reached_event) IN (0, 5))
) WITH (fillfactor = 50);

-- Groups whose members are being woken: up to which member; from the beginning again when more has happened meanwhile.
CREATE TABLE groupshare.event_wake (
    group_id uuid PRIMARY KEY,
    after uuid,
    again boolean NOT NULL DEFAULT false
);

CREATE TABLE groupshare.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    request_id text,
    peer inet,
    actor text NOT NULL,
    action text NOT NULL,
    subject text,
    terminal text,
    detail jsonb
);
CREATE INDEX audit_at ON groupshare.audit (at);

-- Comments ---------------------------------------------------------------------------------------------------------------

COMMENT ON TABLE groupshare.server IS 'the control servers of the cluster';
COMMENT ON TABLE groupshare.self IS 'which of the servers this database is: one row';
COMMENT ON TABLE groupshare.service_entry IS 'the service list: which server manages a terminal';
COMMENT ON TABLE groupshare.secret IS 'keys that sign sessions and challenges; not dumped';
COMMENT ON TABLE groupshare.plan IS 'subscription plans: sharing permission and quotas; NULL = no limit';
COMMENT ON TABLE groupshare.terminal IS 'terminals that this control server manages';
COMMENT ON TABLE groupshare.enrolment_code IS 'one-time enrolment codes as SHA-256; not dumped';
COMMENT ON TABLE groupshare.used_challenge IS 'challenges that were answered; not dumped';
COMMENT ON TABLE groupshare.usage IS 'what each terminal holds of its plans quota';
COMMENT ON TABLE groupshare.sharing_group IS 'groups';
COMMENT ON TABLE groupshare.group_listed IS 'who may join a group by the rule "listed"';
COMMENT ON TABLE groupshare.membership IS 'what a terminal is or was in a group';
COMMENT ON TABLE groupshare.group_size IS 'how many are in each group: the row of the last place; not dumped, follows from the memberships';
COMMENT ON TABLE groupshare.inquiry IS 'requests to join that administrators decide';
COMMENT ON TABLE groupshare.device IS 'storage devices';
COMMENT ON TABLE groupshare.device_area IS 'each ancestor of each devices location, for finding the nearest';
COMMENT ON TABLE groupshare.device_ledger IS 'what a device said last and what is promised on it; not dumped';
COMMENT ON TABLE groupshare.device_history IS 'what each device reported first in each hour; kept for groupshare.device_history_retention';
COMMENT ON TABLE groupshare.device_key IS 'keys that sign tickets for a device; not dumped';
COMMENT ON TABLE groupshare.device_work IS 'what a device has to do';
COMMENT ON TABLE groupshare.revocation IS 'terminals whose tickets die, for all devices; not dumped';
COMMENT ON TABLE groupshare.device_heard IS 'which revocations each device has heard of; not dumped';
COMMENT ON TABLE groupshare.network IS 'which location a peer address is in';
COMMENT ON TABLE groupshare.share IS 'shares: who owns what, how large, in which state';
COMMENT ON TABLE groupshare.share_group IS 'the groups that a share is visible in when not in all of its owners';
COMMENT ON TABLE groupshare.share_copy IS 'where a shares bytes are';
COMMENT ON TABLE groupshare.reservation IS 'bytes promised on a device, and how the device was chosen';
COMMENT ON TABLE groupshare.placement_policy IS 'functions of DBAs that have a say in placement, all versions';
COMMENT ON COLUMN groupshare.reservation.policy_error IS 'why the default decided instead of the policy';
COMMENT ON TABLE groupshare.event IS 'outbox: one row an event and recipient';
COMMENT ON TABLE groupshare.group_event IS 'outbox: events of whole groups, one row each';
COMMENT ON TABLE groupshare.event_group IS 'the groups that an event of group_event is for, in the order of transactions';
COMMENT ON TABLE groupshare.event_cursor IS 'how far each terminal has come in its groups events';
COMMENT ON TABLE groupshare.event_wake IS 'groups whose members the worker is waking';
COMMENT ON TABLE groupshare.event_era IS 'the time in which transaction numbers are those of one cluster; not dumped';
COMMENT ON FUNCTION groupshare.current_era() IS 'the present era of transaction numbers';
COMMENT ON COLUMN groupshare.membership.came_after IS 'what was committed when it came in last: of the groups events it gets the later ones';
COMMENT ON TABLE groupshare.audit IS 'who did what, and to whom';
COMMENT ON COLUMN groupshare.audit.subject IS 'what it was done to: the id of a group, share or inquiry, the name of a device, ...';
COMMENT ON COLUMN groupshare.audit.terminal IS 'to whom: whose membership it was, also when that is the actor';
COMMENT ON SEQUENCE groupshare.event_position IS 'cursor positions of events, of all terminals';
COMMENT ON COLUMN groupshare.plan.sharing IS 'may its terminals share at all';
COMMENT ON COLUMN groupshare.plan.quota_bytes IS 'most bytes that a terminals pending and stored shares may have';
COMMENT ON COLUMN groupshare.terminal.epoch IS 'raised by revocation and enrolment: sessions of an older epoch are dead';
COMMENT ON COLUMN groupshare.terminal.location IS 'NULL = by the network of its peer address';
COMMENT ON COLUMN groupshare.sharing_group.listing IS 'who finds it: listed = everybody, exact = who knows the whole name, hidden = members';
COMMENT ON COLUMN groupshare.sharing_group.name_key IS 'the name without case and accents, for search';
COMMENT ON COLUMN groupshare.sharing_group.name_grams IS 'a number for each run of 1 to 3 characters of name_key: parts are found by them';
COMMENT ON COLUMN groupshare.sharing_group.max_members IS 'nobody comes in while there are so many';
COMMENT ON COLUMN groupshare.sharing_group.swept_at IS 'when nothing of the dissolved group was left but this row';
COMMENT ON COLUMN groupshare.membership.invited_role IS 'what an invited terminal becomes by joining';
COMMENT ON COLUMN groupshare.membership.since IS 'when the state was entered';
COMMENT ON COLUMN groupshare.membership.joined_at IS 'when it came in last; the oldest inherits administration';
COMMENT ON COLUMN groupshare.event.position IS 'the recipients cursor, given at the first fetch';
COMMENT ON COLUMN groupshare.event.sent IS 'the recipient was woken';
COMMENT ON COLUMN groupshare.secret.retired_at IS 'signs no more; verifies what it signed';
COMMENT ON COLUMN groupshare.terminal.latitude IS 'with location only: degrees; orders equally near devices that have coordinates';
COMMENT ON COLUMN groupshare.network.latitude IS 'degrees; orders equally near devices that have coordinates';
COMMENT ON COLUMN groupshare.device.headroom_bytes IS 'NULL = groupshare.device_headroom';
COMMENT ON COLUMN groupshare.device.high_water_percent IS 'NULL = groupshare.device_high_water_percent';
COMMENT ON COLUMN groupshare.device.capacity_limit_bytes IS 'most bytes that this control server gives it, whatever it says to have; NULL = what it says';
COMMENT ON COLUMN groupshare.device_ledger.held_bytes IS 'bytes of this server''s shares that lie on it, for capacity_limit_bytes';
COMMENT ON COLUMN groupshare.device_ledger.connected_at IS 'a report that an older connection left behind comes too late';
COMMENT ON COLUMN groupshare.device_ledger.room_class IS 'kept by extension/room.c';
COMMENT ON COLUMN groupshare.device_ledger.refused_at IS 'a terminal asked for another device since the last report: tried last';
COMMENT ON COLUMN groupshare.device.login_role IS 'the role that the device connects as: that is how it is known';
COMMENT ON COLUMN groupshare.device_work.tickets_before IS 'revoke: tickets issued until then are refused';
COMMENT ON COLUMN groupshare.share_copy.found_sha256 IS 'quarantined: the digest of what the device found instead; NULL: nothing readable';
COMMENT ON COLUMN groupshare.share.all_groups_since IS 'when all_groups became what it is';
COMMENT ON COLUMN groupshare.share.all_groups IS 'visible in all groups of its owner, also in later ones';
