-- SPDX-License-Identifier: PostgreSQL
-- Rules of devices and shares that need more than one row or the row before: they hold against a DBA's own UPDATE too.
-- Triggers also fire while pg_restore loads rows, so each must come to the same result then.

-- A device's areas and ledger row follow the device. Neither is dumped: restoring the device makes them. The ledger row is
-- locked before its class is read for new areas: whoever changes the class holds it too.
CREATE FUNCTION groupshare.follow_device() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    segments CONSTANT text[] := string_to_array(NEW.location, '/');
    class int;
BEGIN
    INSERT INTO groupshare.device_ledger AS l (device_id, active, headroom_bytes, high_water_percent, capacity_limit_bytes,
            name, location, latitude, longitude)
        VALUES (NEW.id, NEW.state = 'active', NEW.headroom_bytes, NEW.high_water_percent, NEW.capacity_limit_bytes,
            NEW.name, NEW.location, NEW.latitude, NEW.longitude)
        ON CONFLICT (device_id) DO UPDATE SET active = excluded.active, headroom_bytes = excluded.headroom_bytes,
            high_water_percent = excluded.high_water_percent, capacity_limit_bytes = excluded.capacity_limit_bytes,
            name = excluded.name, location = excluded.location, latitude = excluded.latitude, longitude = excluded.longitude
        RETURNING l.room_class INTO class;
    IF TG_OP = 'UPDATE' THEN
        IF NEW.location = OLD.location THEN
            RETURN NULL;
        END IF;
        DELETE FROM groupshare.device_area WHERE device_id = NEW.id;
    END IF;
    INSERT INTO groupshare.device_area (device_id, depth, area, room_class, place)
        SELECT NEW.id, cardinality(segments) - n, array_to_string(segments[1:n], '/'), class, uuid_hash(NEW.id)
          FROM generate_series(0, cardinality(segments)) n;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION groupshare.follow_device() IS 'trigger: keeps device_area and device_ledger in step with device';

CREATE TRIGGER follow_device
    AFTER INSERT OR UPDATE OF name, location, latitude, longitude, state, headroom_bytes, high_water_percent, capacity_limit_bytes
    ON groupshare.device
    FOR EACH ROW EXECUTE FUNCTION groupshare.follow_device();

CREATE FUNCTION groupshare.classify_room() RETURNS trigger
    AS 'MODULE_PATHNAME', 'gs_classify_room' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION groupshare.classify_room() IS 'trigger: sets what is available on a device and the class of its room';

CREATE TRIGGER classify_room BEFORE INSERT OR UPDATE ON groupshare.device_ledger
    FOR EACH ROW EXECUTE FUNCTION groupshare.classify_room();

CREATE FUNCTION groupshare.follow_room() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE groupshare.device_area SET room_class = NEW.room_class
     WHERE device_id = NEW.device_id AND room_class <> NEW.room_class;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION groupshare.follow_room() IS 'trigger: brings a new class of room to the areas of the device';

CREATE TRIGGER follow_room AFTER UPDATE ON groupshare.device_ledger
    FOR EACH ROW WHEN (OLD.room_class <> NEW.room_class) EXECUTE FUNCTION groupshare.follow_room();
CREATE TRIGGER follow_room_made AFTER INSERT ON groupshare.device_ledger
    FOR EACH ROW WHEN (NEW.room_class >= 0) EXECUTE FUNCTION groupshare.follow_room();

-- Clearing the epoch locks and changes the ledger row: a notice that is just now reserving either came before and is seen
-- here, or finds the row changed and passes the device over. With it goes what the device said: no sum counts what is no longer there.
CREATE FUNCTION groupshare.check_decommission() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    copies bigint;
BEGIN
    UPDATE groupshare.device_ledger SET epoch = NULL, capacity_bytes = 0, free_bytes = 0, staged_bytes = 0, reserved_bytes = 0,
           settled_bytes = 0 WHERE device_id = NEW.id;
    SELECT count(*) INTO copies FROM groupshare.share_copy WHERE device_id = NEW.id AND state IN ('pending', 'stored');
    IF copies > 0 THEN
        RAISE EXCEPTION 'device "%" still holds shares', NEW.name USING ERRCODE = 'GS015',
            DETAIL = format('%s copies are stored or being uploaded there.', copies),
            HINT = 'Drain it first; its shares must be deleted or expire.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION groupshare.check_decommission() IS 'trigger: a device that holds shares can''t be decommissioned';

CREATE TRIGGER check_decommission BEFORE UPDATE OF state ON groupshare.device
    FOR EACH ROW WHEN (NEW.state = 'decommissioned' AND OLD.state <> 'decommissioned')
    EXECUTE FUNCTION groupshare.check_decommission();

-- What has ended stays ended. The legal moves stand in the WHEN clauses, so that they cost no call.
CREATE FUNCTION groupshare.refuse_move() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION '% can''t go from state "%" to "%"', TG_ARGV[0], OLD.state, NEW.state USING ERRCODE = 'GS015';
END $$;
COMMENT ON FUNCTION groupshare.refuse_move() IS 'trigger: refuses a change of state that is not legal';

CREATE TRIGGER legal_move BEFORE UPDATE OF state ON groupshare.share
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN
        (('pending', 'stored'), ('pending', 'expired'), ('pending', 'deleted'), ('stored', 'deleted')))
    EXECUTE FUNCTION groupshare.refuse_move('a share');

CREATE TRIGGER legal_move BEFORE UPDATE OF state ON groupshare.share_copy
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN
        (('pending', 'stored'), ('pending', 'abandoned'), ('stored', 'abandoned'), ('abandoned', 'deleted'),
         ('stored', 'quarantined'), ('stored', 'missing'), ('missing', 'stored'),
         ('quarantined', 'abandoned'), ('missing', 'abandoned')))
    EXECUTE FUNCTION groupshare.refuse_move('a copy');

CREATE TRIGGER legal_move BEFORE UPDATE OF state ON groupshare.reservation
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND OLD.state <> 'live')
    EXECUTE FUNCTION groupshare.refuse_move('a reservation');

-- Nothing of ours deletes shares; a DBA's own DELETE takes what they were charged and what was promised for them along.
CREATE FUNCTION groupshare.discharge() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF TG_TABLE_NAME = 'share' THEN
        UPDATE groupshare.usage SET used_bytes = used_bytes - OLD.size_bytes, shares = shares - 1 WHERE terminal_id = OLD.owner;
    ELSE
        UPDATE groupshare.device_ledger SET reserved_bytes = reserved_bytes - OLD.size_bytes
         WHERE device_id = OLD.device_id AND epoch IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION groupshare.discharge() IS 'trigger: a deleted row is charged and promised no longer';

CREATE TRIGGER discharge AFTER DELETE ON groupshare.share
    FOR EACH ROW WHEN (OLD.state IN ('pending', 'stored')) EXECUTE FUNCTION groupshare.discharge();
CREATE TRIGGER discharge AFTER DELETE ON groupshare.reservation
    FOR EACH ROW WHEN (OLD.state = 'live') EXECUTE FUNCTION groupshare.discharge();
