/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every write to groupshare.device_ledger.
 *
 * Invariant, whenever `epoch` is not null: reserved_bytes is the sum of the device's live reservations, because whoever
 * makes or ends one changes the ledger in the same transaction, and an announcement counts them under the row's lock.
 * While `epoch` is null (new device, restored database, decommissioned) nothing can be reserved and the column means
 * nothing; the next announcement makes it right.
 *
 * available_bytes = free + staged - reserved - settled. A live reservation whose bytes have begun to arrive is in
 * `reserved` as a whole, while the arrived part is gone from `free`: hence + staged. A receipt moves its bytes from
 * reserved to settled; a report measures the disk after all receipts sent before it, so it clears `settled`.
 *
 * Lock order: a ledger row is the last lock that a transaction takes, see reservation.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "ledger.h"
#include "plan.h"

static GsPlan announce_plan = {
	.sql = "INSERT INTO groupshare.device_ledger AS l (device_id, epoch, url, version, capacity_bytes, free_bytes,"
		   "       staged_bytes, report_interval_ms, announced_at, reported_at)"
		   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), now())"
		   " ON CONFLICT (device_id) DO UPDATE SET epoch = excluded.epoch, url = excluded.url,"
		   "       version = excluded.version, capacity_bytes = excluded.capacity_bytes,"
		   "       free_bytes = excluded.free_bytes, staged_bytes = excluded.staged_bytes, settled_bytes = 0,"
		   "       report_interval_ms = excluded.report_interval_ms, announced_at = now(), reported_at = now()"
		   " WHERE l.epoch IS NULL OR l.epoch <= excluded.epoch",
	.types = {UUIDOID, INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT4OID},
};

static GsPlan recount_plan = {
	.sql = "UPDATE groupshare.device_ledger SET reserved_bytes ="
		   " (SELECT coalesce(sum(r.size_bytes), 0)::bigint FROM groupshare.reservation r"
		   "  WHERE r.device_id = $1 AND r.state = 'live')"
		   " WHERE device_id = $1",
	.types = {UUIDOID},
};

static GsPlan report_plan = {
	.sql = "UPDATE groupshare.device_ledger SET capacity_bytes = $3, free_bytes = $4, staged_bytes = $5,"
		   " read_only = $6, settled_bytes = 0, reported_at = now()"
		   " WHERE device_id = $1 AND epoch = $2",
	.types = {UUIDOID, INT8OID, INT8OID, INT8OID, INT8OID, BOOLOID},
};

static GsPlan reserve_plan = {
	.sql = "UPDATE groupshare.device_ledger SET reserved_bytes = reserved_bytes + $2"
		   " WHERE device_id = $1 AND epoch IS NOT NULL AND available_bytes >= $2",
	.types = {UUIDOID, INT8OID},
};

static GsPlan release_plan = {
	.sql = "UPDATE groupshare.device_ledger SET reserved_bytes = reserved_bytes - $2"
		   " WHERE device_id = $1 AND epoch IS NOT NULL",
	.types = {UUIDOID, INT8OID},
};

static GsPlan settle_plan = {
	.sql = "UPDATE groupshare.device_ledger SET reserved_bytes = reserved_bytes - $3,"
		   " settled_bytes = settled_bytes + $3"
		   " WHERE device_id = $1 AND epoch = $2",
	.types = {UUIDOID, INT8OID, INT8OID},
};

bool gs_ledger_announce(const pg_uuid_t *device, const GsDeviceReport *report)
{
	Datum values[] = {UUIDPGetDatum(device),
					  Int64GetDatum(report->epoch),
					  CStringGetTextDatum(report->url),
					  CStringGetTextDatum(report->version),
					  Int64GetDatum(report->capacity_bytes),
					  Int64GetDatum(report->free_bytes),
					  Int64GetDatum(report->staged_bytes),
					  Int32GetDatum(report->report_interval_ms)};

	if (gs_plan_run(&announce_plan, values, NULL, 0) == 0)
		return false;
	/* A statement of its own: its snapshot must be younger than the row lock that the first one took. */
	gs_plan_run(&recount_plan, values, NULL, 0);
	return true;
}

bool gs_ledger_report(const pg_uuid_t *device, const GsDeviceReport *report)
{
	Datum values[] = {UUIDPGetDatum(device),
					  Int64GetDatum(report->epoch),
					  Int64GetDatum(report->capacity_bytes),
					  Int64GetDatum(report->free_bytes),
					  Int64GetDatum(report->staged_bytes),
					  BoolGetDatum(report->read_only)};

	return gs_plan_run(&report_plan, values, NULL, 0) == 1;
}

bool gs_ledger_reserve(const pg_uuid_t *device, int64 size)
{
	Datum values[] = {UUIDPGetDatum(device), Int64GetDatum(size)};

	return gs_plan_run(&reserve_plan, values, NULL, 0) == 1;
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
