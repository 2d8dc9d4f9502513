-- SPDX-License-Identifier: PostgreSQL
-- What is known of the bytes behind the copies: inventories of the devices and what they found, shares that want another
-- copy, and the jobs that move copies. All of it is this server's own bookkeeping: nothing here is mirrored.

-- One row a device: what is asked (work_id), what is being listed (epoch, started_at, listed), what the last one was.
CREATE TABLE groupshare.inventory (
    device_id uuid PRIMARY KEY REFERENCES groupshare.device ON DELETE CASCADE,
    work_id bigint,
    requested_at timestamptz,
    epoch bigint,
    started_at timestamptz,
    listed bigint NOT NULL DEFAULT 0,
    last_epoch bigint,
    last_started_at timestamptz,
    last_ended_at timestamptz,
    last_objects bigint,
    last_bytes bigint,
    CHECK ((epoch IS NULL) = (started_at IS NULL)),
    CHECK ((work_id IS NULL) = (requested_at IS NULL))
);
CREATE INDEX inventory_asked ON groupshare.inventory (device_id) WHERE work_id IS NOT NULL;

-- What a device lists, until it has ended. Unlogged: after a crash it is empty, which `listed` tells, and the list is made again.
CREATE UNLOGGED TABLE groupshare.inventory_object (
    device_id uuid NOT NULL REFERENCES groupshare.device ON DELETE CASCADE,
    object uuid NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 bytea CHECK (octet_length(sha256) = 32),
    state text NOT NULL CHECK (state IN ('stored', 'receipt_pending', 'staged', 'quarantined')),
    terminal uuid,
    name text,
    PRIMARY KEY (device_id, object),
    CHECK (state = 'staged' OR sha256 IS NOT NULL)
);

-- What the last inventory of each device and the catalog disagree about.
CREATE TABLE groupshare.inventory_finding (
    device_id uuid NOT NULL REFERENCES groupshare.device ON DELETE CASCADE,
    object uuid NOT NULL,
    problem text NOT NULL CHECK (problem IN ('orphan', 'missing', 'mismatch', 'damaged', 'unacknowledged', 'returned')),
    size_bytes bigint,
    sha256 bytea CHECK (octet_length(sha256) = 32),
    disk_state text,
    disk_owner uuid,
    disk_name text,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (device_id, object)
);

COMMENT ON TABLE groupshare.inventory IS 'inventories of the devices: asked, being listed, last';
COMMENT ON TABLE groupshare.inventory_object IS 'what a device lists while its inventory runs; not dumped';
COMMENT ON TABLE groupshare.inventory_finding IS 'what the last inventory of each device and the catalog disagree about; not dumped';
COMMENT ON COLUMN groupshare.inventory.listed IS 'objects listed so far by the running inventory';
COMMENT ON COLUMN groupshare.inventory_finding.disk_owner IS 'the terminal that shared it, as the disk says, which outlives all rows here';
COMMENT ON COLUMN groupshare.inventory_finding.disk_name IS 'what it was shared as, likewise; NULL when the disk says nothing that a share may be called';
COMMENT ON COLUMN groupshare.inventory_finding.first_seen IS 'the end of the first of the unbroken row of inventories that saw it';

-- Shares whose copies are to be looked at: too few, too many, bad ones. The worker takes them in the order of not_before.
CREATE TABLE groupshare.copy_need (
    share_id uuid PRIMARY KEY REFERENCES groupshare.share ON DELETE CASCADE,
    not_before timestamptz NOT NULL DEFAULT now(),
    failures int NOT NULL DEFAULT 0,
    problem text
);
CREATE INDEX copy_need_due ON groupshare.copy_need (not_before);

-- Pending copies that their device fetches from another one. A pending copy without such a row is uploaded by the owner.
CREATE TABLE groupshare.copy_fetch (
    object uuid PRIMARY KEY REFERENCES groupshare.share_copy ON DELETE CASCADE,
    work_id bigint NOT NULL DEFAULT nextval('groupshare.device_work_id_seq')
);

-- What moves or counts copies in the background. A job keeps at most `pace` copies on their way and knows from the catalog
-- what is left, so a restart costs nothing.
CREATE TABLE groupshare.job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('drain', 'decommission', 'lose', 'rebalance', 'copies')),
    device_id uuid REFERENCES groupshare.device ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled')),
    dry_run boolean NOT NULL DEFAULT false,
    pace int NOT NULL CHECK (pace BETWEEN 1 AND 10000),
    -- What is to be moved or, by lose and copies, looked at, when it begins.
    copies bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    moved bigint NOT NULL DEFAULT 0,
    -- Of those, by a dry run of drain and decommission: what has room elsewhere, and why the largest of the others has none.
    with_room bigint,
    with_room_bytes bigint,
    problem text,
    last_share uuid, -- copies: the share that was looked at last
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CHECK ((state = 'running') = (ended_at IS NULL)),
    CHECK ((with_room IS NULL) = (with_room_bytes IS NULL) AND (dry_run OR (with_room IS NULL AND problem IS NULL))),
    CHECK ((kind IN ('rebalance', 'copies')) = (device_id IS NULL))
);
CREATE UNIQUE INDEX job_one_a_device ON groupshare.job (device_id) WHERE state = 'running';
CREATE UNIQUE INDEX job_one_of_all ON groupshare.job (kind) WHERE state = 'running' AND device_id IS NULL;
CREATE INDEX job_device ON groupshare.job (device_id);

COMMENT ON TABLE groupshare.copy_need IS 'shares whose copies the worker looks at: too few, too many, bad ones';
COMMENT ON TABLE groupshare.copy_fetch IS 'pending copies that their device fetches from another device';
COMMENT ON TABLE groupshare.job IS 'drain, decommission, lose, rebalance, copies: what moves or counts copies in the background';
