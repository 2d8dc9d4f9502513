-- SPDX-License-Identifier: PostgreSQL
-- A deleted share is held until the last of its copies is confirmed to be gone.

-- The share is locked before its other copies are looked at: of two devices that confirm at the same time the second sees
-- what the first did. Nobody who holds the row of a deleted share waits for its copies.
CREATE FUNCTION groupshare.end_hold() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM 1 FROM groupshare.share WHERE id = NEW.share_id AND held FOR NO KEY UPDATE;
    IF FOUND THEN
        UPDATE groupshare.share SET held = false WHERE id = NEW.share_id
            AND NOT EXISTS (SELECT 1 FROM groupshare.share_copy c WHERE c.share_id = NEW.share_id AND c.state <> 'deleted'
                AND c.stored_at IS NOT NULL);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION groupshare.end_hold() IS 'trigger: the last copy of a deleted share is gone, its bytes are held no more';

CREATE TRIGGER end_hold AFTER UPDATE OF state ON groupshare.share_copy
    FOR EACH ROW WHEN (NEW.state = 'deleted' AND OLD.state <> 'deleted') EXECUTE FUNCTION groupshare.end_hold();
