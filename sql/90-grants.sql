-- SPDX-License-Identifier: PostgreSQL
-- Who may use what, and what pg_dump keeps. Last, so that it covers every object of the parts before it.

INSERT INTO groupshare.secret (purpose, key)
    SELECT purpose, groupshare.random_key() FROM unnest(ARRAY['session', 'challenge']) purpose;

REVOKE ALL ON ALL TABLES IN SCHEMA groupshare FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA groupshare FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA groupshare FROM PUBLIC;
