/* SPDX-License-Identifier: PostgreSQL */
/*
 * Copies of shares. What should be is a rule, not a plan of steps: a stored share has as many stored copies that are
 * not leaving as its owner's plan says. Whatever may break it (a receipt, damage, a lost device, a job, another plan)
 * puts the share into copy_need, and the worker makes one step towards the rule: it starts one more copy, or, when
 * there are enough, gives up those that are leaving, bad, or too many. So every step can be repeated, and a crash loses
 * nothing.
 *
 * A row of copy_need ends when the rule holds. While a copy is on its way it waits (not_before infinity) for the
 * receipt, the failure or the expiry, each of which calls one of the functions below.
 *
 * Locks in the order of reservation.c, in batches: the share by SKIP LOCKED, ledger rows likewise (placement.c).
 */
#include "replica.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "plan.h"
#include "request.h"
#include "reservation.h"
#include "settings.h"

#define BACKOFF_S 10
#define BACKOFF_MOST_S 3600

typedef struct Due {
	pg_uuid_t share;
	bool stored;
	int64 size;
	int64 wanted;
	GsTerminal owner; /* what a placement asks of it */
} Due;

static GsPlan want_plan = {
	.sql = "INSERT INTO groupshare.copy_need AS n (share_id) VALUES ($1)"
		   " ON CONFLICT (share_id) DO UPDATE SET not_before = now()",
	.types = {UUIDOID},
};

static GsPlan want_more_plan = {
	.sql = "INSERT INTO groupshare.copy_need AS n (share_id) SELECT s.id FROM groupshare.share s"
		   "   JOIN groupshare.terminal t ON t.id = s.owner JOIN groupshare.plan p ON p.name = t.plan"
		   " WHERE s.id = ANY ($1) AND p.copies > 1 ON CONFLICT (share_id) DO UPDATE SET not_before = now()",
	.types = {UUIDARRAYOID},
	.by_key = true,
};

static GsPlan failed_plan = {
	.sql = "INSERT INTO groupshare.copy_need AS n (share_id, not_before, failures, problem)"
		   " VALUES ($1, now() + $3 * interval '1 second', 1, $2)"
		   " ON CONFLICT (share_id) DO UPDATE SET failures = n.failures + 1, problem = excluded.problem,"
		   "   not_before = now() + least($3 * 2::float8 ^ least(n.failures, 30), $4) * interval '1 second'",
	.types = {UUIDOID, TEXTOID, INT4OID, INT4OID},
};

static GsPlan wait_plan = {
	.sql = "UPDATE groupshare.copy_need SET not_before = 'infinity' WHERE share_id = $1",
	.types = {UUIDOID},
};

static GsPlan settled_plan = {
	.sql = "DELETE FROM groupshare.copy_need WHERE share_id = $1",
	.types = {UUIDOID},
};

static GsPlan due_plan = {
	.sql = "SELECT s.id, s.state = 'stored', s.size_bytes, p.copies, t.id, t.home, t.identifier, t.plan"
		   " FROM groupshare.copy_need n JOIN groupshare.share s ON s.id = n.share_id"
		   "   JOIN groupshare.terminal t ON t.id = s.owner JOIN groupshare.plan p ON p.name = t.plan"
		   " WHERE n.not_before <= now() ORDER BY n.not_before LIMIT $1 FOR NO KEY UPDATE OF n, s SKIP LOCKED",
	.types = {INT8OID},
};

static GsPlan look_plan = {
	.sql = "SELECT count(*) FILTER (WHERE c.state = 'stored' AND NOT c.leaving),"
		   "       count(*) FILTER (WHERE c.state = 'stored'), count(*) FILTER (WHERE c.state = 'pending'),"
		   "       coalesce(bool_or(c.state = 'stored' AND l.epoch IS NOT NULL"
		   "         AND l.reported_at >= now() - $2 * l.report_interval_ms * interval '1 millisecond'), false),"
		   "       coalesce((SELECT p.location FROM groupshare.reservation p"
		   "         JOIN groupshare.share_copy q ON q.object = p.object WHERE q.share_id = $1"
		   "         ORDER BY p.created_at LIMIT 1), '')"
		   " FROM groupshare.share_copy c LEFT JOIN groupshare.device_ledger l ON l.device_id = c.device_id"
		   " WHERE c.share_id = $1",
	.types = {UUIDOID, INT8OID},
};

/* Where no further copy of the share goes: where one is or was, and, when it leaves a device only because that one is
 * fuller than others (rebalancing), to none that is as full as the average. */
static GsPlan avoid_plan = {
	.sql = "SELECT d.name FROM groupshare.share_copy c JOIN groupshare.device d ON d.id = c.device_id"
		   " WHERE c.share_id = $1 AND c.state IN ('pending', 'stored', 'quarantined', 'missing')"
		   " UNION SELECT d.name FROM groupshare.device d JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   " WHERE EXISTS (SELECT 1 FROM groupshare.share_copy c JOIN groupshare.device o ON o.id = c.device_id"
		   "     WHERE c.share_id = $1 AND c.state = 'stored' AND c.leaving AND o.state = 'active')"
		   "   AND l.available_bytes * (SELECT sum(least(a.capacity_bytes, a.capacity_limit_bytes))"
		   "       FROM groupshare.device_ledger a"
		   "       JOIN groupshare.device x ON x.id = a.device_id AND x.state = 'active' WHERE a.epoch IS NOT NULL)"
		   "     <= least(l.capacity_bytes, l.capacity_limit_bytes) * (SELECT sum(a.available_bytes)"
		   "       FROM groupshare.device_ledger a"
		   "       JOIN groupshare.device x ON x.id = a.device_id AND x.state = 'active' WHERE a.epoch IS NOT NULL)",
	.types = {UUIDOID},
};

/* A copy that leaves for the sake of balance stays when there is no better place. */
static GsPlan stay_plan = {
	.sql = "UPDATE groupshare.share_copy c SET leaving = false FROM groupshare.device d"
		   " WHERE c.share_id = $1 AND c.state = 'stored' AND c.leaving AND d.id = c.device_id AND d.state = 'active'",
	.types = {UUIDOID},
};

static GsPlan fetch_plan = {
	.sql = "INSERT INTO groupshare.copy_fetch (object) VALUES ($1)",
	.types = {UUIDOID},
};

/* There is nothing left to fetch from. By way of its expiry, which takes ledger rows in their order. */
static GsPlan expire_fetch_plan = {
	.sql = "UPDATE groupshare.reservation r SET expires_at = now()"
		   " FROM groupshare.share_copy c JOIN groupshare.copy_fetch f ON f.object = c.object"
		   " WHERE c.share_id = $1 AND c.state = 'pending' AND r.object = c.object AND r.state = 'live'"
		   "   AND r.expires_at > now()",
	.types = {UUIDOID},
};

static GsPlan withdraw_plan = {
	.sql = "DELETE FROM groupshare.copy_fetch WHERE object = $1",
	.types = {UUIDOID},
};

/* The first $2 are good. A download may be running from the others: they outlast the tickets. */
static GsPlan give_up_plan = {
	.sql = "WITH ranked AS (SELECT c.object, row_number() OVER (ORDER BY c.state = 'stored' AND NOT c.leaving DESC,"
		   "     coalesce(l.reported_at >= now() - $5 * l.report_interval_ms * interval '1 millisecond', false) DESC,"
		   "     c.stored_at, c.object) AS n"
		   "   FROM groupshare.share_copy c LEFT JOIN groupshare.device_ledger l ON l.device_id = c.device_id"
		   "   WHERE c.share_id = $1 AND c.state IN ('stored', 'quarantined', 'missing')),"
		   " dropped AS (UPDATE groupshare.share_copy c SET state = 'abandoned', leaving = false FROM ranked r"
		   "   WHERE c.object = r.object AND r.n > $2 RETURNING c.device_id, c.object)"
		   " INSERT INTO groupshare.device_work (device_id, kind, object, not_before)"
		   " SELECT device_id, 'delete', object, now() + greatest($3, $4) * interval '1 second' FROM dropped",
	.types = {UUIDOID, INT8OID, INT4OID, INT4OID, INT8OID},
};

void gs_replica_want(const pg_uuid_t *share)
{
	gs_plan_run(&want_plan, (Datum[]){UUIDPGetDatum(share)}, NULL, 0);
}

void gs_replica_want_more(ArrayType *shares)
{
	gs_plan_run(&want_more_plan, (Datum[]){PointerGetDatum(shares)}, NULL, 0);
}

void gs_replica_failed(const pg_uuid_t *share, const char *problem)
{
	Datum values[] = {UUIDPGetDatum(share), CStringGetTextDatum(problem), Int32GetDatum(BACKOFF_S),
					  Int32GetDatum(BACKOFF_MOST_S)};

	gs_plan_run(&failed_plan, values, NULL, 0);
}

void gs_replica_forget(const pg_uuid_t *share)
{
	gs_plan_run(&settled_plan, (Datum[]){UUIDPGetDatum(share)}, NULL, 0);
}

void gs_replica_withdraw(const pg_uuid_t *object)
{
	gs_plan_run(&withdraw_plan, (Datum[]){UUIDPGetDatum(object)}, NULL, 0);
}

ArrayType *gs_replica_avoid(const pg_uuid_t *share)
{
	uint64 count = gs_plan_run(&avoid_plan, (Datum[]){UUIDPGetDatum(share)}, NULL, 0);
	Datum *names = palloc(sizeof(*names) * Max(count, 1));

	for (uint64 i = 0; i < count; i++)
		names[i] = CStringGetTextDatum(gs_result_text(i, 1));
	return construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT);
}

static void start_copy(const Due *due, const char *location)
{
	const Datum share[] = {UUIDPGetDatum(&due->share)};
	const GsQuestion question =
		gs_reservation_further(&due->owner, &due->share, location, due->size, gs_replica_avoid(&due->share));
	char *refusal = NULL;
	GsAllocation *allocation = gs_reservation_replicate(&question, &due->owner.home, &refusal);

	if (allocation == NULL) {
		gs_replica_failed(&due->share, refusal);
		gs_plan_run(&stay_plan, share, NULL, 0);
		return;
	}
	gs_plan_run(&fetch_plan, (Datum[]){UUIDPGetDatum(&allocation->object)}, NULL, 0);
	gs_plan_run(&wait_plan, share, NULL, 0);
}

GsCopies gs_replica_look(const pg_uuid_t *share)
{
	const Datum values[] = {UUIDPGetDatum(share), Int64GetDatum(gs_device_silent_intervals)};

	gs_plan_run(&look_plan, values, NULL, 1);
	return (GsCopies){.good = gs_result_int64(0, 1),
					  .stored = gs_result_int64(0, 2),
					  .pending = gs_result_int64(0, 3),
					  .reachable = gs_result_bool(0, 4),
					  .location = gs_result_text(0, 5)};
}

/* One step for one share, whose row is locked. */
static void tend(const Due *due)
{
	const Datum share[] = {UUIDPGetDatum(&due->share)};
	const GsCopies copies = gs_replica_look(&due->share);

	if (due->stored && copies.good >= due->wanted)
		gs_plan_run(&give_up_plan,
					(Datum[]){share[0], Int64GetDatum(due->wanted), Int32GetDatum(gs_delete_hold_s),
							  Int32GetDatum(gs_ticket_lifetime_s), Int64GetDatum(gs_device_silent_intervals)},
					NULL, 0);
	if (copies.stored == 0 && copies.pending > 0)
		gs_plan_run(&expire_fetch_plan, share, NULL, 0);
	if (!due->stored || copies.good >= due->wanted || copies.stored == 0)
		gs_plan_run(&settled_plan, share, NULL, 0);
	else if (copies.pending > 0)
		gs_plan_run(&wait_plan, share, NULL, 0);
	else if (!copies.reachable)
		gs_replica_failed(&due->share, GS_OUT_OF_REACH);
	else
		start_copy(due, copies.location);
}

int64 gs_replica_tend(int64 limit)
{
	uint64 count = gs_plan_run(&due_plan, (Datum[]){Int64GetDatum(limit)}, NULL, 0);
	Due *due = palloc0(sizeof(*due) * Max(count, 1));

	for (uint64 i = 0; i < count; i++) {
		due[i].share = *gs_result_uuid(i, 1);
		due[i].stored = gs_result_bool(i, 2);
		due[i].size = gs_result_int64(i, 3);
		due[i].wanted = gs_result_int64(i, 4);
		due[i].owner.id = *gs_result_uuid(i, 5);
		due[i].owner.home = *gs_result_uuid(i, 6);
		due[i].owner.identifier = gs_result_text(i, 7);
		due[i].owner.plan = gs_result_text(i, 8);
	}
	for (uint64 i = 0; i < count; i++)
		tend(&due[i]);
	return count;
}
