/* SPDX-License-Identifier: PostgreSQL */
/*
 * Policies run inside a notice, on behalf of whoever sent it, so they are kept on a short lead: as the owner of the
 * function and not as the extension's, in a security-restricted operation with settings put back afterwards, and in a
 * subtransaction, so that an error costs the policy its say and the terminal nothing. Only a cancelled query is
 * passed on: whoever cancelled it meant the whole notice.
 *
 * The function is called through fmgr, since the text of a statement must not depend on a table's content.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "errcodes.h"
#include "guard.h"
#include "lookup.h"
#include "plan.h"
#include "policy.h"

enum { POLICY_ARGUMENTS = 7 };

/* A policy runs. What it asks itself, by explain_placement() for one, is answered by the default: else each candidate's
 * answer would ask for the answers of all candidates, and so on down to the end of the stack. */
static bool judging = false;

static GsPlan find_plan = {
	.sql = "SELECT p.id, p.function, p.version FROM groupshare.placement_policy p"
		   " WHERE p.replaced_at IS NULL AND p.function IS NOT NULL AND (p.plan = $1"
		   "   OR p.group_id IN (SELECT v.group_id FROM groupshare.share_group v WHERE v.share_id = $2))"
		   " ORDER BY p.group_id IS NULL, p.set_at, p.id LIMIT 1",
	.types = {TEXTOID, UUIDOID},
	.by_key = true,
};

static GsLookup plan_policy_lookup = {
	.table = "placement_policy", .index = "placement_policy_plan", .columns = {"function"}};

static GsLookup share_groups_lookup = {.table = "share_group", .index = "share_group_pkey", .columns = {"group_id"}};

/* The index holds those of groups, too, which have no plan. */
static bool are_any(void)
{
	GsCursor cursor;
	bool any = gs_lookup_one(&cursor, &plan_policy_lookup, NULL, 0);

	gs_lookup_close(&cursor);
	return any;
}

/* Most notices have none: there are none, or no function for the plan and a share for all groups. */
static bool may_have_policy(const GsQuestion *question)
{
	GsCursor cursor;
	bool may = false;

	if (!are_any())
		return false;
	if (question->plan != NULL) {
		const GsKey plan = GS_KEY_TEXT(1, CStringGetTextDatum(question->plan));

		may = gs_lookup_one(&cursor, &plan_policy_lookup, &plan, 1) && !gs_lookup_isnull(&cursor, 1);
		gs_lookup_close(&cursor);
	}
	if (!may && question->share != NULL) {
		const GsKey share = GS_KEY_UUID(1, question->share);

		may = gs_lookup_one(&cursor, &share_groups_lookup, &share, 1);
		gs_lookup_close(&cursor);
	}
	return may;
}

GsPolicy gs_policy_find(const GsQuestion *question)
{
	Datum values[] = {CStringGetTextDatum(question->plan), UUIDPGetDatum(question->share)};
	const char nulls[] = {' ', question->share == NULL ? 'n' : ' '};
	GsPolicy policy = {0};

	if (judging || !may_have_policy(question) || gs_plan_run(&find_plan, values, nulls, 1) == 0)
		return policy;
	policy.set = true;
	policy.id = *gs_result_uuid(0, 1);
	policy.function = gs_result_text(0, 2);
	policy.version = gs_result_int64(0, 3);
	return policy;
}

static Oid owner_of(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "function %u vanished", function);
	owner = ((Form_pg_proc)GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* judged[i] becomes the function's answer, or NaN where it passes the candidate over. */
static void judge_all(FmgrInfo *function, const GsQuestion *question, const GsCandidates *candidates, double *judged)
{
	LOCAL_FCINFO(call, POLICY_ARGUMENTS);

	for (int i = 0; i < candidates->count; i++) {
		const GsCandidate *c = &candidates->list[i];
		const Datum arguments[POLICY_ARGUMENTS] = {CStringGetTextDatum(question->terminal),
												   Int64GetDatum(question->size),
												   CStringGetTextDatum(c->name),
												   CStringGetTextDatum(c->location),
												   Int32GetDatum(c->distance),
												   Int64GetDatum(c->available),
												   Float8GetDatum(c->preference)};
		Datum answer;

		InitFunctionCallInfoData(*call, function, POLICY_ARGUMENTS, InvalidOid, NULL, NULL);
		for (int n = 0; n < POLICY_ARGUMENTS; n++)
			call->args[n] = (NullableDatum){.value = arguments[n]};
		answer = FunctionCallInvoke(call);
		judged[i] = call->isnull ? NAN : DatumGetFloat8(answer);
		if (!call->isnull && !isfinite(judged[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("the policy answered no finite number")));
		CHECK_FOR_INTERRUPTS();
	}
}

typedef struct Trial {
	const GsPolicy *policy;
	const GsQuestion *question;
	const GsCandidates *candidates;
	double *judged;
} Trial;

static GsGuardEnd judge_as_owner(void *argument)
{
	const Trial *trial = argument;
	Oid oid = DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(trial->policy->function)));
	FmgrInfo function;
	Oid user;
	int context;
	int settings = NewGUCNestLevel();

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner_of(oid), context | SECURITY_RESTRICTED_OPERATION);
	fmgr_info(oid, &function);
	judge_all(&function, trial->question, trial->candidates, trial->judged);
	AtEOXact_GUC(false, settings);
	SetUserIdAndSecContext(user, context);
	return GS_GUARD_KEEP;
}

static bool judge(GsPolicy *policy, const GsQuestion *question, const GsCandidates *candidates, double *judged)
{
	Trial trial = {.policy = policy, .question = question, .candidates = candidates, .judged = judged};
	ErrorData *error;

	judging = true;
	PG_TRY();
	{
		error = gs_guard_run(judge_as_owner, &trial);
	}
	PG_FINALLY();
	{
		judging = false;
	}
	PG_END_TRY();
	if (error == NULL)
		return true;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	policy->error = error->message;
	return false;
}

void gs_policy_apply(GsPolicy *policy, const GsQuestion *question, GsCandidates *candidates)
{
	double *judged = palloc(sizeof(*judged) * Max(candidates->count, 1));
	int kept = 0;

	if (!policy->set || policy->error != NULL)
		return;
	if (!judge(policy, question, candidates, judged)) {
		ereport(WARNING,
				(errmsg("placement policy %s failed, the default decides: %s", policy->function, policy->error)));
		return;
	}
	policy->passed_over = palloc(sizeof(pg_uuid_t) * Max(candidates->count, 1));
	policy->passed_over_count = 0;
	for (int i = 0; i < candidates->count; i++) {
		if (isnan(judged[i])) {
			policy->passed_over[policy->passed_over_count++] = candidates->list[i].device;
			continue;
		}
		candidates->list[kept] = candidates->list[i];
		candidates->list[kept++].preference = judged[i];
	}
	candidates->count = kept;
}
