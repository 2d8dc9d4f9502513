/* SPDX-License-Identifier: PostgreSQL */
/*
 * Jobs of a DBA, each a row that the worker takes one step further at a time:
 *   drain          every copy leaves the device, `pace` at a time; decommission: likewise, then shuts it out
 *   lose           every copy on a device that will not come back becomes missing, so that others are made
 *   rebalance      copies leave the fullest device until none is much fuller than the average (rebalance.c)
 *   copies         every stored share is held against its plan, for instance after the plan was changed
 * A step only marks copies or puts shares into copy_need; replica.c does the rest. What is left is always read from the
 * catalog, so a job resumes by itself, and it ends when nothing is left.
 *
 * Locks: the job's row, then shares, ledger rows, all by SKIP LOCKED.
 */
#include "job.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "copy.h"
#include "device_named.h"
#include "errcodes.h"
#include "plan.h"
#include "rebalance.h"
#include "rehearsal.h"
#include "replica.h"
#include "request.h"

#define JOBS_MOST 16
#define PACE_MOST 10000

typedef struct Job {
	int64 id;
	char *kind;
	pg_uuid_t device; /* where the kind has one */
	int64 pace;
	char *device_state;
} Job;

static GsPlan running_plan = {
	.sql = "SELECT j.id, j.kind, coalesce(j.device_id, gen_random_uuid()), j.pace, coalesce(d.state, '')"
		   " FROM groupshare.job j LEFT JOIN groupshare.device d ON d.id = j.device_id"
		   " WHERE j.state = 'running' ORDER BY j.id LIMIT $1 FOR NO KEY UPDATE OF j SKIP LOCKED",
	.types = {INT8OID},
};

/* At most $2 copies of a device are on their way at a time. */
static GsPlan leave_plan = {
	.sql = "WITH chosen AS (SELECT c.object FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id"
		   "   WHERE c.device_id = $1 AND c.state = 'stored' AND NOT c.leaving"
		   "   LIMIT greatest($2 - (SELECT count(*) FROM groupshare.share_copy l WHERE l.device_id = $1 AND l.leaving"
		   "     AND l.state = 'stored'), 0) FOR NO KEY UPDATE OF s SKIP LOCKED),"
		   " marked AS (UPDATE groupshare.share_copy c SET leaving = true FROM chosen WHERE c.object = chosen.object"
		   "   RETURNING c.share_id)"
		   " INSERT INTO groupshare.copy_need (share_id) SELECT share_id FROM marked"
		   " ON CONFLICT (share_id) DO UPDATE SET not_before = now()",
	.types = {UUIDOID, INT8OID},
};

static GsPlan occupied_plan = {
	.sql = "SELECT 1 FROM groupshare.share_copy WHERE device_id = $1 AND state IN ('pending', 'stored')",
	.types = {UUIDOID},
};

static GsPlan lost_plan = {
	.sql = "SELECT c.object FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id"
		   " WHERE c.device_id = $1 AND c.state = 'stored' LIMIT $2 FOR NO KEY UPDATE OF s SKIP LOCKED",
	.types = {UUIDOID, INT8OID},
};

static GsPlan holds_plan = {
	.sql = "SELECT 1 FROM groupshare.share_copy WHERE device_id = $1 AND state = 'stored'",
	.types = {UUIDOID},
};

/* Decommissioning changes the ledger row by a trigger; it is locked first, without waiting. */
static GsPlan try_ledger_plan = {
	.sql = "SELECT 1 FROM groupshare.device_ledger WHERE device_id = $1 FOR NO KEY UPDATE SKIP LOCKED",
	.types = {UUIDOID},
};

static GsPlan decommission_plan = {
	.sql = "UPDATE groupshare.device SET state = 'decommissioned' WHERE id = $1",
	.types = {UUIDOID},
};

static GsPlan walk_plan = {
	.sql = "WITH page AS (SELECT s.id, p.copies FROM groupshare.job j JOIN groupshare.share s"
		   "     ON j.last_share IS NULL OR s.id > j.last_share"
		   "   JOIN groupshare.terminal t ON t.id = s.owner JOIN groupshare.plan p ON p.name = t.plan"
		   "   WHERE j.id = $1 AND s.state = 'stored' ORDER BY s.id LIMIT $2),"
		   " wrong AS (INSERT INTO groupshare.copy_need (share_id) SELECT page.id FROM page"
		   "   WHERE page.copies <> (SELECT count(*) FROM groupshare.share_copy c WHERE c.share_id = page.id"
		   "     AND c.state IN ('stored', 'quarantined', 'missing')) ON CONFLICT (share_id) DO NOTHING)"
		   " UPDATE groupshare.job SET moved = moved + page.n,"
		   "   last_share = coalesce((SELECT id FROM page ORDER BY id DESC LIMIT 1), last_share)"
		   "   FROM (SELECT count(*) AS n FROM page) page WHERE job.id = $1 RETURNING page.n",
	.types = {INT8OID, INT8OID},
};

static GsPlan moved_plan = {
	.sql = "UPDATE groupshare.job SET moved = moved + $2 WHERE id = $1",
	.types = {INT8OID, INT8OID},
};

static GsPlan end_plan = {
	.sql = "UPDATE groupshare.job SET state = $2, ended_at = now() WHERE id = $1 AND state = 'running'"
		   " RETURNING kind, coalesce(device_id, gen_random_uuid())",
	.types = {INT8OID, TEXTOID},
};

static GsPlan stay_plan = {
	.sql = "UPDATE groupshare.share_copy c SET leaving = false FROM groupshare.device d"
		   " WHERE d.id = c.device_id AND c.leaving AND c.state = 'stored'"
		   "   AND (c.device_id = $1 OR ($2 = 'rebalance' AND d.state = 'active'))",
	.types = {UUIDOID, TEXTOID},
};

static void end(const Job *job, const char *state)
{
	gs_plan_run(&end_plan, (Datum[]){Int64GetDatum(job->id), CStringGetTextDatum(state)}, NULL, 0);
}

static bool count_moved(const Job *job, uint64 moved)
{
	gs_plan_run(&moved_plan, (Datum[]){Int64GetDatum(job->id), Int64GetDatum((int64)moved)}, NULL, 0);
	return moved > 0;
}

static bool step_drain(const Job *job)
{
	const Datum device[] = {UUIDPGetDatum(&job->device), Int64GetDatum(job->pace)};

	if (strcmp(job->device_state, "draining") != 0) {
		end(job, "cancelled");
		gs_plan_run(&stay_plan, (Datum[]){device[0], CStringGetTextDatum(job->kind)}, NULL, 0);
		return false;
	}
	if (gs_plan_run(&occupied_plan, device, NULL, 1) > 0)
		return count_moved(job, gs_plan_run(&leave_plan, device, NULL, 0));
	if (strcmp(job->kind, "decommission") == 0) {
		if (gs_plan_run(&try_ledger_plan, device, NULL, 0) == 0)
			return false;
		gs_plan_run(&decommission_plan, device, NULL, 0);
	}
	end(job, "done");
	return false;
}

static bool step_lose(const Job *job)
{
	const Datum values[] = {UUIDPGetDatum(&job->device), Int64GetDatum(job->pace)};
	uint64 found = gs_plan_run(&lost_plan, values, NULL, 0);
	pg_uuid_t *objects = palloc(sizeof(*objects) * Max(found, 1));

	for (uint64 i = 0; i < found; i++)
		objects[i] = *gs_result_uuid(i, 1);
	for (uint64 i = 0; i < found; i++)
		(void)gs_copy_fail(&objects[i], "missing", NULL);
	if (found == 0 && gs_plan_run(&holds_plan, values, NULL, 1) == 0)
		end(job, "done");
	return count_moved(job, found);
}

static bool step_rebalance(const Job *job)
{
	uint64 moved = gs_rebalance_step(job->pace);

	if (moved == 0 && !gs_rebalance_under_way())
		end(job, "done");
	return count_moved(job, moved);
}

static bool step_copies(const Job *job)
{
	gs_plan_run(&walk_plan, (Datum[]){Int64GetDatum(job->id), Int64GetDatum(job->pace)}, NULL, 0);
	if (gs_result_int64(0, 1) == job->pace)
		return true;
	end(job, "done");
	return false;
}

typedef struct Kind {
	const char *name;
	bool (*step)(const Job *job);
	bool of_device;
} Kind;

static const Kind kinds[] = {
	{"drain", step_drain, true},          {"decommission", step_drain, true}, {"lose", step_lose, true},
	{"rebalance", step_rebalance, false}, {"copies", step_copies, false},
};

static const Kind *find_kind(const char *name)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("there is no kind of job \"%s\"", name),
					errhint("Kinds are drain, decommission, lose, rebalance, copies.")));
}

bool gs_job_step(void)
{
	uint64 running = gs_plan_run(&running_plan, (Datum[]){Int64GetDatum(JOBS_MOST)}, NULL, 0);
	Job jobs[JOBS_MOST];

	for (uint64 i = 0; i < running; i++)
		jobs[i] = (Job){.id = gs_result_int64(i, 1),
						.kind = gs_result_text(i, 2),
						.device = *gs_result_uuid(i, 3),
						.pace = gs_result_int64(i, 4),
						.device_state = gs_result_text(i, 5)};
	for (uint64 i = 0; i < running; i++)
		(void)find_kind(jobs[i].kind)->step(&jobs[i]);
	return false;
}

static GsPlan find_device_plan = {
	.sql = "SELECT d.id FROM groupshare.device d WHERE d.name = $1 AND d.state <> 'decommissioned' FOR NO KEY UPDATE",
	.types = {TEXTOID},
};

static GsPlan draining_plan = {
	.sql = "UPDATE groupshare.device SET state = 'draining' WHERE id = $1",
	.types = {UUIDOID},
};

static GsPlan silence_plan = {
	.sql = "UPDATE groupshare.device_ledger SET epoch = NULL WHERE device_id = $1",
	.types = {UUIDOID},
};

static GsPlan extent_plan = {
	.sql = "SELECT count(*), coalesce(sum(s.size_bytes), 0)::bigint"
		   " FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id"
		   " WHERE c.state = 'stored' AND ($1 IS NULL OR c.device_id = $1)",
	.types = {UUIDOID},
};

static GsPlan insert_plan = {
	.sql = "INSERT INTO groupshare.job (kind, device_id, dry_run, pace, state, ended_at, copies, bytes,"
		   "   with_room, with_room_bytes, problem)"
		   " VALUES ($1, $2, $3, $4, CASE WHEN $3 THEN 'done' ELSE 'running' END, CASE WHEN $3 THEN now() END, $5, $6,"
		   "   $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id",
	.types = {TEXTOID, UUIDOID, BOOLOID, INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID},
};

/* What a job of a device begins with: nothing new goes there; to one that is lost nobody is sent any more. */
static void close_device(const char *kind, const pg_uuid_t *device)
{
	const Datum values[] = {UUIDPGetDatum(device)};

	gs_plan_run(&draining_plan, values, NULL, 0);
	if (strcmp(kind, "lose") == 0)
		gs_plan_run(&silence_plan, values, NULL, 0);
}

/* The copies, and their bytes, that a job is about to move or to look at. */
static GsExtent extent(const char *kind, const pg_uuid_t *device)
{
	if (strcmp(kind, "rebalance") == 0)
		return gs_rebalance_extent();
	gs_plan_run(&extent_plan, (Datum[]){device != NULL ? UUIDPGetDatum(device) : (Datum)0}, device != NULL ? " " : "n",
				0);
	return (GsExtent){.copies = gs_result_int64(0, 1), .bytes = gs_result_int64(0, 2)};
}

static pg_uuid_t *find_device(const char *name)
{
	if (gs_plan_run(&find_device_plan, (Datum[]){CStringGetTextDatum(name)}, NULL, 0) == 0)
		gs_device_missing(name);
	return gs_result_uuid(0, 1);
}

/* `rehearsal`: what was found out without doing it; NULL: nothing but the extent. */
static int64 insert(const char *kind, const pg_uuid_t *device, bool dry_run, int32 pace, GsExtent all,
					const GsRehearsal *rehearsal)
{
	const bool rehearsed = rehearsal != NULL, stays = rehearsed && rehearsal->problem != NULL;
	const Datum values[] = {CStringGetTextDatum(kind),
							device != NULL ? UUIDPGetDatum(device) : (Datum)0,
							BoolGetDatum(dry_run),
							Int32GetDatum(pace),
							Int64GetDatum(all.copies),
							Int64GetDatum(all.bytes),
							Int64GetDatum(rehearsed ? rehearsal->leaving.copies : 0),
							Int64GetDatum(rehearsed ? rehearsal->leaving.bytes : 0),
							stays ? CStringGetTextDatum(rehearsal->problem) : (Datum)0};
	const char number = rehearsed ? ' ' : 'n';
	const char nulls[] = {' ', device == NULL ? 'n' : ' ', ' ', ' ', ' ', ' ', number, number, stays ? ' ' : 'n'};

	if (gs_plan_run(&insert_plan, values, nulls, 0) == 0)
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("such a job runs already"),
						errhint("SELECT * FROM groupshare.jobs; groupshare.cancel_job() ends one.")));
	return gs_result_int64(0, 1);
}

static int64 start(const Kind *kind, const char *device_name, bool dry_run, int32 pace)
{
	const pg_uuid_t *device = device_name != NULL ? find_device(device_name) : NULL;
	int64 id;

	if (dry_run && kind->step == step_drain) {
		GsRehearsal rehearsal = gs_rehearsal_drain(device);

		id = insert(kind->name, device, dry_run, pace, rehearsal.all, &rehearsal);
	} else {
		if (!dry_run && device != NULL)
			close_device(kind->name, device);
		id = insert(kind->name, device, dry_run, pace, extent(kind->name, device), NULL);
	}
	gs_audit(NULL, kind->name, device_name, NULL);
	return id;
}

PG_FUNCTION_INFO_V1(gs_start_job);
/* start_job(kind, device, dry_run, pace) */
Datum gs_start_job(PG_FUNCTION_ARGS)
{
	const Kind *kind;
	char *device;
	int64 id;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("kind, dry_run and pace must not be null")));
	if (PG_GETARG_INT32(3) < 1 || PG_GETARG_INT32(3) > PACE_MOST)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("pace must be between 1 and %d", PACE_MOST)));
	kind = find_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	device = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if ((device != NULL) != kind->of_device)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
						kind->of_device ? errmsg("a job of the kind %s needs a device", kind->name)
										: errmsg("a job of the kind %s has no device", kind->name)));
	gs_plan_open();
	id = start(kind, device, PG_GETARG_BOOL(2), PG_GETARG_INT32(3));
	gs_plan_close();
	PG_RETURN_INT64(id);
}

PG_FUNCTION_INFO_V1(gs_cancel_job);
/* cancel_job(id) */
Datum gs_cancel_job(PG_FUNCTION_ARGS)
{
	int64 id = PG_GETARG_INT64(0);
	Datum values[2];

	gs_plan_open();
	if (gs_plan_run(&end_plan, (Datum[]){Int64GetDatum(id), CStringGetTextDatum("cancelled")}, NULL, 0) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no running job %lld", (long long)id),
						errhint("SELECT * FROM groupshare.jobs lists them.")));
	values[1] = CStringGetTextDatum(gs_result_text(0, 1));
	values[0] = UUIDPGetDatum(gs_result_uuid(0, 2));
	gs_plan_run(&stay_plan, values, NULL, 0);
	gs_audit(NULL, "cancel_job", psprintf("%lld", (long long)id), NULL);
	gs_plan_close();
	PG_RETURN_VOID();
}
