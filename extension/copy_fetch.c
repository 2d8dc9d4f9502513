/* SPDX-License-Identifier: PostgreSQL */
/*
 * Copies on their way from device to device: what a device is told to fetch, with a ticket for a device that has the
 * share, made anew each time it is told; and its word that it can't. Its success is a receipt like any other (share.c).
 *
 * Locks in the order of reservation.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "copy.h"
#include "device.h"
#include "errcodes.h"
#include "plan.h"
#include "replica.h"
#include "reply.h"
#include "request.h"
#include "reservation.h"
#include "settings.h"
#include "ticketing.h"

#define FETCHES_MOST 4

static const char *const reasons[] = {"source_missing", "source_damaged", "source_unreachable", "no_room", "failed"};

typedef struct Errand {
	int64 work;
	pg_uuid_t object;
	int64 size;
	bytea *sha256;
	char *name;
	pg_uuid_t owner;
	pg_uuid_t source_object;
	pg_uuid_t source_device;
} Errand;

static GsPlan find_plan = {
	.sql = "SELECT f.work_id, c.object, s.size_bytes, s.sha256, s.name, o.object, o.device_id, s.owner"
		   " FROM groupshare.share_copy c JOIN groupshare.copy_fetch f ON f.object = c.object"
		   "   JOIN groupshare.share s ON s.id = c.share_id AND s.state = 'stored'"
		   "   CROSS JOIN LATERAL (SELECT o.object, o.device_id FROM groupshare.share_copy o"
		   "     JOIN groupshare.device_ledger l ON l.device_id = o.device_id"
		   "     WHERE o.share_id = s.id AND o.state = 'stored' AND o.device_id <> $1 AND l.epoch IS NOT NULL"
		   "       AND l.reported_at >= now() - $2 * l.report_interval_ms * interval '1 millisecond'"
		   "     ORDER BY random() LIMIT 1) o"
		   " WHERE c.device_id = $1 AND c.state = 'pending' ORDER BY f.work_id LIMIT $3",
	.types = {UUIDOID, INT8OID, INT8OID},
};

/* A large copy over a slow line takes longer than one reservation lives. The device gives up what makes no progress, so
 * what it is still told to fetch may go on. By SKIP LOCKED, since the caller holds its ledger row already. */
static GsPlan extend_plan = {
	.sql = "UPDATE groupshare.reservation SET expires_at = now() + $2 * interval '1 second' WHERE object = ANY"
		   " (ARRAY(SELECT r.object FROM groupshare.reservation r WHERE r.object = $1 AND r.state = 'live'"
		   "   AND r.expires_at BETWEEN now() AND now() + $2 / 2 * interval '1 second'"
		   "   FOR NO KEY UPDATE SKIP LOCKED))",
	.types = {UUIDOID, INT4OID},
};

static GsPlan append_plan = {
	.sql = "SELECT $1 || $2",
	.types = {JSONBOID, JSONBOID},
};

static GsPlan share_plan = {
	.sql = "SELECT c.share_id FROM groupshare.share_copy c JOIN groupshare.copy_fetch f ON f.object = c.object"
		   " WHERE c.object = $1 AND c.state = 'pending'",
	.types = {UUIDOID},
};

static Jsonb *describe(const Errand *errand, const GsDesignation *designation)
{
	GsReply item;
	char hex[2 * 32 + 1] = {0};

	hex_encode(VARDATA_ANY(errand->sha256), Min(VARSIZE_ANY_EXHDR(errand->sha256), 32), hex);
	gs_reply_begin(&item);
	gs_reply_int64(&item, "id", errand->work);
	gs_reply_text(&item, "kind", "fetch");
	gs_reply_uuid(&item, "object", &errand->object);
	gs_reply_text(&item, "url", designation->url);
	gs_reply_text(&item, "ticket", designation->ticket);
	gs_reply_int64(&item, "size", errand->size);
	gs_reply_text(&item, "sha256", hex);
	gs_reply_uuid(&item, "terminal", &errand->owner);
	gs_reply_text(&item, "name", errand->name);
	return gs_reply_end(&item);
}

Jsonb *gs_replica_add_work(const pg_uuid_t *device, Jsonb *work)
{
	Errand errands[FETCHES_MOST];
	uint64 count = gs_plan_run(
		&find_plan,
		(Datum[]){UUIDPGetDatum(device), Int64GetDatum(gs_device_silent_intervals), Int64GetDatum(FETCHES_MOST)}, NULL,
		0);

	for (uint64 i = 0; i < count; i++)
		errands[i] = (Errand){.work = gs_result_int64(i, 1),
							  .object = *gs_result_uuid(i, 2),
							  .size = gs_result_int64(i, 3),
							  .sha256 = gs_result_bytea(i, 4),
							  .name = gs_result_text(i, 5),
							  .source_object = *gs_result_uuid(i, 6),
							  .source_device = *gs_result_uuid(i, 7),
							  .owner = *gs_result_uuid(i, 8)};
	for (uint64 i = 0; i < count; i++) {
		const Errand *errand = &errands[i];
		GsDesignation designation;

		if (!gs_ticketing_try(&(GsTicketScope){.device = &errand->source_device,
											   .object = &errand->source_object,
											   .terminal = device,
											   .size = errand->size,
											   .sha256 = errand->sha256,
											   .name = errand->name},
							  &designation))
			continue;
		gs_plan_run(&extend_plan, (Datum[]){UUIDPGetDatum(&errand->object), Int32GetDatum(gs_reservation_lifetime_s)},
					NULL, 0);
		gs_plan_run(&append_plan, (Datum[]){JsonbPGetDatum(work), JsonbPGetDatum(describe(errand, &designation))}, NULL,
					1);
		work = gs_result_jsonb(0, 1);
	}
	return work;
}

/* `reason` as a constant, so that nothing else can be kept as a problem. */
static const char *check_reason(const char *reason)
{
	for (size_t i = 0; i < lengthof(reasons); i++)
		if (strcmp(reasons[i], reason) == 0)
			return reasons[i];
	ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("unknown reason \"%s\"", reason)));
}

PG_FUNCTION_INFO_V1(gs_device_fetch_failed);
/* device_fetch_failed(epoch, object, reason) */
Datum gs_device_fetch_failed(PG_FUNCTION_ARGS)
{
	int64 epoch = PG_GETARG_INT64(0);
	const pg_uuid_t *object = PG_GETARG_UUID_P(1);
	const char *reason = check_reason(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	pg_uuid_t device;

	gs_plan_open();
	device = gs_device_caller(epoch);
	if (gs_copy_lock(&device, object, true) &&
		gs_plan_run(&share_plan, (Datum[]){UUIDPGetDatum(object)}, NULL, 1) > 0) {
		const pg_uuid_t *share = gs_result_uuid(0, 1);

		gs_replica_failed(share, reason);
		gs_reservation_end(gs_reservation_find(share), "cancelled");
	}
	gs_plan_close();
	PG_RETURN_VOID();
}
