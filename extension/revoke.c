/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who loses a right loses its tickets: triggers write it down for the devices, whatever took the right away, a function
 * of ours or a DBA's own statement. Nobody keeps a record of tickets, so that a download notice only reads; what is
 * revoked is therefore a little too much, and whoever still has the right asks for another ticket:
 *
 * - a terminal that goes out of a group, is revoked or enrols a new key: all its tickets, on each device;
 * - what it shared in the group, a share that is deleted or shown to fewer groups: all tickets for those objects;
 * - a group that is dissolved: all tickets of its members; its memberships take nothing more with them when they go.
 *
 * What concerns one object is work for the devices that have it. What concerns a terminal concerns all devices, and is
 * written once: each device makes work of its own of it when it reports, page by page, by a snapshot as who fetches
 * events does (fetch.c). The worker wakes the devices (maintenance.c). Rows are only inserted: no lock.
 */
#include "postgres.h"

#include "access/xact.h"
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
static GsPlan find_dissolved = {
	"SELECT 1 FROM groupshare.sharing_group WHERE id = $1 AND state = 'dissolved'",
	{UUIDOID},
	.by_key = true,
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
 * What the one snapshot shows and the device's last did not: who commits late is heard of later. With more of it than
 * there is room for on a page of work the snapshot becomes a target that several reports work towards, in the order of
 * (xid, id); what it does not show comes after it. No more is copied than the device can be told: until it has done a
 * page, none. So what is not heard of yet stands behind a full page, by which the device knows that there is more.
 *
 * A snapshot may show the transaction that took it as committed or not, so what that one writes is told apart by its
 * numbers: beyond own_id it was not heard of with `seen`, and with `target` none of it is.
 *
 * Two that report for one device at the same moment may both hear of the same, which is told twice then. Answers
 * whether an older target was reached, and whether all was heard; with $3 the snapshot is kept then in any case.
 */
#define ROOM                                                                                \
	"(SELECT greatest(0, $2 - count(*)) AS room FROM (SELECT 1 FROM groupshare.device_work" \
	"  WHERE device_id = $1 AND done_at IS NULL AND kind = 'revoke' LIMIT $2) w)"

static GsPlan hear = {
	"WITH c AS MATERIALIZED (SELECT h.seen, h.own_xid, h.own_id, h.reached_xid, h.reached_id,"
	"     h.target IS NOT NULL AS older, coalesce(h.target, pg_current_snapshot()) AS target,"
	"     coalesce(h.target_xid, pg_current_xact_id()) AS target_xid, o.room"
	"   FROM " ROOM " o LEFT JOIN groupshare.device_heard h ON h.device_id = $1),"
	" page AS MATERIALIZED (SELECT r.* FROM c, LATERAL (SELECT r.id, r.terminal_id, r.xid FROM groupshare.revocation r"
	"   WHERE (r.xid, r.id) > (coalesce(c.reached_xid, pg_snapshot_xmin(c.seen), '0'), coalesce(c.reached_id, 0))"
	"     AND pg_visible_in_snapshot(r.xid, c.target) AND r.xid <> c.target_xid"
	"     AND (c.seen IS NULL OR NOT pg_visible_in_snapshot(r.xid, c.seen) OR r.xid = c.own_xid)"
	"     AND (c.own_xid IS NULL OR r.xid <> c.own_xid OR r.id > c.own_id)"
	"   ORDER BY r.xid, r.id LIMIT c.room) r),"
	" given AS (INSERT INTO groupshare.device_work (device_id, kind, terminal_id)"
	"   SELECT $1, 'revoke', terminal_id FROM page ORDER BY xid, id),"
	" done AS (SELECT count(*) AS n, count(*) < (SELECT room FROM c) AS all FROM page),"
	" last AS (SELECT xid, id FROM page ORDER BY xid DESC, id DESC LIMIT 1),"
	" kept AS (INSERT INTO groupshare.device_heard"
	"     (device_id, seen, own_xid, own_id, target, target_xid, reached_xid, reached_id)"
	"   SELECT $1, c.target, c.target_xid, CASE WHEN c.own_xid = c.target_xid THEN c.own_id ELSE 0 END,"
	"     NULL, NULL, NULL, NULL FROM c, done d WHERE d.all AND (d.n > 0 OR c.older OR $3)"
	"   UNION ALL SELECT $1, c.seen, c.own_xid, c.own_id, c.target, c.target_xid, l.xid, l.id"
	"     FROM c, done d, last l WHERE NOT d.all"
	"   ON CONFLICT (device_id) DO UPDATE SET seen = excluded.seen, own_xid = excluded.own_xid,"
	"     own_id = excluded.own_id, target = excluded.target, target_xid = excluded.target_xid,"
	"     reached_xid = excluded.reached_xid, reached_id = excluded.reached_id)"
	" SELECT d.all AND c.older, d.all FROM c, done d",
	{UUIDOID, INT8OID, BOOLOID},
	.by_key = true,
};
/* What this transaction itself has revoked, once it has heard of all others. */
static GsPlan hear_own = {
	"WITH page AS MATERIALIZED (SELECT r.id, r.terminal_id FROM groupshare.device_heard h, " ROOM " o,"
	"   LATERAL (SELECT id, terminal_id FROM groupshare.revocation WHERE xid = h.own_xid AND id > h.own_id"
	"     ORDER BY id LIMIT o.room) r WHERE h.device_id = $1 AND h.own_xid = pg_current_xact_id()),"
	" given AS (INSERT INTO groupshare.device_work (device_id, kind, terminal_id)"
	"   SELECT $1, 'revoke', terminal_id FROM page ORDER BY id)"
	" UPDATE groupshare.device_heard SET own_id = m.id FROM (SELECT max(id) AS id FROM page) m"
	"  WHERE device_id = $1 AND m.id IS NOT NULL",
	{UUIDOID, INT8OID},
	.by_key = true,
};
static GsPlan mark_told = {
	"UPDATE groupshare.revocation SET told_at = clock_timestamp() WHERE id = ANY (ARRAY(SELECT id"
	"  FROM groupshare.revocation WHERE told_at IS NULL ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED))",
	{INT8OID},
};
/* By then the last ticket of that time has expired; a day for what began under one at a device that is away. */
static GsPlan sweep = {
	"DELETE FROM groupshare.revocation WHERE id = ANY (ARRAY(SELECT id FROM groupshare.revocation"
	"  WHERE told_at < now() - $2 * interval '1 second' ORDER BY told_at LIMIT $1 FOR UPDATE SKIP LOCKED))",
	{INT8OID, INT8OID},
};

void gs_revoke_hear(const pg_uuid_t *device, int64 page)
{
	bool own = TransactionIdIsValid(GetTopTransactionIdIfAny());
	Datum values[] = {UUIDPGetDatum(device), Int64GetDatum(page), BoolGetDatum(own)};

	/* What was committed since an older target was taken may have been told to the device already, by its waking. */
	do
		(void)gs_plan_run(&hear, values, NULL, 1);
	while (gs_result_bool(0, 1));
	if (own && gs_result_bool(0, 2))
		(void)gs_plan_run(&hear_own, values, NULL, 0);
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
	if (gs_plan_run(&find_dissolved, &group, NULL, 1) == 0) {
		(void)gs_plan_run(&revoke_terminal, &terminal, NULL, 0);
		(void)gs_plan_run(&revoke_shown, (Datum[]){terminal, group}, NULL, 0);
	}
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
