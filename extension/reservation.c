/* SPDX-License-Identifier: PostgreSQL */
/*
 * Life of a copy: pending with a live reservation -> stored (settled) or abandoned (expired, cancelled) -> deleted.
 *
 * Invariants: a pending share has exactly one pending copy, a stored one at most one, and that copy a live reservation;
 * copy and reservation end in the same transaction. A share is charged to its owner's usage while it is pending or
 * stored.
 *
 * Lock order of everything that changes a share, in all files of the extension:
 *     1. the owner's usage row    notice, deletion, expiry (a receipt charges nothing and leaves it out)
 *     2. the share row            several receipts in one call: in the order of their ids
 *     3. one ledger row           blocking only while no other ledger row is held
 * Expiry ends many reservations in one transaction: it takes 1 and 2 by SKIP LOCKED and, after all other rows, its
 * ledger rows in the order of their ids. A notice that holds none queues for one ledger row (reserve.c); a moved
 * upload, a further copy and a replay reserve by SKIP LOCKED only (placement.c). So no cycle of waits can arise.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "ids.h"
#include "ledger.h"
#include "placement.h"
#include "plan.h"
#include "quota.h"
#include "replica.h"
#include "reservation.h"
#include "row.h"
#include "settings.h"

static GsTable copy_table = {.name = "share_copy", .columns = {"object", "home", "share_id", "device_id"}};

static GsTable reservation_table = {
	.name = "reservation",
	.columns = {"object", "home", "device_id", "size_bytes", "expires_at", "location", "distance", "candidates",
				"latitude", "longitude", "policy_id", "policy_error", "further"},
};

static GsPlan find_plan = {
	.sql =
		"SELECT r.object, d.id, d.name, r.size_bytes, r.expires_at,"
		"       coalesce(l.reported_at >= now() - $2 * l.report_interval_ms * interval '1 millisecond'"
		"         AND l.epoch IS NOT NULL AND d.state <> 'decommissioned', false)"
		" FROM groupshare.share_copy c JOIN groupshare.reservation r ON r.object = c.object"
		"   JOIN groupshare.device d ON d.id = r.device_id LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id"
		" WHERE c.share_id = $1 AND c.state = 'pending' AND r.state = 'live'",
	.types = {UUIDOID, INT8OID},
};

static GsPlan extend_plan = {
	.sql = "UPDATE groupshare.reservation SET expires_at = greatest(expires_at, now() + $2 * interval '1 second')"
		   " WHERE object = $1 AND state = 'live' RETURNING expires_at",
	.types = {UUIDOID, INT4OID},
};

static GsPlan end_plan = {
	.sql =
		"WITH ended AS (UPDATE groupshare.reservation SET state = $2, ended_at = now()"
		"   WHERE object = $1 AND state = 'live' RETURNING object, device_id),"
		" copy AS (UPDATE groupshare.share_copy c SET state = 'abandoned' FROM ended e WHERE c.object = e.object),"
		" fetched AS (DELETE FROM groupshare.copy_fetch f USING ended e WHERE f.object = e.object)"
		" INSERT INTO groupshare.device_work (device_id, kind, object) SELECT device_id, 'delete', object FROM ended",
	.types = {UUIDOID, TEXTOID},
};

static GsPlan settle_plan = {
	.sql = "WITH ended AS (UPDATE groupshare.reservation SET state = 'settled', ended_at = now()"
		   "   WHERE object = ANY ($1) AND state = 'live' RETURNING object),"
		   " fetched AS (DELETE FROM groupshare.copy_fetch f USING ended e WHERE f.object = e.object)"
		   " UPDATE groupshare.share_copy c SET state = 'stored', stored_at = now() FROM ended e"
		   " WHERE c.object = e.object",
	.types = {UUIDARRAYOID},
	.by_key = true,
};

static GsPlan due_plan = {
	.sql = "SELECT r.object, r.device_id, r.size_bytes, s.id, s.owner, s.state = 'pending'"
		   " FROM groupshare.reservation r JOIN groupshare.share_copy c ON c.object = r.object"
		   "   JOIN groupshare.share s ON s.id = c.share_id JOIN groupshare.usage u ON u.terminal_id = s.owner"
		   " WHERE r.state = 'live' AND r.expires_at < now() AND s.state IN ('pending', 'stored')"
		   " ORDER BY r.device_id LIMIT $1 FOR NO KEY UPDATE OF u, s, r SKIP LOCKED",
	.types = {INT8OID},
};

static GsPlan expire_share_plan = {
	.sql = "UPDATE groupshare.share SET state = 'expired' WHERE id = $1 AND state = 'pending'",
	.types = {UUIDOID},
};

static bool record_reservation(const GsQuestion *question, const GsPlace *place, const GsAllocation *allocation,
							   Datum home, bool further)
{
	const GsOrigin *origin = &question->origin;
	const GsPolicy *policy = &place->policy;
	const char point = origin->has_point ? ' ' : 'n', ruled = policy->set ? ' ' : 'n',
			   failed = policy->error ? ' ' : 'n';
	const Datum values[] = {UUIDPGetDatum(&allocation->object),
							home,
							UUIDPGetDatum(&allocation->device),
							Int64GetDatum(allocation->size),
							TimestampTzGetDatum(allocation->expires_at),
							CStringGetTextDatum(origin->location),
							Int32GetDatum(place->distance),
							place->candidates,
							Float8GetDatum(origin->latitude),
							Float8GetDatum(origin->longitude),
							UUIDPGetDatum(&policy->id),
							policy->error ? CStringGetTextDatum(policy->error) : (Datum)0,
							BoolGetDatum(further)};
	const char nulls[] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', point, point, ruled, failed, ' '};

	return gs_row_insert(&reservation_table, values, nulls);
}

/* The copy and its reservation, of bytes that the placement has just reserved. */
static GsAllocation *record(const GsQuestion *question, const GsPlace *place, const pg_uuid_t *server, bool further)
{
	GsAllocation *allocation = palloc0(sizeof(*allocation));
	const Datum home = UUIDPGetDatum(server);

	allocation->object = gs_id_new();
	allocation->expires_at = GetCurrentTransactionStartTimestamp() + gs_reservation_lifetime_s * USECS_PER_SEC;
	allocation->device = place->device;
	allocation->device_name = place->device_name;
	allocation->size = question->size;
	allocation->reachable = true;
	if (!gs_row_insert(&copy_table,
					   (Datum[]){UUIDPGetDatum(&allocation->object), home, UUIDPGetDatum(question->share),
								 UUIDPGetDatum(&allocation->device)},
					   NULL) ||
		!record_reservation(question, place, allocation, home, further))
		elog(ERROR, "a trigger has left the reservation out");
	return allocation;
}

GsQuestion gs_reservation_further(const GsTerminal *owner, const pg_uuid_t *share, const char *location, int64 size,
								  ArrayType *avoid)
{
	return (GsQuestion){.terminal = owner->identifier,
						.plan = owner->plan,
						.share = share,
						.origin = {.location = location},
						.size = size,
						.avoid = avoid};
}

GsAllocation *gs_reservation_replicate(const GsQuestion *question, const pg_uuid_t *home, char **refusal)
{
	GsPlace *place = gs_placement_try(question, refusal);

	return place == NULL ? NULL : record(question, place, home, true);
}

static GsQuestion ask(const GsRequest *request, const pg_uuid_t *share, int64 size, ArrayType *avoid)
{
	return (GsQuestion){.terminal = request->terminal->identifier,
						.plan = request->terminal->plan,
						.share = share,
						.origin = gs_origin_find(request->terminal, request->peer),
						.size = size,
						.avoid = avoid};
}

GsAllocation *gs_reservation_make(const GsRequest *request, const pg_uuid_t *share, int64 size, ArrayType *avoid)
{
	const GsQuestion question = ask(request, share, size, avoid);

	return record(&question, gs_placement_reserve(&question), &request->terminal->home, false);
}

/* The old ledger row is changed first, since a ledger row must not be waited for while another is held. */
GsAllocation *gs_reservation_move(const GsRequest *request, const pg_uuid_t *share, const GsAllocation *old,
								  ArrayType *avoid)
{
	GsQuestion question = ask(request, share, old->size, avoid);

	gs_reservation_end(old, "cancelled");
	if (old->reachable)
		gs_ledger_refuse(&old->device);
	question.left_device = old->device_name;
	question.left_for = old->reachable ? "avoided" : "out of reach";
	return record(&question, gs_placement_reserve(&question), &request->terminal->home, false);
}

GsAllocation *gs_reservation_find(const pg_uuid_t *share)
{
	GsAllocation *allocation = gs_reservation_look(share);

	if (allocation == NULL)
		elog(ERROR, "pending share without a live reservation");
	return allocation;
}

GsAllocation *gs_reservation_look(const pg_uuid_t *share)
{
	Datum values[] = {UUIDPGetDatum(share), Int64GetDatum(gs_device_silent_intervals)};
	GsAllocation *allocation;

	if (gs_plan_run(&find_plan, values, NULL, 1) == 0)
		return NULL;
	allocation = palloc0(sizeof(*allocation));
	allocation->object = *gs_result_uuid(0, 1);
	allocation->device = *gs_result_uuid(0, 2);
	allocation->device_name = gs_result_text(0, 3);
	allocation->size = gs_result_int64(0, 4);
	allocation->expires_at = gs_result_timestamp(0, 5);
	allocation->reachable = gs_result_bool(0, 6);
	return allocation;
}

void gs_reservation_extend(GsAllocation *allocation)
{
	Datum values[] = {UUIDPGetDatum(&allocation->object), Int32GetDatum(gs_reservation_lifetime_s)};

	if (gs_plan_run(&extend_plan, values, NULL, 0) == 0)
		elog(ERROR, "the reservation ended although its share is locked");
	allocation->expires_at = gs_result_timestamp(0, 1);
}

static void end_rows(const GsAllocation *allocation, const char *state)
{
	Datum values[] = {UUIDPGetDatum(&allocation->object), CStringGetTextDatum(state)};

	if (gs_plan_run(&end_plan, values, NULL, 0) == 0)
		elog(ERROR, "the reservation ended although its share is locked");
}

void gs_reservation_end(const GsAllocation *allocation, const char *state)
{
	end_rows(allocation, state);
	gs_ledger_release(&allocation->device, allocation->size);
}

void gs_reservation_settle(ArrayType *objects, int count)
{
	Datum values[] = {PointerGetDatum(objects)};

	if (gs_plan_run(&settle_plan, values, NULL, 0) != (uint64)count)
		elog(ERROR, "the reservation ended although its share is locked");
}

typedef struct DueReservation {
	GsAllocation allocation;
	pg_uuid_t share;
	pg_uuid_t owner;
	bool pending; /* the share; otherwise a further copy of a stored one ends */
} DueReservation;

int64 gs_reservation_expire_due(int64 limit)
{
	Datum values[] = {Int64GetDatum(limit)};
	uint64 count = gs_plan_run(&due_plan, values, NULL, 0);
	DueReservation *due = palloc0(sizeof(*due) * Max(count, 1));

	for (uint64 i = 0; i < count; i++) {
		due[i].allocation.object = *gs_result_uuid(i, 1);
		due[i].allocation.device = *gs_result_uuid(i, 2);
		due[i].allocation.size = gs_result_int64(i, 3);
		due[i].share = *gs_result_uuid(i, 4);
		due[i].owner = *gs_result_uuid(i, 5);
		due[i].pending = gs_result_bool(i, 6);
	}
	for (uint64 i = 0; i < count; i++) {
		Datum share[] = {UUIDPGetDatum(&due[i].share)};

		if (due[i].pending) {
			gs_plan_run(&expire_share_plan, share, NULL, 0);
			gs_quota_refund(&due[i].owner, due[i].allocation.size);
		} else {
			gs_replica_failed(&due[i].share, "the copy did not arrive in time");
		}
		end_rows(&due[i].allocation, "expired");
	}
	for (uint64 i = 0; i < count; i++)
		gs_ledger_release(&due[i].allocation.device, due[i].allocation.size);
	return count;
}
