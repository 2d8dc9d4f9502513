/* SPDX-License-Identifier: PostgreSQL */
/*
 * Quota: a terminal is charged for its pending and stored shares, from the notice on until the share is deleted or
 * expires, in the transaction that makes or ends the share; and, if its plan says so, for deleted shares that are still
 * held. The charge judges by the usage row as it was when it was locked.
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

static GsPlan held_plan = {
	.sql = "SELECT " HELD " FROM groupshare.plan p WHERE p.name = $2",
	.types = {UUIDOID, TEXTOID},
	.by_key = true,
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

static bool lock_usage(const GsTerminal *terminal, GsCursor *usage)
{
	const GsKey key = GS_KEY_UUID(1, &terminal->id);

	if (gs_lookup_one(usage, &usage_lookup, &key, 1) && gs_lookup_lock(usage, LockWaitBlock))
		return true;
	gs_lookup_close(usage);
	return false;
}

void gs_quota_open(const GsTerminal *terminal, GsCursor *usage)
{
	Datum values[] = {UUIDPGetDatum(&terminal->id), UUIDPGetDatum(&terminal->home)};

	if (lock_usage(terminal, usage))
		return;
	gs_plan_run(&make_plan, values, NULL, 0);
	if (!lock_usage(terminal, usage))
		elog(ERROR, "usage row of terminal %s vanished", terminal->identifier);
}

void gs_quota_lock(const GsTerminal *terminal)
{
	GsCursor usage;

	gs_quota_open(terminal, &usage);
	gs_lookup_close(&usage);
}

/* What of its plan a terminal has taken. */
typedef struct Account {
	int64 used;
	int64 held; /* of deleted shares, as far as they count */
	int64 shares;
} Account;

static int64 held_bytes(const GsTerminal *terminal)
{
	Datum values[] = {UUIDPGetDatum(&terminal->id), CStringGetTextDatum(terminal->plan)};

	return gs_plan_run(&held_plan, values, NULL, 1) == 0 ? 0 : gs_result_int64(0, 1);
}

static Account read_account(const GsTerminal *terminal, const GsCursor *usage)
{
	return (Account){.used = gs_lookup_int64(usage, USAGE_BYTES, 0),
					 .shares = gs_lookup_int32(usage, USAGE_SHARES, 0),
					 .held = terminal->counts_held ? held_bytes(terminal) : 0};
}

/* Bytes of deleted shares count: what deleting another one helps, and what waiting. */
static void raise_held(const GsTerminal *terminal, int64 size, const Account *account)
{
	int64 lacking = account->used + account->held + size - terminal->quota;
	Datum values[] = {UUIDPGetDatum(&terminal->id), Int64GetDatum(lacking), Int32GetDatum(gs_delete_hold_s)};
	char *all, *enough;

	gs_plan_run(&held_until_plan, values, NULL, 1);
	all = gs_result_text(0, 1);
	enough = lacking <= account->held ? gs_result_text(0, 2) : NULL;
	ereport(
		ERROR,
		(errcode(GS_ERR_QUOTA_EXCEEDED), errmsg("the plan's quota does not hold this share"),
		 errdetail("%lld of %lld bytes are used, the share has %lld bytes; %lld are of deleted shares, which are held"
				   " until %s.",
				   (long long)(account->used + account->held), (long long)terminal->quota, (long long)size,
				   (long long)account->held, all),
		 enough != NULL
			 ? errhint("Enough of them are given up soon after %s. Deleting more now does not make room earlier.",
					   enough)
			 : errhint("Delete shares; their bytes count until they are given up, %d s later.", gs_delete_hold_s)));
}

static int64 plus(int64 a, int64 b)
{
	int64 sum;

	if (pg_add_s64_overflow(a, b, &sum))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("bytes out of range")));
	return sum;
}

static void check(const GsTerminal *terminal, int64 size, const Account *account)
{
	if (size > terminal->max_object)
		ereport(ERROR, (errcode(GS_ERR_TOO_LARGE), errmsg("the share is larger than the plan allows"),
						errdetail("Size is %lld bytes, the plan allows %lld bytes a share.", (long long)size,
								  (long long)terminal->max_object)));
	if (account->shares >= terminal->max_shares)
		ereport(ERROR, (errcode(GS_ERR_QUOTA_EXCEEDED), errmsg("the plan's number of shares is used up"),
						errdetail("The plan allows %lld shares.", (long long)terminal->max_shares),
						errhint("Delete a share first.")));
	if (plus(plus(account->used, account->held), size) <= terminal->quota)
		return;
	if (account->held > 0)
		raise_held(terminal, size, account);
	ereport(ERROR, (errcode(GS_ERR_QUOTA_EXCEEDED), errmsg("the plan's quota does not hold this share"),
					errdetail("%lld of %lld bytes are used, the share has %lld bytes.", (long long)account->used,
							  (long long)terminal->quota, (long long)size),
					errhint("Delete a share first.")));
}

void gs_quota_charge(const GsTerminal *terminal, const GsCursor *usage, int64 size)
{
	const Account account = read_account(terminal, usage);
	Datum values[2];

	check(terminal, size, &account);
	values[0] = Int64GetDatum(account.used + size);
	values[1] = Int32GetDatum((int32)account.shares + 1);
	if (!gs_row_update(&usage_table, usage, values, NULL))
		elog(ERROR, "a trigger has left the usage as it was");
}

void gs_quota_refund(const pg_uuid_t *terminal, int64 size)
{
	Datum values[] = {UUIDPGetDatum(terminal), Int64GetDatum(size)};

	gs_plan_run(&refund_plan, values, NULL, 0);
}
