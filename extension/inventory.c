/* SPDX-License-Identifier: PostgreSQL */
/*
 * Inventories: a device lists what it has, and at the end one statement, under one snapshot, compares the list with the
 * catalog in both directions. It only reports; reconcile.c acts.
 *
 * Uploads, receipts and deletions go on while a device reads its disk, so a difference counts only when it can't be one
 * of time:
 *   - an object on the disk is an orphan when no copy says it should be there. Its notice committed before its first
 *     byte, so the catalog has the copy of every upload in flight;
 *   - nor is it one when its deletion was ordered and not confirmed before the inventory began;
 *   - a copy without bytes is missing when its receipt was committed before the inventory began, thus before the device
 *     looked. A device's calls travel in order, so a receipt during the inventory has a later time.
 *
 * Locks: the device's inventory row only.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "device.h"
#include "device_named.h"
#include "errcodes.h"
#include "inventory.h"
#include "names.h"
#include "plan.h"
#include "request.h"
#include "settings.h"

#define BATCH_MOST 1000
#define RUNNING_MOST \
	4 /* inventories that the server asks for by itself at a time: each has a device read its whole disk */

static GsPlan begin_plan = {
	.sql = "INSERT INTO groupshare.inventory AS i (device_id, epoch, started_at) VALUES ($1, $2, now())"
		   " ON CONFLICT (device_id) DO UPDATE SET epoch = excluded.epoch, started_at = now(), listed = 0",
	.types = {UUIDOID, INT8OID},
};

static GsPlan clear_plan = {
	.sql = "DELETE FROM groupshare.inventory_object WHERE device_id = $1",
	.types = {UUIDOID},
};

static GsPlan lock_plan = {
	.sql = "SELECT i.listed FROM groupshare.inventory i WHERE i.device_id = $1 AND i.epoch = $2 FOR NO KEY UPDATE",
	.types = {UUIDOID, INT8OID},
};

/* What the device finds staged first may be complete when it looks among its objects. */
static GsPlan add_plan = {
	.sql = "WITH added AS (INSERT INTO groupshare.inventory_object AS o (device_id, object, size_bytes, sha256, state,"
		   "     terminal, name)"
		   "   SELECT DISTINCT ON (u.object) $1, u.object, u.size_bytes, u.sha256, u.state, u.terminal, u.name"
		   "     FROM unnest($2, $3, $4, $5, $6, $7) u (object, size_bytes, sha256, state, terminal, name)"
		   "    ORDER BY u.object, u.state = 'staged'"
		   "   ON CONFLICT (device_id, object) DO UPDATE SET size_bytes = excluded.size_bytes,"
		   "     sha256 = excluded.sha256, state = excluded.state, terminal = excluded.terminal, name = excluded.name"
		   "     WHERE o.state = 'staged'"
		   "   RETURNING (xmax = 0) AS is_new)"
		   " UPDATE groupshare.inventory SET listed = listed + (SELECT count(*) FROM added WHERE is_new)"
		   " WHERE device_id = $1",
	.types = {UUIDOID, UUIDARRAYOID, INT8ARRAYOID, BYTEAARRAYOID, TEXTARRAYOID, UUIDARRAYOID, TEXTARRAYOID},
};

static GsPlan count_plan = {
	.sql = "SELECT count(*) FROM groupshare.inventory_object WHERE device_id = $1",
	.types = {UUIDOID},
};

static GsPlan compare_plan = {
	.sql =
		"WITH run AS (SELECT started_at FROM groupshare.inventory WHERE device_id = $1),"
		" listed AS (SELECT * FROM groupshare.inventory_object WHERE device_id = $1),"
		" known AS (SELECT c.object, c.state, c.stored_at, s.size_bytes, s.sha256"
		"   FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id"
		"   WHERE c.device_id = $1 AND c.state IN ('pending', 'stored', 'quarantined', 'missing')),"
		" ordered AS (SELECT DISTINCT w.object FROM groupshare.device_work w, run WHERE w.device_id = $1"
		"   AND w.kind = 'delete' AND (w.done_at IS NULL OR w.done_at >= run.started_at)),"
		" judged AS (SELECT object, l.size_bytes, l.sha256, l.state, l.terminal, l.name, CASE"
		"     WHEN k.state IS NULL THEN CASE WHEN o.object IS NULL THEN 'orphan' END"
		"     WHEN k.state = 'pending' AND l.state = 'stored' THEN 'unacknowledged'"
		"     WHEN k.state = 'missing' AND l.state IN ('stored', 'receipt_pending') AND l.size_bytes = k.size_bytes"
		"       AND l.sha256 = k.sha256 THEN 'returned'"
		"     WHEN k.state <> 'stored' OR k.stored_at >= run.started_at THEN NULL"
		"     WHEN l.state IS NULL OR l.state = 'staged' THEN 'missing'"
		"     WHEN l.state = 'quarantined' THEN 'damaged'"
		"     WHEN l.size_bytes <> k.size_bytes OR l.sha256 <> k.sha256 THEN 'mismatch' END AS problem"
		"   FROM listed l FULL JOIN known k USING (object) LEFT JOIN ordered o USING (object) CROSS JOIN run),"
		" found AS (SELECT * FROM judged WHERE problem IS NOT NULL),"
		" gone AS (DELETE FROM groupshare.inventory_finding f WHERE f.device_id = $1"
		"   AND NOT EXISTS (SELECT 1 FROM found WHERE found.object = f.object))"
		" INSERT INTO groupshare.inventory_finding AS f (device_id, object, problem, size_bytes, sha256, disk_state,"
		"     disk_owner, disk_name, first_seen, last_seen)"
		" SELECT $1, object, problem, size_bytes, sha256, state, terminal, name, now(), now() FROM found"
		" ON CONFLICT (device_id, object) DO UPDATE SET problem = excluded.problem, size_bytes = excluded.size_bytes,"
		"   sha256 = excluded.sha256, disk_state = excluded.disk_state, last_seen = excluded.last_seen,"
		"   disk_owner = excluded.disk_owner, disk_name = excluded.disk_name,"
		"   first_seen = CASE WHEN f.problem = excluded.problem THEN f.first_seen ELSE excluded.first_seen END",
	.types = {UUIDOID},
};

static GsPlan end_plan = {
	.sql = "UPDATE groupshare.inventory i SET work_id = NULL, requested_at = NULL, epoch = NULL, started_at = NULL,"
		   " listed = 0, last_epoch = i.epoch, last_started_at = i.started_at, last_ended_at = now(),"
		   " last_objects = i.listed, last_bytes = (SELECT coalesce(sum(o.size_bytes), 0)::bigint"
		   "   FROM groupshare.inventory_object o WHERE o.device_id = $1)"
		   " WHERE i.device_id = $1",
	.types = {UUIDOID},
};

/* Work ids of all kinds come from one sequence. */
static GsPlan request_plan = {
	.sql = "INSERT INTO groupshare.inventory AS i (device_id, work_id, requested_at)"
		   " SELECT d.id, nextval('groupshare.device_work_id_seq'), now() FROM groupshare.device d WHERE d.name = $1"
		   " ON CONFLICT (device_id) DO UPDATE SET work_id = coalesce(i.work_id, excluded.work_id),"
		   "   requested_at = coalesce(i.requested_at, excluded.requested_at)",
	.types = {TEXTOID},
};

static GsPlan request_due_plan = {
	.sql = "INSERT INTO groupshare.inventory AS i (device_id, work_id, requested_at)"
		   " SELECT d.id, nextval('groupshare.device_work_id_seq'), now()"
		   " FROM groupshare.device d JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   "   LEFT JOIN groupshare.inventory j ON j.device_id = d.id"
		   " WHERE d.state <> 'decommissioned' AND l.epoch IS NOT NULL AND j.work_id IS NULL"
		   "   AND l.reported_at >= now() - $3 * l.report_interval_ms * interval '1 millisecond'"
		   "   AND (j.last_ended_at IS NULL OR j.last_ended_at < now() - $1 * interval '1 second'"
		   "     OR j.last_epoch IS DISTINCT FROM l.epoch)"
		   " ORDER BY j.last_ended_at NULLS FIRST"
		   " LIMIT greatest($2 - (SELECT count(*) FROM groupshare.inventory WHERE work_id IS NOT NULL"
		   "   AND requested_at > now() - interval '1 hour'), 0)"
		   " ON CONFLICT (device_id) DO UPDATE SET work_id = excluded.work_id, requested_at = excluded.requested_at"
		   " WHERE i.work_id IS NULL",
	.types = {INT8OID, INT8OID, INT8OID},
};

static GsPlan add_work_plan = {
	.sql = "SELECT $2 || jsonb_build_object('id', i.work_id, 'kind', 'inventory') FROM groupshare.inventory i"
		   " WHERE i.device_id = $1 AND i.work_id IS NOT NULL",
	.types = {UUIDOID, JSONBOID},
};

static void refuse(const char *what)
{
	ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("%s", what)));
}

/* Locks the inventory that the caller's epoch has begun; returns how many objects it has listed. */
static int64 lock_running(const pg_uuid_t *device, int64 epoch)
{
	if (gs_plan_run(&lock_plan, (Datum[]){UUIDPGetDatum(device), Int64GetDatum(epoch)}, NULL, 0) == 0)
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("no inventory of this epoch is open"),
						errhint("Begin the inventory again.")));
	return gs_result_int64(0, 1);
}

PG_FUNCTION_INFO_V1(gs_device_inventory_begin);
/* device_inventory_begin(epoch) */
Datum gs_device_inventory_begin(PG_FUNCTION_ARGS)
{
	int64 epoch = PG_GETARG_INT64(0);
	pg_uuid_t device;

	gs_plan_open();
	device = gs_device_caller(epoch);
	gs_plan_run(&begin_plan, (Datum[]){UUIDPGetDatum(&device), Int64GetDatum(epoch)}, NULL, 0);
	gs_plan_run(&clear_plan, (Datum[]){UUIDPGetDatum(&device)}, NULL, 0);
	gs_plan_close();
	PG_RETURN_VOID();
}

static int length_of(const ArrayType *array)
{
	return ARR_NDIM(array) > 1 ? -1 : ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
}

/* What the disk calls an object, as far as a share may be called that: a disk may be damaged, and a DBA's screen shows
 * it. */
static ArrayType *valid_names(ArrayType *names)
{
	Datum *values;
	bool *nulls;
	int count;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		nulls[i] = nulls[i] || !gs_name_share_valid(VARDATA_ANY(DatumGetPointer(values[i])),
													VARSIZE_ANY_EXHDR(DatumGetPointer(values[i])));
	return construct_md_array(values, nulls, 1, &count, (int[]){1}, TEXTOID, -1, false, TYPALIGN_INT);
}

/* The lists of a batch, objects first; what may hold nulls is at these places. Checks them. */
enum { OBJECTS, SIZES, SHA256, STATES, TERMINALS, NAMES, LISTS };

static void read_lists(FunctionCallInfo fcinfo, ArrayType *lists[LISTS])
{
	int count;

	for (int i = 0; i < LISTS; i++)
		lists[i] = PG_GETARG_ARRAYTYPE_P(1 + i);
	count = length_of(lists[OBJECTS]);
	if (count < 1 || count > BATCH_MOST)
		refuse("a batch has 1 to 1000 objects");
	for (int i = 0; i < LISTS; i++) {
		bool nullable = i == SHA256 || i == TERMINALS || i == NAMES;
		int length = length_of(lists[i]);

		if ((length != count && (length != 0 || i < TERMINALS)) || (!nullable && array_contains_nulls(lists[i])))
			refuse("objects, sizes, sha256 and states must have one length, terminals and names the same or none;"
				   " objects, sizes and states no nulls");
	}
	if (length_of(lists[NAMES]) > 0)
		lists[NAMES] = valid_names(lists[NAMES]);
}

PG_FUNCTION_INFO_V1(gs_device_inventory_add);
/* device_inventory_add(epoch, objects, sizes, sha256, states, terminals, names) */
Datum gs_device_inventory_add(PG_FUNCTION_ARGS)
{
	int64 epoch = PG_GETARG_INT64(0);
	ArrayType *lists[LISTS];
	Datum values[1 + LISTS];
	pg_uuid_t device;

	read_lists(fcinfo, lists);
	gs_plan_open();
	device = gs_device_caller(epoch);
	lock_running(&device, epoch);
	values[0] = UUIDPGetDatum(&device);
	for (int i = 0; i < LISTS; i++)
		values[1 + i] = PointerGetDatum(lists[i]);
	gs_plan_run(&add_plan, values, NULL, 0);
	gs_plan_close();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(gs_device_inventory_end);
/* device_inventory_end(epoch) */
Datum gs_device_inventory_end(PG_FUNCTION_ARGS)
{
	int64 epoch = PG_GETARG_INT64(0);
	pg_uuid_t device;
	Datum values[1];
	int64 listed, found;

	gs_plan_open();
	device = gs_device_caller(epoch);
	values[0] = UUIDPGetDatum(&device);
	listed = lock_running(&device, epoch);
	gs_plan_run(&count_plan, values, NULL, 1);
	if (gs_result_int64(0, 1) != listed)
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("the list of this inventory was lost in a crash"),
						errhint("Begin the inventory again.")));
	found = gs_plan_run(&compare_plan, values, NULL, 0);
	gs_plan_run(&end_plan, values, NULL, 0);
	gs_plan_run(&clear_plan, values, NULL, 0);
	gs_plan_close();
	PG_RETURN_INT64(found);
}

PG_FUNCTION_INFO_V1(gs_request_inventory);
/* request_inventory(device) */
Datum gs_request_inventory(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	gs_plan_open();
	if (gs_plan_run(&request_plan, (Datum[]){CStringGetTextDatum(name)}, NULL, 0) == 0)
		gs_device_missing(name);
	gs_audit(NULL, "request_inventory", name, NULL);
	gs_plan_close();
	PG_RETURN_VOID();
}

Jsonb *gs_inventory_add_work(const pg_uuid_t *device, Jsonb *work)
{
	Datum values[] = {UUIDPGetDatum(device), JsonbPGetDatum(work)};

	return gs_plan_run(&add_work_plan, values, NULL, 1) == 0 ? work : gs_result_jsonb(0, 1);
}

void gs_inventory_request_due(void)
{
	if (gs_inventory_interval_s == 0)
		return;
	gs_plan_run(&request_due_plan,
				(Datum[]){Int64GetDatum(gs_inventory_interval_s), Int64GetDatum(RUNNING_MOST),
						  Int64GetDatum(gs_device_silent_intervals)},
				NULL, 0);
}
