-- SPDX-License-Identifier: PostgreSQL
-- Storage devices, placement, shared upload, index and download: what DBAs, the gateway (api_*) and the devices
-- (device_*) call. All decide in C. Privileges are given in 90-grants.sql: nothing here is for PUBLIC.

-- Devices, for DBAs ---------------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.add_storage_device(name text, login_role name, location text) RETURNS uuid
    AS 'MODULE_PATHNAME', 'gs_add_storage_device' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.add_storage_device(text, name, text) IS
    'let the storage daemon that connects as this login role store shares; location is a path such as cn/east/z1';

CREATE FUNCTION groupshare.drain_device(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_drain_device' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.drain_device(text) IS
    'give a device no new shares; what it holds stays available';

CREATE FUNCTION groupshare.undrain_device(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_undrain_device' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.undrain_device(text) IS
    'let a drained device take new shares again';

CREATE FUNCTION groupshare.decommission_device(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_decommission_device' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.decommission_device(text) IS
    'shut a device out for good; refused while it holds shares or reservations';

CREATE FUNCTION groupshare.move_device(name text, location text, latitude float8 DEFAULT NULL, longitude float8 DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'gs_move_device' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.move_device(text, text, float8, float8) IS
    'say that a device stands elsewhere; coordinates in degrees, if given, order equally near devices';

CREATE FUNCTION groupshare.move_terminal(id text, location text, latitude float8 DEFAULT NULL, longitude float8 DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'gs_move_terminal' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.move_terminal(text, text, float8, float8) IS
    'say where a terminal is, whatever its network says; location NULL: by its network again';

CREATE FUNCTION groupshare.set_device_limits(name text, headroom_bytes bigint DEFAULT NULL,
        high_water_percent int DEFAULT NULL, capacity_limit_bytes bigint DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_set_device_limits' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.set_device_limits(text, bigint, int, bigint) IS
    'what holds for a device instead of groupshare.device_headroom and device_high_water_percent, and the most bytes it may be given whatever it says to have; NULL: no own limit';

CREATE FUNCTION groupshare.rotate_device_key(name text, revoke boolean DEFAULT false) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_rotate_device_key' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.rotate_device_key(text, boolean) IS
    'sign tickets for a device with a new key; the old one is good for tickets that are out, or with revoke => true for none';


-- Devices, for the storage daemons (doc/contracts.md section 4) ----------------------------------------------------------

CREATE FUNCTION groupshare.device_announce(epoch bigint, url text, capacity_bytes bigint, free_bytes bigint,
        staged_bytes bigint, report_interval_ms int, version text) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'gs_device_announce' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_announce(bigint, text, bigint, bigint, bigint, int, text) IS
    'storage daemon: I have started; answers who I am and my ticket keys';

CREATE FUNCTION groupshare.device_report(epoch bigint, capacity_bytes bigint, free_bytes bigint, staged_bytes bigint,
        read_only boolean) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'gs_device_report' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_report(bigint, bigint, bigint, bigint, boolean) IS
    'storage daemon: my space; answers ticket keys and work that is due';

CREATE FUNCTION groupshare.device_receipt(epoch bigint, object uuid, size_bytes bigint, sha256 bytea) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_device_receipt' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_receipt(bigint, uuid, bigint, bytea) IS
    'storage daemon: I hold these bytes durably; answers stored or unwanted';

CREATE FUNCTION groupshare.device_receipts(epoch bigint, objects uuid[], sizes bigint[], sha256 bytea[]) RETURNS text[]
    AS 'MODULE_PATHNAME', 'gs_device_receipts' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_receipts(bigint, uuid[], bigint[], bytea[]) IS
    'storage daemon: I hold the bytes of these objects durably; answers stored, unwanted or mismatch for each';

CREATE FUNCTION groupshare.device_work_done(epoch bigint, work bigint[]) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_device_work_done' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.device_work_done(bigint, bigint[]) IS
    'storage daemon: this work is done';


-- Placement ---------------------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.placement_objection(state text, name text, epoch bigint, reported_at timestamptz, report_interval_ms int,
    read_only boolean, capacity_bytes bigint, capacity_limit_bytes bigint, available_bytes bigint, high_water_percent int,
    headroom_bytes bigint, size bigint, avoid text[]) RETURNS text
    AS 'MODULE_PATHNAME', 'gs_placement_objection' LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION groupshare.placement_objection(text, text, bigint, timestamptz, int, boolean, bigint, bigint, bigint, int, bigint, bigint, text[]) IS
    'why a device with these columns of device and device_ledger takes no upload of this size; NULL: it does';

CREATE FUNCTION groupshare.explain_placement(terminal text, size bigint, avoid text[] DEFAULT '{}', peer inet DEFAULT NULL)
    RETURNS TABLE (device text, location text, distance int, capacity_bytes bigint, free_bytes bigint,
        reserved_bytes bigint, staged_bytes bigint, available_bytes bigint, score float8, candidate boolean, reason text)
    AS 'MODULE_PATHNAME', 'gs_explain_placement' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 100
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.explain_placement(text, bigint, text[], inet) IS
    'where a notice of this size would go now: each device, its chance (score), or why it is passed over; changes nothing';

CREATE FUNCTION groupshare.nearest_devices(terminal text, size bigint, avoid text[] DEFAULT '{}', peer inet DEFAULT NULL)
    RETURNS TABLE (device text, location text, distance int, km float8, available_bytes bigint, score float8)
    AS 'MODULE_PATHNAME', 'gs_nearest_devices' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 10
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.nearest_devices(text, bigint, text[], inet) IS
    'the candidates for a notice of this size now, in the order in which they would be tried: explain_placement without the others';

CREATE FUNCTION groupshare.set_placement_policy(function text, plan text DEFAULT NULL, group_id uuid DEFAULT NULL) RETURNS int
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    signature CONSTANT text := '(text, bigint, text, text, integer, bigint, double precision)';
    found regprocedure := to_regprocedure(set_placement_policy.function || signature);
    made int;
BEGIN
    IF num_nonnulls(set_placement_policy.plan, set_placement_policy.group_id) <> 1 THEN
        RAISE EXCEPTION 'name a plan or a group' USING ERRCODE = 'GS010';
    END IF;
    IF set_placement_policy.function IS NOT NULL AND (found IS NULL
        OR (SELECT prorettype <> 'float8'::regtype OR proretset OR prokind <> 'f' FROM pg_proc WHERE oid = found)) THEN
        RAISE EXCEPTION 'there is no function % % RETURNS double precision', set_placement_policy.function, signature
            USING ERRCODE = 'GS010', DETAIL = 'Its arguments: terminal, size, device, location, distance, available bytes, preference.',
            HINT = 'Write its name with its schema.';
    END IF;
    IF found IS NOT NULL AND NOT has_function_privilege(session_user, found, 'EXECUTE') THEN
        RAISE EXCEPTION 'permission denied for function %', found USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT EXISTS (SELECT FROM groupshare.plan WHERE name = set_placement_policy.plan)
        AND NOT EXISTS (SELECT FROM groupshare.sharing_group WHERE id = set_placement_policy.group_id) THEN
        RAISE EXCEPTION 'there is no such plan or group' USING ERRCODE = 'GS012',
            HINT = 'SELECT name FROM groupshare.plan, and id FROM groupshare.groups, list them.';
    END IF;
    LOCK TABLE groupshare.placement_policy IN SHARE ROW EXCLUSIVE MODE;
    UPDATE groupshare.placement_policy p SET replaced_at = now()
     WHERE p.replaced_at IS NULL AND (p.plan = set_placement_policy.plan OR p.group_id = set_placement_policy.group_id);
    INSERT INTO groupshare.placement_policy AS p (plan, group_id, version, function, set_by)
        SELECT set_placement_policy.plan, set_placement_policy.group_id, coalesce(max(o.version), 0) + 1, found::text, session_user
          FROM groupshare.placement_policy o
         WHERE o.plan = set_placement_policy.plan OR o.group_id = set_placement_policy.group_id
        RETURNING p.version INTO made;
    INSERT INTO groupshare.audit (actor, action, subject, detail) VALUES (session_user, 'set_placement_policy',
        coalesce(set_placement_policy.plan, set_placement_policy.group_id::text), jsonb_build_object('function', found::text, 'version', made));
    RETURN made;
END $$;
COMMENT ON FUNCTION groupshare.set_placement_policy(text, text, uuid) IS
    'let schema.function(terminal text, size bigint, device text, location text, distance int, available bigint, preference float8) RETURNS float8 judge the candidates of a plan or a group: the highest answer is tried first, NULL passes the device over; function NULL: the default again; answers the version';

CREATE FUNCTION groupshare.replay_notices("from" timestamptz, "to" timestamptz, most int DEFAULT 100000)
    RETURNS TABLE (at timestamptz, terminal text, share text, size_bytes bigint, device text, distance int,
        new_device text, new_distance int, refusal text)
    AS 'MODULE_PATHNAME', 'gs_replay_notices' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.replay_notices(timestamptz, timestamptz, int) IS
    'what if: where the notices of that time would go now, one after the other on top of what is there, or why they would be refused; changes nothing, but holds the devices it reserves on until it ends';


-- Shares, for DBAs -------------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.upload_notice(terminal text, name text, size bigint, sha256 bytea DEFAULT NULL,
        groups uuid[] DEFAULT NULL, avoid text[] DEFAULT '{}',
        OUT share uuid, OUT object uuid, OUT state text, OUT device text, OUT url text, OUT ticket text,
        OUT expires_at timestamptz, OUT reservation_expires_at timestamptz)
    AS 'MODULE_PATHNAME', 'gs_upload_notice_sql' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.upload_notice(text, text, bigint, bytea, uuid[], text[]) IS
    'upload notice of a terminal: makes the share, reserves its bytes, answers the storage allocation';

CREATE FUNCTION groupshare.download_notice(terminal text, share uuid,
        OUT share uuid, OUT name text, OUT owner text, OUT size bigint, OUT sha256 bytea, OUT device text, OUT url text,
        OUT ticket text, OUT expires_at timestamptz)
    AS 'MODULE_PATHNAME', 'gs_download_notice' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.download_notice(text, uuid) IS
    'download notice of a terminal for a share that it may see: answers the storage designation';

CREATE FUNCTION groupshare.download_notice(terminal text, owner text, name text,
        OUT share uuid, OUT name text, OUT owner text, OUT size bigint, OUT sha256 bytea, OUT device text, OUT url text,
        OUT ticket text, OUT expires_at timestamptz)
    AS 'MODULE_PATHNAME', 'gs_download_notice_by_name' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.download_notice(text, text, text) IS
    'download notice of a terminal for a share by its owner and name';

CREATE FUNCTION groupshare.share_list(terminal text)
    RETURNS TABLE (share uuid, name text, size_bytes bigint, sha256 bytea, state text, devices text[], groups uuid[],
        created_at timestamptz, stored_at timestamptz)
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT s.id, s.name, s.size_bytes, s.sha256, s.state,
               ARRAY(SELECT d.name FROM groupshare.share_copy c JOIN groupshare.device d ON d.id = c.device_id
                      WHERE c.share_id = s.id AND c.state = s.state ORDER BY d.name),
               CASE WHEN NOT s.all_groups THEN ARRAY(SELECT v.group_id FROM groupshare.share_group v
                      WHERE v.share_id = s.id ORDER BY v.group_id) END,
               s.created_at, s.stored_at
          FROM groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner
         WHERE t.identifier = groupshare.normalize_identifier(share_list.terminal)
           AND s.state IN ('pending', 'stored')
         ORDER BY s.name
    $$;
COMMENT ON FUNCTION groupshare.share_list(text) IS
    'what a terminal shares and on which devices it is; groups NULL: visible in all of its groups';

CREATE FUNCTION groupshare.delete_share(terminal text, share uuid) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_delete_share' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.delete_share(text, uuid) IS
    'deletion of a share by its owner: out of sight now, its bytes go after groupshare.delete_hold';

CREATE FUNCTION groupshare.set_share_groups(terminal text, share uuid, groups uuid[] DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'gs_set_share_groups' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.set_share_groups(text, uuid, uuid[]) IS
    'show an own share in these groups only; NULL: in all of the owner''s, later ones too';

-- Shares, for the gateway -------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.api_upload(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_upload' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_upload(text, inet, text, jsonb, jsonb) IS 'gateway: upload notice';

CREATE FUNCTION groupshare.api_shares(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_shares' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_shares(text, inet, text, jsonb, jsonb) IS 'gateway: the own share list';

CREATE FUNCTION groupshare.api_set_share(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_set_share' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_set_share(text, inet, text, jsonb, jsonb) IS 'gateway: who sees an own share';

CREATE FUNCTION groupshare.api_delete_share(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_delete_share' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_delete_share(text, inet, text, jsonb, jsonb) IS 'gateway: deletion of an own share';

CREATE FUNCTION groupshare.api_download(session text, peer inet, request_id text, params jsonb, body jsonb,
        OUT status int, OUT reply jsonb, OUT etag text)
    AS 'MODULE_PATHNAME', 'gs_api_download' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.api_download(text, inet, text, jsonb, jsonb) IS 'gateway: download notice';


-- Maintenance -------------------------------------------------------------------------------------------------------------

CREATE FUNCTION groupshare.run_maintenance() RETURNS void
    AS 'MODULE_PATHNAME', 'gs_run_maintenance' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION groupshare.run_maintenance() IS
    'what the background worker does at each groupshare.maintenance_interval, once: expiry, clean-up, waking event requests';
