/* SPDX-License-Identifier: PostgreSQL */
/*
 * What if: old notices placed again, one after the other, as if they came now on top of what is there.
 *
 * Each is really reserved, so that those before it take their room from those after it; all of it happens in a
 * subtransaction that is rolled back before the function returns, so nothing stays even without a ROLLBACK of the
 * caller's. Until then the ledger rows it reserved on are locked: other notices pass them over.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "errcodes.h"
#include "guard.h"
#include "placement.h"
#include "plan.h"

#define MOST 1000000

enum { REPLAY_COLUMNS = 9 };

/* A share that was placed several times counts once, with its upload's last place. */
static GsPlan notices_plan = {
	.sql = "SELECT n.* FROM (SELECT DISTINCT ON (s.id) p.created_at AS at, t.identifier, t.plan, s.id, s.name,"
		   "     s.size_bytes, p.location, p.latitude IS NOT NULL, coalesce(p.latitude, 0), coalesce(p.longitude, 0),"
		   "     d.name, p.distance"
		   "   FROM groupshare.reservation p JOIN groupshare.share_copy c ON c.object = p.object"
		   "     JOIN groupshare.share s ON s.id = c.share_id JOIN groupshare.terminal t ON t.id = s.owner"
		   "     JOIN groupshare.device d ON d.id = p.device_id"
		   "   WHERE p.created_at >= $1 AND p.created_at < $2 AND NOT p.further ORDER BY s.id, p.created_at DESC) n"
		   " ORDER BY n.at, n.id LIMIT $3",
	.types = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID},
};

typedef struct Notice {
	TimestampTz at;
	char *terminal;
	char *plan;
	pg_uuid_t share;
	char *name;
	int64 size;
	GsOrigin origin;
	char *device;
	int32 distance;
	char *new_device; /* NULL: refused */
	int32 new_distance;
	char *refusal;
} Notice;

static Notice *read_notices(FunctionCallInfo fcinfo, uint64 *count)
{
	Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), Int64GetDatum(PG_GETARG_INT32(2))};
	Notice *notices;

	*count = gs_plan_run(&notices_plan, values, NULL, 0);
	notices = palloc_extended(sizeof(*notices) * Max(*count, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 i = 0; i < *count; i++) {
		Notice *n = &notices[i];

		n->at = gs_result_timestamp(i, 1);
		n->terminal = gs_result_text(i, 2);
		n->plan = gs_result_text(i, 3);
		n->share = *gs_result_uuid(i, 4);
		n->name = gs_result_text(i, 5);
		n->size = gs_result_int64(i, 6);
		n->origin.location = gs_result_text(i, 7);
		n->origin.has_point = gs_result_bool(i, 8);
		n->origin.latitude = gs_result_float8(i, 9);
		n->origin.longitude = gs_result_float8(i, 10);
		n->device = gs_result_text(i, 11);
		n->distance = gs_result_int64(i, 12);
	}
	return notices;
}

/* `scratch` is emptied for each notice; the outcome goes to `kept`. */
static void replay(Notice *notice, MemoryContext scratch, MemoryContext kept)
{
	const GsQuestion question = {.terminal = notice->terminal,
								 .plan = notice->plan,
								 .share = &notice->share,
								 .origin = notice->origin,
								 .size = notice->size,
								 .avoid = construct_empty_array(TEXTOID)};
	char *refusal = NULL;
	GsPlace *place = gs_placement_try(&question, &refusal);

	if (place != NULL) {
		notice->new_device = MemoryContextStrdup(kept, place->device_name);
		notice->new_distance = place->distance;
	} else {
		notice->refusal = MemoryContextStrdup(kept, refusal);
	}
	MemoryContextReset(scratch);
	CHECK_FOR_INTERRUPTS();
}

typedef struct Replay {
	Notice *notices;
	uint64 count;
	MemoryContext kept;
} Replay;

static GsGuardEnd replay_all(void *argument)
{
	Replay *all = argument;
	MemoryContext scratch = AllocSetContextCreate(all->kept, "groupshare replay", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(scratch);
	for (uint64 i = 0; i < all->count; i++)
		replay(&all->notices[i], scratch, all->kept);
	MemoryContextSwitchTo(all->kept);
	MemoryContextDelete(scratch);
	return GS_GUARD_UNDO;
}

static void replay_and_undo(Notice *notices, uint64 count)
{
	Replay all = {.notices = notices, .count = count, .kept = CurrentMemoryContext};
	ErrorData *error = gs_guard_run(replay_all, &all);

	if (error != NULL)
		ReThrowError(error);
}

static void put_row(ReturnSetInfo *rsinfo, const Notice *n)
{
	Datum values[REPLAY_COLUMNS] = {TimestampTzGetDatum(n->at),
									CStringGetTextDatum(n->terminal),
									CStringGetTextDatum(n->name),
									Int64GetDatum(n->size),
									CStringGetTextDatum(n->device),
									Int32GetDatum(n->distance),
									(Datum)0,
									Int32GetDatum(n->new_distance),
									(Datum)0};
	bool nulls[REPLAY_COLUMNS] = {0};

	nulls[6] = nulls[7] = n->new_device == NULL;
	nulls[8] = n->new_device != NULL;
	if (n->new_device != NULL)
		values[6] = CStringGetTextDatum(n->new_device);
	else
		values[8] = CStringGetTextDatum(n->refusal);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void check_arguments(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("from, to and most must not be null"),
						errhint("'-infinity' and 'infinity' are all times.")));
	if (PG_GETARG_TIMESTAMPTZ(0) > PG_GETARG_TIMESTAMPTZ(1))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("from must not be later than to")));
	if (PG_GETARG_INT32(2) < 1 || PG_GETARG_INT32(2) > MOST)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("most must be between 1 and %d", MOST)));
}

PG_FUNCTION_INFO_V1(gs_replay_notices);
/* replay_notices(from, to, most) */
Datum gs_replay_notices(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	Notice *notices;
	uint64 count;

	check_arguments(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	gs_plan_open();
	notices = read_notices(fcinfo, &count);
	replay_and_undo(notices, count);
	for (uint64 i = 0; i < count; i++)
		put_row(rsinfo, &notices[i]);
	gs_plan_close();
	return (Datum)0;
}
