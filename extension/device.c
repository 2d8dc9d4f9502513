/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a storage device's daemon calls: announcement, report, receipt, work done. The device is the login role of the
 * connection (session_user), never an argument. A daemon's start has an epoch; the newest that announced speaks for the
 * device, an older one is refused by each call, so that a stale daemon changes nothing.
 *
 * Each call changes rows of its own device only. Locks: its work, then its ledger row, last (reservation.c);
 * maintenance, too, marks work before it ends reservations.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "device.h"
#include "errcodes.h"
#include "inventory.h"
#include "ledger.h"
#include "plan.h"
#include "replica.h"
#include "reply.h"
#include "request.h"
#include "revoke.h"
#include "settings.h"
#include "share.h"

#define WORK_PAGE_MOST 1000
#define WORK_DONE_MOST 1000
#define RECEIPTS_MOST 100
#define KEYS_MOST 16
#define URL_MAX_BYTES 1024
#define VERSION_MAX_BYTES 64
#define REPORT_INTERVAL_MIN_MS 100
#define REPORT_INTERVAL_MAX_MS 3600000

typedef struct Device {
	pg_uuid_t id;
	char *name;
} Device;

static GsPlan caller_plan = {
	.sql = "SELECT d.id, d.name, l.epoch FROM groupshare.device d"
		   " LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   " WHERE d.login_role = $1::name AND d.state <> 'decommissioned'",
	.types = {TEXTOID},
};

static GsPlan first_key_plan = {
	.sql = "INSERT INTO groupshare.device_key (device_id, key) SELECT $1, groupshare.random_key()"
		   " WHERE NOT EXISTS (SELECT 1 FROM groupshare.device_key WHERE device_id = $1 AND retired_at IS NULL)"
		   " ON CONFLICT DO NOTHING",
	.types = {UUIDOID},
};

/* A retired key signs for one lifetime more while the device may not have heard of its successor (ticketing.c), and
 * what it signed last lives as long again. */
static GsPlan keys_plan = {
	.sql = "SELECT coalesce(jsonb_agg(jsonb_build_object('kid', k.kid,"
		   "   'key', rtrim(translate(encode(k.key, 'base64'), '+/', '-_'), '='))"
		   "   ORDER BY k.retired_at DESC NULLS FIRST), '[]')"
		   " FROM (SELECT * FROM groupshare.device_key WHERE device_id = $1"
		   "         AND (retired_at IS NULL OR retired_at > now() - 2 * $2 * interval '1 second')"
		   "       ORDER BY retired_at DESC NULLS FIRST LIMIT $3) k",
	.types = {UUIDOID, INT8OID, INT8OID},
};

/* The clock is read after the rows were seen: a ticket issued by a transaction that did not see the right go is older.
 */
static GsPlan work_plan = {
	.sql =
		"WITH due AS (SELECT * FROM ("
		"   (SELECT * FROM groupshare.device_work WHERE device_id = $1 AND done_at IS NULL AND kind = 'revoke'"
		"     ORDER BY id LIMIT $2)"
		"   UNION ALL"
		"   (SELECT * FROM groupshare.device_work WHERE device_id = $1 AND done_at IS NULL AND kind = 'delete'"
		"       AND not_before <= now() ORDER BY not_before, id LIMIT $2)) both_kinds LIMIT $2),"
		" dated AS (UPDATE groupshare.device_work w SET tickets_before = clock_timestamp() FROM due"
		"   WHERE w.id = due.id AND w.kind = 'revoke' AND w.tickets_before IS NULL RETURNING w.id, w.tickets_before),"
		" told AS (SELECT due.*, floor(extract(epoch FROM coalesce(due.tickets_before, dated.tickets_before)))::bigint"
		"   AS before FROM due LEFT JOIN dated ON dated.id = due.id)"
		" SELECT coalesce(jsonb_agg(CASE kind WHEN 'delete'"
		"     THEN jsonb_build_object('id', id, 'kind', kind, 'object', object)"
		"     ELSE jsonb_build_object('id', id, 'kind', kind, 'object', object, 'terminal', terminal_id,"
		"        'before', before, 'until', before + 2 * $3) END ORDER BY kind DESC, not_before, id), '[]') FROM told",
	.types = {UUIDOID, INT8OID, INT8OID},
};

/* Only the daemon's memory holds what is revoked: a new start is told again what is still in force. */
static GsPlan revive_plan = {
	.sql = "UPDATE groupshare.device_work SET done_at = NULL WHERE device_id = $1 AND kind = 'revoke'"
		   " AND done_at IS NOT NULL AND tickets_before > now() - 2 * $2 * interval '1 second'",
	.types = {UUIDOID, INT8OID},
};

static GsPlan work_done_plan = {
	.sql = "WITH done AS (UPDATE groupshare.device_work SET done_at = now()"
		   "   WHERE device_id = $1 AND id = ANY ($2) AND done_at IS NULL RETURNING kind, object),"
		   " gone AS (UPDATE groupshare.share_copy c SET state = 'deleted' FROM done"
		   "   WHERE done.kind = 'delete' AND c.object = done.object AND c.device_id = $1 AND c.state = 'abandoned'"
		   "   RETURNING c.share_id, c.stored_at)"
		   " SELECT coalesce(sum(s.size_bytes), 0)::bigint FROM gone JOIN groupshare.share s ON s.id = gone.share_id"
		   " WHERE gone.stored_at IS NOT NULL",
	.types = {UUIDOID, INT8ARRAYOID},
};

static void raise_stale_epoch(void)
{
	ereport(ERROR, (errcode(GS_ERR_STALE_EPOCH), errmsg("another start of this device has announced itself"),
					errhint("Two daemons must not run with the same login role.")));
}

static GsPlan decommissioned_plan = {
	.sql = "SELECT d.name FROM groupshare.device d WHERE d.login_role = $1::name ORDER BY d.name",
	.types = {TEXTOID},
};

static void raise_no_device(const char *role)
{
	char *name;

	if (gs_plan_run(&decommissioned_plan, (Datum[]){CStringGetTextDatum(role)}, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_UNKNOWN_DEVICE), errmsg("role \"%s\" is no storage device", role),
						errhint("A DBA adds it by groupshare.add_storage_device().")));
	name = gs_result_text(0, 1);
	ereport(ERROR,
			(errcode(GS_ERR_UNKNOWN_DEVICE), errmsg("storage device \"%s\" is decommissioned", name),
			 errhint("Its daemon can be ended. SELECT groupshare.undrain_device('%s') would take it back.", name)));
}

/* The calling device; `epoch` is NULL for an announcement. */
static Device calling_device(const int64 *epoch)
{
	char *role = GetUserNameFromId(GetSessionUserId(), false);
	Datum values[] = {CStringGetTextDatum(role)};
	Device device;

	if (gs_plan_run(&caller_plan, values, NULL, 1) == 0)
		raise_no_device(role);
	device.id = *gs_result_uuid(0, 1);
	device.name = gs_result_text(0, 2);
	if (epoch == NULL)
		return device;
	if (gs_result_isnull(0, 3) || gs_result_int64(0, 3) < *epoch)
		ereport(ERROR, (errcode(GS_ERR_ANNOUNCE_FIRST), errmsg("announce first")));
	if (gs_result_int64(0, 3) > *epoch)
		raise_stale_epoch();
	return device;
}

/* The newest announcement is another epoch's, or came by a connection that was opened after this one. */
static void raise_late_report(const GsDeviceReport *report)
{
	(void)calling_device(&report->epoch);
	ereport(ERROR, (errcode(GS_ERR_ANNOUNCE_FIRST), errmsg("the device has announced itself on a younger connection"),
					errhint("Announce on this one before the next report.")));
}

pg_uuid_t gs_device_caller(int64 epoch)
{
	return calling_device(&epoch).id;
}

static void refuse(const char *what)
{
	ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("%s", what)));
}

static void check_bytes(const GsDeviceReport *report)
{
	if (report->capacity_bytes < 0)
		refuse("capacity_bytes must not be negative");
	if (report->free_bytes < 0 || report->free_bytes > report->capacity_bytes)
		refuse("free_bytes must be between 0 and capacity_bytes");
	if (report->staged_bytes < 0 || report->staged_bytes > report->capacity_bytes)
		refuse("staged_bytes must be between 0 and capacity_bytes");
}

/* The base of the addresses that terminals get: scheme, authority, perhaps a path, nothing behind it. */
static bool is_base_url(const char *url)
{
	size_t size = strlen(url);
	size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;

	if (scheme == 0 || size > URL_MAX_BYTES || size == scheme || url[scheme] == '/' || url[size - 1] == '/')
		return false;
	for (const char *c = url; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("?#@\"<>\\^`{|}", *c) != NULL)
			return false;
	return true;
}

static void check_announcement(const GsDeviceReport *report)
{
	check_bytes(report);
	if (report->epoch <= 0)
		refuse("epoch must be positive");
	if (!is_base_url(report->url))
		refuse("url must be http:// or https:// and a host, without a slash at the end");
	if (strlen(report->version) > VERSION_MAX_BYTES)
		refuse("version is too long");
	if (report->report_interval_ms < REPORT_INTERVAL_MIN_MS || report->report_interval_ms > REPORT_INTERVAL_MAX_MS)
		refuse("report_interval_ms must be between 100 and 3600000");
}

static Jsonb *read_keys(const Device *device)
{
	Datum values[] = {UUIDPGetDatum(&device->id), Int64GetDatum(gs_ticket_lifetime_s), Int64GetDatum(KEYS_MOST)};

	gs_plan_run(&keys_plan, values, NULL, 1);
	return gs_result_jsonb(0, 1);
}

static Jsonb *read_work(const Device *device)
{
	Datum values[] = {UUIDPGetDatum(&device->id), Int64GetDatum(WORK_PAGE_MOST), Int64GetDatum(gs_ticket_lifetime_s)};

	gs_revoke_hear(&device->id, WORK_PAGE_MOST);
	gs_plan_run(&work_plan, values, NULL, 1);
	return gs_result_jsonb(0, 1);
}

/* The device takes it for the time at which it called, so the first thing: before any lock is waited for. */
static int64 unix_us(void)
{
	return GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

PG_FUNCTION_INFO_V1(gs_device_announce);
/* device_announce(epoch, url, capacity_bytes, free_bytes, staged_bytes, report_interval_ms, version) */
Datum gs_device_announce(PG_FUNCTION_ARGS)
{
	GsDeviceReport report = {.epoch = PG_GETARG_INT64(0),
							 .url = text_to_cstring(PG_GETARG_TEXT_PP(1)),
							 .capacity_bytes = PG_GETARG_INT64(2),
							 .free_bytes = PG_GETARG_INT64(3),
							 .staged_bytes = PG_GETARG_INT64(4),
							 .report_interval_ms = PG_GETARG_INT32(5),
							 .version = text_to_cstring(PG_GETARG_TEXT_PP(6))};
	int64 now_us = unix_us();
	Device device;
	GsSelf *self;
	GsReply reply;
	Jsonb *work;

	check_announcement(&report);
	gs_plan_open();
	device = calling_device(NULL);
	self = gs_request_self();
	gs_plan_run(&revive_plan, (Datum[]){UUIDPGetDatum(&device.id), Int64GetDatum(gs_ticket_lifetime_s)}, NULL, 0);
	work = read_work(&device);
	if (!gs_ledger_announce(&device.id, &report))
		raise_stale_epoch();
	gs_plan_run(&first_key_plan, (Datum[]){UUIDPGetDatum(&device.id)}, NULL, 0);
	gs_reply_begin(&reply);
	gs_reply_uuid(&reply, "server", &self->id);
	gs_reply_text(&reply, "server_name", self->name);
	gs_reply_uuid(&reply, "device", &device.id);
	gs_reply_text(&reply, "device_name", device.name);
	gs_reply_int64(&reply, "now", now_us);
	gs_reply_jsonb(&reply, "keys", read_keys(&device));
	gs_reply_jsonb(&reply, "work", gs_inventory_add_work(&device.id, work));
	gs_plan_close();
	PG_RETURN_JSONB_P(gs_reply_end(&reply));
}

/* A row that somebody holds costs the device its report, but neither its work nor its keys. */
static void take_report(const Device *device, const GsDeviceReport *report)
{
	GsReported reported = gs_ledger_report(&device->id, report);

	if (reported == GS_REPORT_LATE)
		raise_late_report(report);
	if (reported == GS_REPORT_HELD)
		ereport(LOG, (errmsg("a report of storage device \"%s\" was passed over: its row is locked", device->name),
					  errdetail("A transaction holds what it has changed of the device until it ends."),
					  errhint("It is one of those in pg_stat_activity whose xact_start is the longest ago.")));
}

PG_FUNCTION_INFO_V1(gs_device_report);
/* device_report(epoch, capacity_bytes, free_bytes, staged_bytes, read_only) */
Datum gs_device_report(PG_FUNCTION_ARGS)
{
	GsDeviceReport report = {.epoch = PG_GETARG_INT64(0),
							 .capacity_bytes = PG_GETARG_INT64(1),
							 .free_bytes = PG_GETARG_INT64(2),
							 .staged_bytes = PG_GETARG_INT64(3),
							 .read_only = PG_GETARG_BOOL(4)};
	int64 now_us = unix_us();
	Device device;
	GsReply reply;
	Jsonb *work;

	check_bytes(&report);
	gs_plan_open();
	device = calling_device(&report.epoch);
	work = read_work(&device);
	take_report(&device, &report);
	gs_reply_begin(&reply);
	gs_reply_int64(&reply, "now", now_us);
	gs_reply_jsonb(&reply, "keys", read_keys(&device));
	gs_reply_jsonb(&reply, "work", gs_replica_add_work(&device.id, gs_inventory_add_work(&device.id, work)));
	gs_plan_close();
	PG_RETURN_JSONB_P(gs_reply_end(&reply));
}

static void check_receipt(int64 size, const bytea *sha256)
{
	if (size < 0)
		refuse("size_bytes must not be negative");
	if (VARSIZE_ANY_EXHDR(sha256) != 32)
		refuse("sha256 must have 32 bytes");
}

PG_FUNCTION_INFO_V1(gs_device_receipt);
/* device_receipt(epoch, object, size_bytes, sha256) */
Datum gs_device_receipt(PG_FUNCTION_ARGS)
{
	int64 epoch = PG_GETARG_INT64(0);
	bytea *sha256 = PG_GETARG_BYTEA_PP(3);
	Device device;
	bool stored;

	check_receipt(PG_GETARG_INT64(2), sha256);
	gs_plan_open();
	device = calling_device(&epoch);
	stored = gs_share_receipt(&device.id, epoch, PG_GETARG_UUID_P(1), PG_GETARG_INT64(2), sha256);
	gs_plan_close();
	PG_RETURN_TEXT_P(cstring_to_text(stored ? "stored" : "unwanted"));
}

static Datum *elements(ArrayType *array, int size, bool by_value, char align, int count)
{
	Datum *values;
	int found;

	if (array_contains_nulls(array) || ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) != count)
		refuse("objects, sizes and sha256 must have one length and no nulls");
	deconstruct_array(array, ARR_ELEMTYPE(array), size, by_value, align, &values, NULL, &found);
	return values;
}

PG_FUNCTION_INFO_V1(gs_device_receipts);
/* device_receipts(epoch, objects, sizes, sha256) */
Datum gs_device_receipts(PG_FUNCTION_ARGS)
{
	static const char *const words[] = {
		[GS_RECEIPT_UNWANTED] = "unwanted", [GS_RECEIPT_STORED] = "stored", [GS_RECEIPT_MISMATCH] = "mismatch"};
	int64 epoch = PG_GETARG_INT64(0);
	ArrayType *list = PG_GETARG_ARRAYTYPE_P(1);
	int count = ArrayGetNItems(ARR_NDIM(list), ARR_DIMS(list));
	Datum *objects = elements(list, UUID_LEN, false, TYPALIGN_CHAR, count);
	Datum *sizes = elements(PG_GETARG_ARRAYTYPE_P(2), sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, count);
	Datum *digests = elements(PG_GETARG_ARRAYTYPE_P(3), -1, false, TYPALIGN_INT, count);
	GsReceipt *receipts = palloc0(sizeof(*receipts) * Max(count, 1));
	Device device;

	if (count < 1 || count > RECEIPTS_MOST)
		refuse("a call has 1 to 100 receipts");
	for (int i = 0; i < count; i++) {
		receipts[i] = (GsReceipt){.object = *DatumGetUUIDP(objects[i]),
								  .size = DatumGetInt64(sizes[i]),
								  .sha256 = DatumGetByteaPP(digests[i])};
		check_receipt(receipts[i].size, receipts[i].sha256);
		for (int j = 0; j < i; j++)
			if (memcmp(&receipts[i].object, &receipts[j].object, UUID_LEN) == 0)
				refuse("objects names one twice");
	}
	gs_plan_open();
	device = calling_device(&epoch);
	gs_share_receipts(&device.id, epoch, receipts, count);
	gs_plan_close();
	for (int i = 0; i < count; i++)
		objects[i] = CStringGetTextDatum(words[receipts[i].outcome]);
	PG_RETURN_ARRAYTYPE_P(construct_array(objects, count, TEXTOID, -1, false, TYPALIGN_INT));
}

PG_FUNCTION_INFO_V1(gs_device_work_done);
/* device_work_done(epoch, work) */
Datum gs_device_work_done(PG_FUNCTION_ARGS)
{
	int64 epoch = PG_GETARG_INT64(0);
	ArrayType *work = PG_GETARG_ARRAYTYPE_P(1);
	Device device;

	if (ArrayGetNItems(ARR_NDIM(work), ARR_DIMS(work)) > WORK_DONE_MOST)
		refuse("work names too many items");
	gs_plan_open();
	device = calling_device(&epoch);
	gs_plan_run(&work_done_plan, (Datum[]){UUIDPGetDatum(&device.id), PointerGetDatum(work)}, NULL, 0);
	gs_ledger_drop(&device.id, gs_result_int64(0, 1));
	gs_plan_close();
	PG_RETURN_VOID();
}
