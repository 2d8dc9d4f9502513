-- SPDX-License-Identifier: PostgreSQL
-- The bytes behind the copies: inventories, what is done about what they find, damage, restores.

-- For the storage daemons (doc/contracts.md section 4) -------------------------------------------------------------------

CREATE FUNCTION groupshare.device_inventory_begin(epoch bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_device_inventory_begin' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_inventory_begin(bigint) IS 'storage daemon: I begin to list what I have';

CREATE FUNCTION groupshare.device_inventory_add(epoch bigint, objects uuid[], sizes bigint[], sha256 bytea[], states text[],
                                                 terminals uuid[] DEFAULT '{}', names text[] DEFAULT '{}')
    RETURNS void
    AS 'MODULE_PATHNAME', 'gs_device_inventory_add' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_inventory_add(bigint, uuid[], bigint[], bytea[], text[], uuid[], text[]) IS
    'storage daemon: I have these objects, 1000 a call at most';

CREATE FUNCTION groupshare.device_inventory_end(epoch bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'gs_device_inventory_end' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_inventory_end(bigint) IS
    'storage daemon: that was all I have; answers how many differences from the catalog there are';

CREATE FUNCTION groupshare.device_damaged(epoch bigint, object uuid, sha256 bytea) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_device_damaged' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_damaged(bigint, uuid, bytea) IS
    'storage daemon: the bytes of this object are wrong, this is their digest (empty: not readable)';

CREATE FUNCTION groupshare.device_fetch_failed(epoch bigint, object uuid, reason text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_device_fetch_failed' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_fetch_failed(bigint, uuid, text) IS
    'storage daemon: I can''t fetch this copy; source_missing, source_damaged, source_unreachable, no_room or failed';

-- For DBAs ---------------------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.request_inventory(device text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_request_inventory' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.request_inventory(text) IS
    'ask a device what it has, with its next report; groupshare.inventories shows how far it is, groupshare.inventory_report what differs';

CREATE FUNCTION groupshare.reconcile(device text, dry_run boolean DEFAULT true, grace interval DEFAULT NULL, most int DEFAULT 1000)
    RETURNS TABLE (object uuid, problem text, action text, due timestamptz, size_bytes bigint, owner text, share text)
    AS 'MODULE_PATHNAME', 'gs_reconcile' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 100
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.reconcile(text, boolean, interval, int) IS
    'what to do about what the last inventory of a device found, and with dry_run => false: do it; orphans go when they have been seen for the grace period (NULL: groupshare.delete_hold; up to 100 years)';

CREATE FUNCTION groupshare.after_restore() RETURNS void
    AS 'MODULE_PATHNAME', 'gs_after_restore' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.after_restore() IS
    'call it once when this database was restored to an earlier point: sessions, codes and tickets of before die, devices announce themselves and list what they have';

CREATE FUNCTION groupshare.start_job(kind text, device text DEFAULT NULL, dry_run boolean DEFAULT false, pace int DEFAULT 100)
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'gs_start_job' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.start_job(text, text, boolean, int) IS
    'drain, decommission or lose a device, rebalance all, or hold the copies of all shares against their plans, in the background; pace: copies on their way at a time; dry_run: only say how much that would be and, for drain and decommission, how much of it has room elsewhere; see groupshare.jobs';

CREATE FUNCTION groupshare.explain_drain(device text)
    RETURNS TABLE (owner text, share text, size_bytes bigint, leaves boolean, new_devices text[], problem text, share_id uuid)
    AS 'MODULE_PATHNAME', 'gs_explain_drain' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1000
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.explain_drain(text) IS
    'what if the device were drained: for each stored copy on it whether it leaves, to where (nothing: there are enough others), or what is in the way, by the code that places copies, each on top of those before it; changes and locks nothing';

CREATE FUNCTION groupshare.cancel_job(id bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_cancel_job' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.cancel_job(bigint) IS
    'end a running job; what it has moved stays moved, a draining device stays draining';

CREATE FUNCTION groupshare.lose_device(name text) RETURNS bigint
    LANGUAGE SQL VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT groupshare.start_job('lose', name) $$;
COMMENT ON FUNCTION groupshare.lose_device(text) IS
    'a device will not come back: its copies are missing, others are made from what is left elsewhere; answers the job';
