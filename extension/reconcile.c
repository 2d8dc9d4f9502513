/* SPDX-License-Identifier: PostgreSQL */
/*
 * Acting on what an inventory found (inventory.c), for one device, so many findings a call:
 *   orphan          after a grace period its deletion is ordered. Object ids are never used twice, so nothing can come
 * to want it but a restore of the database, which the grace period must outlast: by default it is
 *                   groupshare.delete_hold, the time that deleted shares are held for the same reason;
 *   missing         the copy becomes "missing"; mismatch, damaged: "quarantined". The owner is told;
 *   unacknowledged  the device holds durably what a restored database takes for pending: its receipt is taken again;
 *   returned        a missing copy is there after all.
 *
 * Locks: each share by SKIP LOCKED, since many are locked in one transaction and a receipt also locks the ledger row;
 * what another transaction holds is left to the next call.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "copy.h"
#include "device_named.h"
#include "errcodes.h"
#include "plan.h"
#include "reply.h"
#include "request.h"
#include "settings.h"
#include "share.h"

#define MOST 100000
#define GRACE_MOST_MONTHS (100 * MONTHS_PER_YEAR)

typedef struct Finding {
	pg_uuid_t device;
	int64 epoch; /* 0: not announced */
	pg_uuid_t object;
	char *problem;
	int64 size;
	bytea *sha256;
	bool due; /* orphans: the grace period is over */
	TimestampTz due_at;
	bool of_share;
	char *owner; /* without a share, what the disk says */
	char *name;
} Finding;

static GsPlan told_plan = {
	.sql = "SELECT 1 FROM groupshare.inventory WHERE device_id = $1 AND last_ended_at IS NOT NULL AND work_id IS NULL"
		   "   AND epoch IS NULL",
	.types = {UUIDOID},
};

static GsPlan find_plan = {
	.sql = "SELECT f.device_id, coalesce(l.epoch, 0), f.object, f.problem, coalesce(f.size_bytes, s.size_bytes),"
		   "       f.sha256, f.first_seen + $3 <= now(), f.first_seen + $3,"
		   "       s.id IS NOT NULL, coalesce(t.identifier, w.identifier, f.disk_owner::text), coalesce(s.name, "
		   "f.disk_name)"
		   " FROM groupshare.inventory_finding f LEFT JOIN groupshare.device_ledger l ON l.device_id = f.device_id"
		   "   LEFT JOIN groupshare.share_copy c ON c.object = f.object AND c.device_id = f.device_id"
		   "   LEFT JOIN groupshare.share s ON s.id = c.share_id LEFT JOIN groupshare.terminal t ON t.id = s.owner"
		   "   LEFT JOIN groupshare.terminal w ON w.id = f.disk_owner"
		   " WHERE f.device_id = $1 AND (f.problem <> 'orphan' OR f.first_seen + $3 <= now() OR $4)"
		   " ORDER BY f.problem, f.object LIMIT $2",
	.types = {UUIDOID, INT8OID, INTERVALOID, BOOLOID},
};

static GsPlan delete_plan = {
	.sql = "INSERT INTO groupshare.device_work (device_id, kind, object) SELECT $1, 'delete', $2"
		   " WHERE NOT EXISTS (SELECT 1 FROM groupshare.share_copy c WHERE c.object = $2 AND c.device_id = $1"
		   "   AND c.state NOT IN ('abandoned', 'deleted'))",
	.types = {UUIDOID, UUIDOID},
};

static GsPlan settle_plan = {
	.sql = "DELETE FROM groupshare.inventory_finding WHERE device_id = $1 AND object = $2",
	.types = {UUIDOID, UUIDOID},
};

static const char *action_for(const Finding *finding)
{
	if (strcmp(finding->problem, "orphan") == 0)
		return finding->due ? "delete" : "wait";
	if (strcmp(finding->problem, "missing") == 0)
		return "mark missing";
	if (strcmp(finding->problem, "unacknowledged") == 0)
		return finding->epoch != 0 ? "take receipt" : "wait";
	if (strcmp(finding->problem, "returned") == 0)
		return "serve again";
	return "quarantine";
}

static void act(const Finding *finding, const char *action)
{
	Datum values[] = {UUIDPGetDatum(&finding->device), UUIDPGetDatum(&finding->object)};

	if (strcmp(action, "delete") == 0)
		gs_plan_run(&delete_plan, values, NULL, 0);
	else if (strcmp(action, "mark missing") == 0)
		(void)gs_copy_fail(&finding->object, "missing", NULL);
	else if (strcmp(action, "quarantine") == 0)
		(void)gs_copy_fail(&finding->object, "quarantined", finding->sha256);
	else if (strcmp(action, "take receipt") == 0)
		(void)gs_share_receipt(&finding->device, finding->epoch, &finding->object, finding->size, finding->sha256);
	else
		(void)gs_copy_return(&finding->object);
	gs_plan_run(&settle_plan, values, NULL, 0);
}

/* What is done about a finding, or would be. */
static const char *treat(const Finding *finding, bool dry_run)
{
	const char *action = action_for(finding);

	if (dry_run || strcmp(action, "wait") == 0)
		return action;
	if (finding->of_share && !gs_copy_lock(&finding->device, &finding->object, false))
		return "wait";
	act(finding, action);
	return action;
}

static Finding *read_findings(uint64 count)
{
	Finding *findings = palloc0(sizeof(*findings) * Max(count, 1));

	for (uint64 i = 0; i < count; i++) {
		findings[i].device = *gs_result_uuid(i, 1);
		findings[i].epoch = gs_result_int64(i, 2);
		findings[i].object = *gs_result_uuid(i, 3);
		findings[i].problem = gs_result_text(i, 4);
		findings[i].size = gs_result_isnull(i, 5) ? 0 : gs_result_int64(i, 5);
		findings[i].sha256 = gs_result_bytea(i, 6);
		findings[i].due = gs_result_bool(i, 7);
		findings[i].due_at = gs_result_timestamp(i, 8);
		findings[i].of_share = gs_result_bool(i, 9);
		findings[i].owner = gs_result_text(i, 10);
		findings[i].name = gs_result_text(i, 11);
	}
	return findings;
}

static void put_row(ReturnSetInfo *rsinfo, const Finding *finding, const char *action)
{
	enum { OBJECT, PROBLEM, ACTION, DUE, SIZE, OWNER, NAME, COLUMNS };
	Datum values[COLUMNS] = {0};
	bool nulls[COLUMNS] = {0};

	values[OBJECT] = UUIDPGetDatum(&finding->object);
	values[PROBLEM] = CStringGetTextDatum(finding->problem);
	values[ACTION] = CStringGetTextDatum(action);
	nulls[DUE] = strcmp(finding->problem, "orphan") != 0;
	values[DUE] = TimestampTzGetDatum(finding->due_at);
	values[SIZE] = Int64GetDatum(finding->size);
	nulls[OWNER] = finding->owner == NULL;
	values[OWNER] = finding->owner != NULL ? CStringGetTextDatum(finding->owner) : (Datum)0;
	nulls[NAME] = finding->name == NULL;
	values[NAME] = finding->name != NULL ? CStringGetTextDatum(finding->name) : (Datum)0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void audit(const char *device, uint64 count)
{
	GsReply detail;

	gs_reply_begin(&detail);
	gs_reply_int64(&detail, "findings", (int64)count);
	gs_audit(NULL, "reconcile", device, gs_reply_end(&detail));
}

/* Who reconciles too early must not take nothing for agreement. */
static void mind_outstanding(const char *name, const pg_uuid_t *device)
{
	if (gs_plan_run(&told_plan, (Datum[]){UUIDPGetDatum(device)}, NULL, 1) == 0)
		ereport(NOTICE, (errmsg("storage device \"%s\" has yet to tell what it has", name),
						 errhint("groupshare.inventories shows how far it is; what it finds comes on top of this.")));
}

/* Each field for itself: an interval such as a month less 29 days is longer or shorter than nothing by the time of the
 * year. */
static void check_grace(Interval *grace)
{
	const Interval most = {.month = GRACE_MOST_MONTHS};

	if (grace->month < 0 || grace->day < 0 || grace->time < 0 ||
		DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(grace), IntervalPGetDatum(&most))))
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("grace must be between 0 and 100 years"),
				 errhint("Orphans are deleted when they have been seen for so long; NULL is groupshare.delete_hold.")));
}

PG_FUNCTION_INFO_V1(gs_reconcile);
/* reconcile(device, dry_run, grace, most) */
Datum gs_reconcile(PG_FUNCTION_ARGS)
{
	Interval hold = {.time = (TimeOffset)gs_delete_hold_s * USECS_PER_SEC};
	bool dry_run;
	char *name;
	pg_uuid_t *device;
	uint64 count;
	Finding *findings;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("device, dry_run and most must not be null")));
	if (PG_GETARG_INT32(3) < 1 || PG_GETARG_INT32(3) > MOST)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("most must be between 1 and %d", MOST),
						errhint("Call it again for what is left.")));
	if (!PG_ARGISNULL(2))
		check_grace(PG_GETARG_INTERVAL_P(2));
	dry_run = PG_GETARG_BOOL(1);
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	InitMaterializedSRF(fcinfo, 0);
	gs_plan_open();
	device = gs_device_named(name);
	mind_outstanding(name, device);
	count =
		gs_plan_run(&find_plan,
					(Datum[]){UUIDPGetDatum(device), Int64GetDatum(PG_GETARG_INT32(3)),
							  PG_ARGISNULL(2) ? IntervalPGetDatum(&hold) : PG_GETARG_DATUM(2), BoolGetDatum(dry_run)},
					NULL, 0);
	findings = read_findings(count);
	for (uint64 i = 0; i < count; i++) {
		CHECK_FOR_INTERRUPTS();
		put_row((ReturnSetInfo *)fcinfo->resultinfo, &findings[i], treat(&findings[i], dry_run));
	}
	if (!dry_run)
		audit(name, count);
	gs_plan_close();
	return (Datum)0;
}
