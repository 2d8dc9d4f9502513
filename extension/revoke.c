/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who loses a right loses its tickets: triggers write it down for the devices, whatever took the right away, a function
 * of ours or a DBA's own statement. Nobody keeps a record of tickets, so that a download notice only reads; what is
 * revoked is therefore a little too much, and whoever still has the right asks for another ticket:
 *
 * - a terminal that goes out of a group, is revoked or enrols a new key: all its tickets, on each device;
 * - what it shared in the group, a share that is deleted or shown to fewer groups: all tickets for those objects;
 * - a group that is dissolved: all tickets of its members.
 *
 * What concerns one object is work for the devices that have it. What concerns a terminal concerns all devices, and is
 * written once: each device makes work of its own of it when it reports, by a snapshot as who fetches events does
 * (fetch.c). The worker wakes the devices (maintenance.c). Rows are only inserted: no lock.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "plan.h"
#include "revoke.h"
#include "settings.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(gs_revoke_of_membership);
PG_FUNCTION_INFO_V1(gs_revoke_of_group);
PG_FUNCTION_INFO_V1(gs_revoke_of_terminal);
PG_FUNCTION_INFO_V1(gs_revoke_of_share);

static GsPlan revoke_terminal = {
	"INSERT INTO groupshare.revocation (terminal_id) VALUES ($1)",
	{UUIDOID},
};
static GsPlan revoke_shown = {
	"INSERT INTO groupshare.device_work (device_id, kind, object, wake)"
	" SELECT c.device_id, 'revoke', c.object, true FROM groupshare.share s"
	"   JOIN groupshare.share_copy c ON c.share_id = s.id AND c.state = 'stored'"
	"  WHERE s.owner = $1 AND s.state = 'stored' AND (s.all_groups OR EXISTS (SELECT 1 FROM groupshare.share_group v"
	"        WHERE v.share_id = s.id AND v.group_id = $2))",
	{UUIDOID, UUIDOID},
};
static GsPlan revoke_members = {
	"INSERT INTO groupshare.revocation (terminal_id) SELECT m.terminal_id FROM groupshare.membership m"
	" WHERE m.group_id = $1 AND m.state IN ('member', 'administrator')",
	{UUIDOID},
};
/* A copy that the deletion has just abandoned counts too. */
static GsPlan revoke_share = {
	"INSERT INTO groupshare.device_work (device_id, kind, object, wake)"
	" SELECT device_id, 'revoke', object, true FROM groupshare.share_copy"
	"  WHERE share_id = $1 AND state IN ('stored', 'abandoned') AND stored_at IS NOT NULL",
	{UUIDOID},
};

/*
 * What the one snapshot shows and the device's last did not: who commits late is heard of later. The transaction that
 * heard last may go on revoking; its own numbers tell what of that is new. Two that report for one device at the same
 * moment may both hear of the same, which is told twice then.
 */
static GsPlan hear = {
	"WITH last AS MATERIALIZED (SELECT * FROM groupshare.device_heard WHERE device_id = $1),"
	" fresh AS MATERIALIZED (SELECT r.id, r.terminal_id, r.xid FROM groupshare.revocation r LEFT JOIN last l ON true"
	"   WHERE r.xid >= coalesce((SELECT pg_snapshot_xmin(seen) FROM last), '0'::xid8)"
	"     AND (l.seen IS NULL OR NOT pg_visible_in_snapshot(r.xid, l.seen) OR r.xid = l.own_xid)"
	"     AND (l.seen IS NULL OR r.xid <> l.own_xid OR r.id > l.own_id)),"
	" given AS (INSERT INTO groupshare.device_work (device_id, kind, terminal_id)"
	"   SELECT DISTINCT $1, 'revoke', terminal_id FROM fresh)"
	" INSERT INTO groupshare.device_heard AS h (device_id, seen, own_xid, own_id)"
	"   SELECT $1, pg_current_snapshot(), pg_current_xact_id(),"
	"          coalesce(max(id) FILTER (WHERE xid = pg_current_xact_id()), 0) FROM fresh HAVING count(*) > 0"
	" ON CONFLICT (device_id) DO UPDATE SET seen = excluded.seen, own_xid = excluded.own_xid,"
	"   own_id = CASE WHEN h.own_xid = excluded.own_xid THEN greatest(h.own_id, excluded.own_id) ELSE excluded.own_id "
	"END",
	{UUIDOID},
	.by_key = true,
};
static GsPlan mark_told = {
	"UPDATE groupshare.revocation SET told_at = clock_timestamp() WHERE id IN (SELECT id FROM groupshare.revocation"
	"  WHERE told_at IS NULL ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)",
	{INT8OID},
};
/* By then the last ticket of that time has expired; a day for what began under one at a device that is away. */
static GsPlan sweep = {
	"DELETE FROM groupshare.revocation WHERE id IN (SELECT id FROM groupshare.revocation"
	"  WHERE told_at < now() - $2 * interval '1 second' ORDER BY told_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
	{INT8OID, INT8OID},
};

void gs_revoke_hear(const pg_uuid_t *device)
{
	(void)gs_plan_run(&hear, (Datum[]){UUIDPGetDatum(device)}, NULL, 0);
}

uint64 gs_revoke_wake(int64 limit)
{
	return gs_plan_run(&mark_told, (Datum[]){Int64GetDatum(limit)}, NULL, 0);
}

uint64 gs_revoke_sweep(int64 limit)
{
	const int64 kept_s = Max(2 * (int64)gs_ticket_lifetime_s, SECS_PER_DAY);

	return gs_plan_run(&sweep, (Datum[]){Int64GetDatum(limit), Int64GetDatum(kept_s)}, NULL, 0);
}

/* AFTER UPDATE OF state OR DELETE ON membership, when it was inside and is no more */
Datum gs_revoke_of_membership(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	Datum terminal = gs_trigger_field(data, data->tg_trigtuple, "terminal_id");
	Datum group = gs_trigger_field(data, data->tg_trigtuple, "group_id");

	gs_plan_open();
	(void)gs_plan_run(&revoke_terminal, &terminal, NULL, 0);
	(void)gs_plan_run(&revoke_shown, (Datum[]){terminal, group}, NULL, 0);
	gs_plan_close();
	return PointerGetDatum(NULL);
}

static Datum run_for(FunctionCallInfo fcinfo, GsPlan *plan, const char *column)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	Datum id = gs_trigger_field(data, data->tg_trigtuple, column);

	gs_plan_open();
	(void)gs_plan_run(plan, &id, NULL, 0);
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* AFTER UPDATE OF state ON sharing_group, when it is dissolved */
Datum gs_revoke_of_group(PG_FUNCTION_ARGS)
{
	return run_for(fcinfo, &revoke_members, "id");
}

/* AFTER UPDATE OF epoch ON terminal: revocation and enrolment raise it */
Datum gs_revoke_of_terminal(PG_FUNCTION_ARGS)
{
	return run_for(fcinfo, &revoke_terminal, "id");
}

/* AFTER UPDATE OF state, all_groups ON share, AFTER DELETE ON share_group: others see less of a stored share */
Datum gs_revoke_of_share(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);

	return run_for(fcinfo, &revoke_share,
				   strcmp(RelationGetRelationName(data->tg_relation), "share") == 0 ? "id" : "share_id");
}
