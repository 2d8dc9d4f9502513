/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every write to groupshare.device_ledger but the promises, which are made in reserve.c.
 *
 * Invariant, whenever `epoch` is not null: reserved_bytes is the sum of the device's live reservations, because whoever
 * makes or ends one changes the ledger in the same transaction, and an announcement counts them under the row's lock.
 * While `epoch` is null (new device, restored database, decommissioned) nothing can be reserved and the column means
 * nothing; the next announcement makes it right.
 *
 * available_bytes = free less (reserved + settled - staged), which counts only while it is positive. A live reservation
 * whose bytes have begun to arrive is in `reserved` as a whole, while the arrived part is gone from `free`: hence -
 * staged. What is staged beyond the promises (of a reservation that has ended, or an untruth) makes no room. A receipt
 * moves its bytes from reserved to settled; a report measures the disk after all receipts sent before it, so it clears
 * `settled`.
 *
 * held_bytes is what the server knows to lie there: the sizes of its copies that arrived and are not deleted yet. With
 * the reservations it bounds what a device is given when the DBA has set capacity_limit_bytes, whatever the device
 * says.
 *
 * That holds for calls of one connection. A daemon announces itself on each new one; a report that the old one left
 * behind, read by its backend only afterwards, would take the place of a newer one: connected_at tells them apart.
 *
 * read_only: until the device's next start, which is a new epoch. An announcement of the same one, on a new connection,
 * does not end it.
 *
 * refused_at: a terminal came back and asked for another device than this one, probably because of a 507. What the
 * device says counts more than that, so reports clear it; not those of the first interval, since a device reports at
 * once when it answers 507, and its disk may say to have room that it does not give (a quota, say).
 *
 * A report does not wait long for the row, which a DBA's transaction may hold for minutes: it is as if it had not come,
 * and what it says of the past stays true with the report before it, since `settled` then goes on counting.
 *
 * Lock order: a ledger row is the last lock that a transaction takes, see reservation.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "guard.h"
#include "ledger.h"
#include "plan.h"
#include "settings.h"

#define REPORT_WAIT_MS 1000  /* behind the report are work, above all revocations, and receipts */
#define SILENT_PAUSE_MS 5000 /* closing the silent reads the whole ledger */

static GsPlan announce_plan = {
	.sql = "INSERT INTO groupshare.device_ledger AS l (device_id, epoch, url, version, capacity_bytes, free_bytes,"
		   "       staged_bytes, report_interval_ms, connected_at, announced_at, reported_at, active, headroom_bytes,"
		   "       high_water_percent, capacity_limit_bytes, name, location, latitude, longitude)"
		   " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now(), d.state = 'active', d.headroom_bytes,"
		   "       d.high_water_percent, d.capacity_limit_bytes, d.name, d.location, d.latitude, d.longitude"
		   " FROM groupshare.device d WHERE d.id = $1"
		   " ON CONFLICT (device_id) DO UPDATE SET epoch = excluded.epoch, url = excluded.url,"
		   "       version = excluded.version, capacity_bytes = excluded.capacity_bytes,"
		   "       free_bytes = excluded.free_bytes, staged_bytes = excluded.staged_bytes, settled_bytes = 0,"
		   "       refused_at = NULL, read_only = l.read_only AND l.epoch = excluded.epoch,"
		   "       connected_at = excluded.connected_at,"
		   "       report_interval_ms = excluded.report_interval_ms, announced_at = now(), reported_at = now()"
		   " WHERE l.epoch IS NULL OR l.epoch <= excluded.epoch",
	.types = {UUIDOID, INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT4OID, TIMESTAMPTZOID},
};

static GsPlan recount_plan = {
	.sql = "UPDATE groupshare.device_ledger SET reserved_bytes ="
		   " (SELECT coalesce(sum(r.size_bytes), 0)::bigint FROM groupshare.reservation r"
		   "  WHERE r.device_id = $1 AND r.state = 'live'), held_bytes ="
		   " (SELECT coalesce(sum(s.size_bytes), 0)::bigint FROM groupshare.share_copy c"
		   "    JOIN groupshare.share s ON s.id = c.share_id"
		   "  WHERE c.device_id = $1 AND c.stored_at IS NOT NULL AND c.state <> 'deleted')"
		   " WHERE device_id = $1",
	.types = {UUIDOID},
};

static GsPlan report_plan = {
	.sql = "UPDATE groupshare.device_ledger SET capacity_bytes = $3, free_bytes = $4, staged_bytes = $5,"
		   " read_only = $6, settled_bytes = 0, reported_at = now(), refused_at = CASE WHEN refused_at"
		   "   > now() - report_interval_ms * interval '1 millisecond' THEN refused_at END"
		   " WHERE device_id = $1 AND epoch = $2 AND (connected_at IS NULL OR connected_at <= $7)",
	.types = {UUIDOID, INT8OID, INT8OID, INT8OID, INT8OID, BOOLOID, TIMESTAMPTZOID},
};

static GsPlan release_plan = {
	.sql = "UPDATE groupshare.device_ledger SET reserved_bytes = reserved_bytes - $2"
		   " WHERE device_id = $1 AND epoch IS NOT NULL",
	.types = {UUIDOID, INT8OID},
};

static GsPlan settle_plan = {
	.sql = "UPDATE groupshare.device_ledger SET reserved_bytes = reserved_bytes - $3,"
		   " settled_bytes = settled_bytes + $3, held_bytes = held_bytes + $3"
		   " WHERE device_id = $1 AND epoch = $2",
	.types = {UUIDOID, INT8OID, INT8OID},
};

static GsPlan refuse_plan = {
	.sql = "UPDATE groupshare.device_ledger SET refused_at = now() WHERE device_id = $1",
	.types = {UUIDOID},
};

static GsPlan drop_plan = {
	.sql = "UPDATE groupshare.device_ledger SET held_bytes = greatest(held_bytes - $2, 0) WHERE device_id = $1",
	.types = {UUIDOID, INT8OID},
};

/* The first report of an hour is kept. */
static GsPlan history_plan = {
	.sql = "INSERT INTO groupshare.device_history (device_id, hour, capacity_bytes, used_bytes, available_bytes)"
		   " SELECT device_id, date_trunc('hour', now()), capacity_bytes, capacity_bytes - free_bytes, available_bytes"
		   " FROM groupshare.device_ledger WHERE device_id = $1 ON CONFLICT DO NOTHING",
	.types = {UUIDOID},
};

static GsPlan close_silent_plan = {
	.sql = "WITH s AS (SELECT device_id FROM groupshare.device_ledger WHERE room_class >= 0"
		   "   AND reported_at < now() - $1 * report_interval_ms * interval '1 millisecond'"
		   "   ORDER BY device_id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)"
		   " UPDATE groupshare.device_ledger l SET room_class = -1 FROM s"
		   " WHERE l.device_id = s.device_id",
	.types = {INT8OID, INT8OID},
};

static GsPlan forget_plan = {
	.sql = "WITH old AS (SELECT device_id, hour FROM groupshare.device_history"
		   "   WHERE hour < now() - $1 * interval '1 second' ORDER BY hour LIMIT $2 FOR UPDATE SKIP LOCKED)"
		   " DELETE FROM groupshare.device_history h USING old WHERE h.device_id = old.device_id AND h.hour = old.hour",
	.types = {INT4OID, INT8OID},
};

static LocalTransactionId held_by = InvalidLocalTransactionId;

void gs_ledger_note_held(void)
{
	held_by = MyProc->lxid;
}

bool gs_ledger_held(void)
{
	return held_by == MyProc->lxid;
}

bool gs_ledger_announce(const pg_uuid_t *device, const GsDeviceReport *report)
{
	Datum values[] = {UUIDPGetDatum(device),
					  Int64GetDatum(report->epoch),
					  CStringGetTextDatum(report->url),
					  CStringGetTextDatum(report->version),
					  Int64GetDatum(report->capacity_bytes),
					  Int64GetDatum(report->free_bytes),
					  Int64GetDatum(report->staged_bytes),
					  Int32GetDatum(report->report_interval_ms),
					  TimestampTzGetDatum(MyStartTimestamp)};

	if (gs_plan_run(&announce_plan, values, NULL, 0) == 0)
		return false;
	/* A statement of its own: its snapshot must be younger than the row lock that the first one took. */
	gs_plan_run(&recount_plan, values, NULL, 0);
	return true;
}

typedef struct Reporting {
	Datum values[7];
	bool late;
} Reporting;

static GsGuardEnd take_report(void *argument)
{
	Reporting *reporting = argument;

	reporting->late = gs_plan_run(&report_plan, reporting->values, NULL, 0) == 0;
	if (!reporting->late)
		gs_plan_run(&history_plan, reporting->values, NULL, 0);
	return GS_GUARD_KEEP;
}

GsReported gs_ledger_report(const pg_uuid_t *device, const GsDeviceReport *report)
{
	Reporting reporting = {.values = {UUIDPGetDatum(device), Int64GetDatum(report->epoch),
									  Int64GetDatum(report->capacity_bytes), Int64GetDatum(report->free_bytes),
									  Int64GetDatum(report->staged_bytes), BoolGetDatum(report->read_only),
									  TimestampTzGetDatum(MyStartTimestamp)}};

	if (!gs_guard_in_time(take_report, &reporting, REPORT_WAIT_MS))
		return GS_REPORT_HELD;
	return reporting.late ? GS_REPORT_LATE : GS_REPORT_TAKEN;
}

void gs_ledger_release(const pg_uuid_t *device, int64 size)
{
	Datum values[] = {UUIDPGetDatum(device), Int64GetDatum(size)};

	gs_plan_run(&release_plan, values, NULL, 0);
}

bool gs_ledger_settle(const pg_uuid_t *device, int64 epoch, int64 size)
{
	Datum values[] = {UUIDPGetDatum(device), Int64GetDatum(epoch), Int64GetDatum(size)};

	return gs_plan_run(&settle_plan, values, NULL, 0) == 1;
}

void gs_ledger_refuse(const pg_uuid_t *device)
{
	gs_plan_run(&refuse_plan, (Datum[]){UUIDPGetDatum(device)}, NULL, 0);
}

void gs_ledger_drop(const pg_uuid_t *device, int64 size)
{
	if (size > 0)
		gs_plan_run(&drop_plan, (Datum[]){UUIDPGetDatum(device), Int64GetDatum(size)}, NULL, 0);
}

int64 gs_ledger_close_silent(int64 limit)
{
	static TimestampTz next = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (now < next)
		return 0;
	next = TimestampTzPlusMilliseconds(now, SILENT_PAUSE_MS);
	return gs_plan_run(&close_silent_plan, (Datum[]){Int64GetDatum(gs_device_silent_intervals), Int64GetDatum(limit)},
					   NULL, 0);
}

int64 gs_ledger_forget(int64 limit)
{
	return gs_plan_run(&forget_plan, (Datum[]){Int32GetDatum(gs_device_history_retention_s), Int64GetDatum(limit)},
					   NULL, 0);
}
