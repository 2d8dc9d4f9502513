/* SPDX-License-Identifier: PostgreSQL */
/*
 * Quota: a terminal is charged for its pending and stored shares, from the notice on until the share is deleted or
 * expires, in the transaction that makes or ends the share; and, if its plan says so, for deleted shares that are still
 * held. The charge locks the usage row and judges what it
 * finds there, so it holds also against a caller that forgot the lock.
 *
 * Lock order: the usage row is the first lock of every transaction that changes a terminal's shares, see reservation.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/builtins.h"

#include "errcodes.h"
#include "lookup.h"
#include "plan.h"
#include "quota.h"
#include "row.h"
#include "settings.h"

enum { USAGE_BYTES = 1, USAGE_SHARES };
static GsLookup usage_lookup = {.table = "usage", .index = "usage_pkey", .columns = {"used_bytes", "shares"}};

static GsPlan make_plan = {
	.sql = "INSERT INTO groupshare.usage (terminal_id, home) VALUES ($1, $2) ON CONFLICT (terminal_id) DO NOTHING",
	.types = {UUIDOID, UUIDOID},
	.by_key = true,
};

/* What counts of the deleted shares of terminal $1 on plan p whose bytes are still held. */
#define HELD                                                                                           \
	" CASE WHEN p.free_held_bytes IS NULL THEN 0 ELSE greatest((SELECT coalesce(sum(h.size_bytes), 0)" \
	"   FROM groupshare.share h WHERE h.owner = $1 AND h.held)::bigint - p.free_held_bytes, 0) END "

static GsPlan limits_plan = {
	.sql = "SELECT p.max_object_bytes, p.quota_bytes, p.max_shares::bigint, coalesce(u.used_bytes, 0),"
		   "       coalesce(u.shares, 0)::bigint, " HELD
		   " FROM groupshare.plan p LEFT JOIN groupshare.usage u ON u.terminal_id = $1 WHERE p.name = $2",
	.types = {UUIDOID, TEXTOID},
};

static GsPlan held_plan = {
	.sql = "SELECT " HELD " FROM groupshare.plan p WHERE p.name = $2",
	.types = {UUIDOID, TEXTOID},
	.by_key = true,
};

enum { PLAN_MAX_OBJECT = 1, PLAN_QUOTA, PLAN_MAX_SHARES, PLAN_FREE_HELD };
static GsLookup plan_lookup = {
	.table = "plan",
	.index = "plan_pkey",
	.columns = {"max_object_bytes", "quota_bytes", "max_shares", "free_held_bytes"},
};

static GsTable usage_table = {.name = "usage", .columns = {"used_bytes", "shares"}};

static GsPlan refund_plan = {
	.sql = "UPDATE groupshare.usage SET used_bytes = used_bytes - $2, shares = shares - 1 WHERE terminal_id = $1",
	.types = {UUIDOID, INT8OID},
};

/* When all held shares of terminal $1, and when the first $2 bytes of them, will have been held for $3 seconds: then
 * their deletion is due. */
static GsPlan held_until_plan = {
	.sql = "SELECT to_char(u.last AT TIME ZONE 'UTC', u.format), to_char(u.enough AT TIME ZONE 'UTC', u.format)"
		   " FROM (SELECT 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"' AS format,"
		   "     max(h.deleted_at) + make_interval(secs => $3) AS last,"
		   "     max(h.deleted_at) FILTER (WHERE h.before < $2) + make_interval(secs => $3) AS enough"
		   "   FROM (SELECT deleted_at, sum(size_bytes) OVER (ORDER BY deleted_at, id) - size_bytes AS before"
		   "       FROM groupshare.share WHERE owner = $1 AND held) h) u",
	.types = {UUIDOID, INT8OID, INT4OID},
};

static bool lock_usage(const GsTerminal *terminal)
{
	const GsKey key = GS_KEY_UUID(1, &terminal->id);
	GsCursor cursor;
	bool locked = gs_lookup_one(&cursor, &usage_lookup, &key, 1) && gs_lookup_lock(&cursor, LockWaitBlock);

	gs_lookup_close(&cursor);
	return locked;
}

void gs_quota_lock(const GsTerminal *terminal)
{
	Datum values[] = {UUIDPGetDatum(&terminal->id), UUIDPGetDatum(&terminal->home)};

	if (lock_usage(terminal))
		return;
	if (gs_plan_run(&make_plan, values, NULL, 0) == 1)
		return;
	if (!lock_usage(terminal))
		elog(ERROR, "usage row of terminal %s vanished", terminal->identifier);
}

static void check_size(const GsTerminal *terminal, int64 size)
{
	Datum values[] = {UUIDPGetDatum(&terminal->id), CStringGetTextDatum(terminal->plan)};

	if (gs_plan_run(&limits_plan, values, NULL, 1) == 0)
		elog(ERROR, "plan \"%s\" of terminal %s is gone", terminal->plan, terminal->identifier);
	if (gs_result_isnull(0, 1) || size <= gs_result_int64(0, 1))
		return;
	ereport(ERROR, (errcode(GS_ERR_TOO_LARGE), errmsg("the share is larger than the plan allows"),
					errdetail("Size is %lld bytes, the plan allows %lld bytes a share.", (long long)size,
							  (long long)gs_result_int64(0, 1))));
}

/* Bytes of deleted shares count: what deleting another one helps, and what waiting. */
static void raise_held(const GsTerminal *terminal, int64 size, int64 used, int64 held, int64 quota)
{
	int64 lacking = used + held + size - quota;
	Datum values[] = {UUIDPGetDatum(&terminal->id), Int64GetDatum(lacking), Int32GetDatum(gs_delete_hold_s)};
	char *all, *enough;

	gs_plan_run(&held_until_plan, values, NULL, 1);
	all = gs_result_text(0, 1);
	enough = lacking <= held ? gs_result_text(0, 2) : NULL;
	ereport(
		ERROR,
		(errcode(GS_ERR_QUOTA_EXCEEDED), errmsg("the plan's quota does not hold this share"),
		 errdetail("%lld of %lld bytes are used, the share has %lld bytes; %lld are of deleted shares, which are held"
				   " until %s.",
				   (long long)(used + held), (long long)quota, (long long)size, (long long)held, all),
		 enough != NULL
			 ? errhint("Enough of them are given up soon after %s. Deleting more now does not make room earlier.",
					   enough)
			 : errhint("Delete shares; their bytes count until they are given up, %d s later.", gs_delete_hold_s)));
}

static void raise_quota_exceeded(const GsTerminal *terminal, int64 size)
{
	Datum values[] = {UUIDPGetDatum(&terminal->id), CStringGetTextDatum(terminal->plan)};
	bool shares_are_full;

	if (gs_plan_run(&limits_plan, values, NULL, 1) == 0)
		elog(ERROR, "plan \"%s\" of terminal %s is gone", terminal->plan, terminal->identifier);
	shares_are_full = !gs_result_isnull(0, 3) && gs_result_int64(0, 5) >= gs_result_int64(0, 3);
	if (shares_are_full)
		ereport(ERROR, (errcode(GS_ERR_QUOTA_EXCEEDED), errmsg("the plan's number of shares is used up"),
						errdetail("The plan allows %lld shares.", (long long)gs_result_int64(0, 3)),
						errhint("Delete a share first.")));
	if (gs_result_int64(0, 6) > 0)
		raise_held(terminal, size, gs_result_int64(0, 4), gs_result_int64(0, 6), gs_result_int64(0, 2));
	ereport(ERROR, (errcode(GS_ERR_QUOTA_EXCEEDED), errmsg("the plan's quota does not hold this share"),
					errdetail("%lld of %lld bytes are used, the share has %lld bytes.",
							  (long long)gs_result_int64(0, 4), (long long)gs_result_int64(0, 2), (long long)size),
					errhint("Delete a share first.")));
}

/* The limits of a terminal's plan; PG_INT64_MAX: none. */
typedef struct Limits {
	int64 object;
	int64 bytes;
	int64 shares;
	bool held_counts;
} Limits;

static Limits limits_of(const GsTerminal *terminal)
{
	const GsKey key = GS_KEY_TEXT(1, CStringGetTextDatum(terminal->plan));
	Limits limits;
	GsCursor plan;

	if (!gs_lookup_one(&plan, &plan_lookup, &key, 1))
		elog(ERROR, "plan \"%s\" of terminal %s is gone", terminal->plan, terminal->identifier);
	limits.object = gs_lookup_int64(&plan, PLAN_MAX_OBJECT, PG_INT64_MAX);
	limits.bytes = gs_lookup_int64(&plan, PLAN_QUOTA, PG_INT64_MAX);
	limits.shares =
		gs_lookup_isnull(&plan, PLAN_MAX_SHARES) ? PG_INT64_MAX : gs_lookup_int32(&plan, PLAN_MAX_SHARES, 0);
	limits.held_counts = !gs_lookup_isnull(&plan, PLAN_FREE_HELD);
	gs_lookup_close(&plan);
	return limits;
}

static int64 held_bytes(const GsTerminal *terminal)
{
	Datum values[] = {UUIDPGetDatum(&terminal->id), CStringGetTextDatum(terminal->plan)};

	return gs_plan_run(&held_plan, values, NULL, 1) == 0 ? 0 : gs_result_int64(0, 1);
}

static int64 plus(int64 a, int64 b)
{
	int64 sum;

	if (pg_add_s64_overflow(a, b, &sum))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("bytes out of range")));
	return sum;
}

/* False: the plan does not allow it. */
static bool add_share(const GsTerminal *terminal, int64 size, GsCursor *usage)
{
	const Limits limits = limits_of(terminal);
	const int64 held = limits.held_counts ? held_bytes(terminal) : 0;
	const int64 used = plus(gs_lookup_int64(usage, USAGE_BYTES, 0), size);
	const int32 shares = gs_lookup_int32(usage, USAGE_SHARES, 0);

	if (size > limits.object || plus(used, held) > limits.bytes || shares >= limits.shares)
		return false;
	return gs_row_update(&usage_table, usage, (Datum[]){Int64GetDatum(used), Int32GetDatum(shares + 1)}, NULL);
}

void gs_quota_charge(const GsTerminal *terminal, int64 size)
{
	const GsKey key = GS_KEY_UUID(1, &terminal->id);
	GsCursor usage;
	bool charged = gs_lookup_one(&usage, &usage_lookup, &key, 1) && gs_lookup_lock(&usage, LockWaitBlock) &&
				   add_share(terminal, size, &usage);

	gs_lookup_close(&usage);
	if (charged)
		return;
	check_size(terminal, size);
	raise_quota_exceeded(terminal, size);
}

void gs_quota_refund(const pg_uuid_t *terminal, int64 size)
{
	Datum values[] = {UUIDPGetDatum(terminal), Int64GetDatum(size)};

	gs_plan_run(&refund_plan, values, NULL, 0);
}
