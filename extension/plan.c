/* SPDX-License-Identifier: PostgreSQL */
/*
 * The only caller of SPI. Invariants: code outside an SPI call always runs in the memory context it had before
 * gs_plan_open, so that nothing it builds dies with SPI; of a result only copies leave this file; an earlier result is
 * freed when the next statement of the level runs, so that a loop of statements does not grow.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "jit/jit.h"
#include "optimizer/cost.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "plan.h"

/* What a statement sees: as any statement of its own; what gs_plan_freeze has fixed; all that is committed now. */
typedef enum GsSnapshot { OF_STATEMENT, FROZEN, LATEST } GsSnapshot;

ArrayType *gs_plan_uuid_array(Datum *ids, int count)
{
	return construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

void gs_plan_open(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_connect();
	MemoryContextSwitchTo(caller);
}

void gs_plan_close(void)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "gs_plan_close without gs_plan_open");
	MemoryContextSwitchTo(caller);
}

static int count_types(const GsPlan *plan)
{
	int count = 0;

	while (count < GS_PLAN_MAX_ARGS && OidIsValid(plan->types[count]))
		count++;
	return count;
}

static void prepare(GsPlan *plan)
{
	SPIPlanPtr made =
		SPI_prepare_cursor(plan->sql, count_types(plan), plan->types, plan->by_key ? CURSOR_OPT_GENERIC_PLAN : 0);

	if (made == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	SPI_keepplan(made);
	plan->saved = made;
}

void gs_plan_by_key(void (*work)(void *), void *argument)
{
	const bool seqscan = enable_seqscan;
	const bool jit = jit_enabled;

	enable_seqscan = jit_enabled = false;
	PG_TRY();
	{
		work(argument);
	}
	PG_FINALLY();
	{
		enable_seqscan = seqscan;
		jit_enabled = jit;
	}
	PG_END_TRY();
}

typedef struct Execution {
	GsPlan *plan;
	const Datum *values;
	const char *nulls;
	GsSnapshot snapshot;
	int64 limit;
	int code;
} Execution;

static void execute(void *argument)
{
	Execution *e = argument;
	Datum *values = unconstify(Datum *, e->values);

	if (e->snapshot == LATEST)
		e->code = SPI_execute_snapshot(e->plan->saved, values, e->nulls, GetLatestSnapshot(), InvalidSnapshot, true,
									   false, e->limit);
	else
		e->code = SPI_execute_plan(e->plan->saved, values, e->nulls, e->snapshot == FROZEN, e->limit);
}

static uint64 run(GsPlan *plan, const Datum *values, const char *nulls, GsSnapshot snapshot, int64 limit)
{
	MemoryContext caller = CurrentMemoryContext;
	Execution execution = {plan, values, nulls, snapshot, limit, 0};

	if (plan->saved == NULL)
		prepare(plan);
	SPI_freetuptable(SPI_tuptable);
	SPI_tuptable = NULL;
	if (plan->by_key)
		gs_plan_by_key(execute, &execution);
	else
		execute(&execution);
	if (execution.code < 0)
		elog(ERROR, "SPI can't execute a plan: %s", SPI_result_code_string(execution.code));
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

uint64 gs_plan_run(GsPlan *plan, const Datum *values, const char *nulls, int64 limit)
{
	return run(plan, values, nulls, OF_STATEMENT, limit);
}

void gs_plan_freeze(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

uint64 gs_plan_run_frozen(GsPlan *plan, const Datum *values, const char *nulls, int64 limit)
{
	return run(plan, values, nulls, FROZEN, limit);
}

void gs_plan_thaw(void)
{
	PopActiveSnapshot();
}

uint64 gs_plan_run_latest(GsPlan *plan, const Datum *values, int64 limit)
{
	CommandCounterIncrement();
	return run(plan, values, NULL, LATEST, limit);
}

static Datum column(uint64 row, int col, bool *isnull)
{
	if (SPI_tuptable == NULL || row >= SPI_tuptable->numvals)
		elog(ERROR, "no row %llu in the result", (unsigned long long)row);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, isnull);
}

bool gs_result_isnull(uint64 row, int col)
{
	bool isnull;

	(void)column(row, col, &isnull);
	return isnull;
}

/* For columns that hold no NULL. */
static Datum present(uint64 row, int col)
{
	bool isnull;
	Datum value = column(row, col, &isnull);

	if (isnull)
		elog(ERROR, "unexpected NULL in column %d", col);
	return value;
}

int64 gs_result_int64(uint64 row, int col)
{
	Datum value = present(row, col);

	return SPI_gettypeid(SPI_tuptable->tupdesc, col) == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
}

bool gs_result_bool(uint64 row, int col)
{
	return DatumGetBool(present(row, col));
}

double gs_result_float8(uint64 row, int col)
{
	return DatumGetFloat8(present(row, col));
}

char *gs_result_text(uint64 row, int col)
{
	bool isnull;
	Datum value = column(row, col, &isnull);

	if (isnull)
		return NULL;
	if (SPI_gettypeid(SPI_tuptable->tupdesc, col) == NAMEOID)
		return pstrdup(NameStr(*DatumGetName(value)));
	return TextDatumGetCString(value);
}

pg_uuid_t *gs_result_uuid(uint64 row, int col)
{
	bool isnull;
	Datum value = column(row, col, &isnull);
	pg_uuid_t *copy;

	if (isnull)
		return NULL;
	copy = palloc(sizeof(*copy));
	memcpy(copy, DatumGetUUIDP(value), sizeof(*copy));
	return copy;
}

Jsonb *gs_result_jsonb(uint64 row, int col)
{
	bool isnull;
	Datum value = column(row, col, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(value);
}

bytea *gs_result_bytea(uint64 row, int col)
{
	bool isnull;
	Datum value = column(row, col, &isnull);

	return isnull ? NULL : DatumGetByteaPCopy(value);
}

ArrayType *gs_result_array(uint64 row, int col)
{
	bool isnull;
	Datum value = column(row, col, &isnull);

	return isnull ? NULL : DatumGetArrayTypePCopy(value);
}

TimestampTz gs_result_timestamp(uint64 row, int col)
{
	return DatumGetTimestampTz(present(row, col));
}
