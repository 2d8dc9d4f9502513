/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rule that says what speaks against a device. The search (candidates.c) and who promises bytes, under the lock of
 * the device's ledger row (reserve.c), ask it in C; statements, for the tally of an error and explain_placement, by the
 * SQL function placement_objection. So no two of them can disagree.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "errcodes.h"
#include "objection.h"
#include "settings.h"

void gs_objection_parameters(Datum *values, Datum subject, const GsQuestion *question)
{
	values[0] = subject;
	values[1] = Int64GetDatum(question->size);
	values[2] = PointerGetDatum(question->avoid);
}

static bool is_avoided(const char *name, ArrayType *avoid)
{
	Datum *names;
	bool *nulls;
	int count;

	if (ArrayGetNItems(ARR_NDIM(avoid), ARR_DIMS(avoid)) == 0)
		return false;
	deconstruct_array(avoid, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i] && strcmp(TextDatumGetCString(names[i]), name) == 0)
			return true;
	return false;
}

static bool is_silent(const GsStanding *standing)
{
	int64 patience_us = (int64)standing->report_interval_ms * gs_device_silent_intervals * 1000;

	return standing->reported_at < GetCurrentTransactionStartTimestamp() - patience_us;
}

static bool is_over_high_water(const GsStanding *standing)
{
	int64 capacity = Min(standing->capacity, standing->capacity_limit);
	int32 percent = standing->high_water_percent > 0 ? standing->high_water_percent : gs_device_high_water_percent;

	return (double)(capacity - standing->available) * 100 > (double)capacity * percent;
}

const char *gs_objection(const GsStanding *standing, int64 size, ArrayType *avoid)
{
	int64 headroom = standing->headroom >= 0 ? standing->headroom : (int64)gs_device_headroom_mb * 1024 * 1024;

	if (strcmp(standing->state, "active") != 0)
		return standing->state;
	if (is_avoided(standing->name, avoid))
		return "avoided";
	if (!standing->announced)
		return "not announced";
	if (is_silent(standing))
		return "silent";
	if (standing->read_only)
		return "read-only";
	if (is_over_high_water(standing))
		return "over high water";
	return standing->available - headroom <= size ? "too little room" : NULL;
}

enum {
	ARG_STATE,
	ARG_NAME,
	ARG_EPOCH,
	ARG_REPORTED_AT,
	ARG_INTERVAL,
	ARG_READ_ONLY,
	ARG_CAPACITY,
	ARG_LIMIT,
	ARG_AVAILABLE,
	ARG_HIGH_WATER,
	ARG_HEADROOM,
	ARG_SIZE,
	ARG_AVOID
};

static int64 int64_or(FunctionCallInfo fcinfo, int n, int64 otherwise)
{
	return PG_ARGISNULL(n) ? otherwise : PG_GETARG_INT64(n);
}

PG_FUNCTION_INFO_V1(gs_placement_objection);
/* placement_objection(columns of device and device_ledger..., size, avoid): a device without a ledger row has NULLs
 * there.
 */
Datum gs_placement_objection(PG_FUNCTION_ARGS)
{
	GsStanding standing = {
		.announced = !PG_ARGISNULL(ARG_EPOCH),
		.reported_at = int64_or(fcinfo, ARG_REPORTED_AT, DT_NOEND),
		.report_interval_ms = PG_ARGISNULL(ARG_INTERVAL) ? 0 : PG_GETARG_INT32(ARG_INTERVAL),
		.read_only = !PG_ARGISNULL(ARG_READ_ONLY) && PG_GETARG_BOOL(ARG_READ_ONLY),
		.capacity = int64_or(fcinfo, ARG_CAPACITY, 0),
		.capacity_limit = int64_or(fcinfo, ARG_LIMIT, PG_INT64_MAX),
		.available = int64_or(fcinfo, ARG_AVAILABLE, 0),
		.high_water_percent = PG_ARGISNULL(ARG_HIGH_WATER) ? 0 : PG_GETARG_INT32(ARG_HIGH_WATER),
		.headroom = int64_or(fcinfo, ARG_HEADROOM, -1),
	};
	const char *reason;

	if (PG_ARGISNULL(ARG_STATE) || PG_ARGISNULL(ARG_NAME) || PG_ARGISNULL(ARG_SIZE) || PG_ARGISNULL(ARG_AVOID))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("state, name, size and avoid must not be null")));
	standing.state = text_to_cstring(PG_GETARG_TEXT_PP(ARG_STATE));
	standing.name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_NAME));
	reason = gs_objection(&standing, PG_GETARG_INT64(ARG_SIZE), PG_GETARG_ARRAYTYPE_P(ARG_AVOID));
	if (reason == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reason));
}
