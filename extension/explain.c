/* SPDX-License-Identifier: PostgreSQL */
/*
 * explain_placement and nearest_devices: what the deciding search finds now, shown and not reserved.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "errcodes.h"
#include "placement.h"
#include "plan.h"

enum { ARG_TERMINAL, ARG_SIZE, ARG_AVOID, ARG_PEER };
enum { EXPLAIN_COLUMNS = 11, NEAREST_COLUMNS = 6 };

static GsQuestion read_question(FunctionCallInfo fcinfo)
{
	GsQuestion question = {0};
	GsRequest *request;

	for (int i = ARG_TERMINAL; i <= ARG_AVOID; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("terminal, size and avoid must not be null")));
	if (PG_GETARG_INT64(ARG_SIZE) < 0 || PG_GETARG_INT64(ARG_SIZE) == PG_INT64_MAX)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
						errmsg("size must be between 0 and %lld", (long long)PG_INT64_MAX - 1)));
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(ARG_TERMINAL)));
	question.terminal = request->terminal->identifier;
	question.plan = request->terminal->plan;
	question.origin = gs_origin_find(request->terminal, PG_ARGISNULL(ARG_PEER) ? NULL : PG_GETARG_INET_PP(ARG_PEER));
	question.size = PG_GETARG_INT64(ARG_SIZE);
	question.avoid = PG_GETARG_ARRAYTYPE_P(ARG_AVOID);
	return question;
}

static void copy_bytes_column(uint64 row, int col, Datum *value, bool *isnull)
{
	*isnull = gs_result_isnull(row, col);
	if (!*isnull)
		*value = Int64GetDatum(gs_result_int64(row, col));
}

/* Why a device with room is no candidate. */
static const char *why_not(const GsCandidates *candidates, const GsPolicy *policy, const pg_uuid_t *device,
						   int distance)
{
	for (int i = 0; i < policy->passed_over_count; i++)
		if (memcmp(&policy->passed_over[i], device, sizeof(*device)) == 0)
			return GS_PASSED_OVER;
	for (int i = 0; i < candidates->count; i++)
		if (candidates->list[i].distance >= distance)
			return "as near as the candidates, not drawn";
	return "farther than the candidates";
}

/* One line of explain_placement: `candidates` is what the deciding search found, `policy` what judged it. */
static void explain_row(ReturnSetInfo *rsinfo, uint64 row, const GsCandidates *candidates, const GsPolicy *policy)
{
	Datum values[EXPLAIN_COLUMNS] = {0};
	bool nulls[EXPLAIN_COLUMNS] = {0};
	pg_uuid_t *device = gs_result_uuid(row, 1);
	const GsCandidate *candidate = NULL;
	const char *objection = gs_result_text(row, 10);

	for (int i = 0; i < candidates->count && candidate == NULL; i++)
		if (memcmp(&candidates->list[i].device, device, sizeof(*device)) == 0)
			candidate = &candidates->list[i];
	values[0] = CStringGetTextDatum(gs_result_text(row, 2));
	values[1] = CStringGetTextDatum(gs_result_text(row, 3));
	values[2] = Int32GetDatum(gs_result_int64(row, 4));
	for (int col = 0; col < 5; col++)
		copy_bytes_column(row, 5 + col, &values[3 + col], &nulls[3 + col]);
	values[8] = Float8GetDatum(candidate != NULL ? candidate->score : 0);
	values[9] = BoolGetDatum(candidate != NULL);
	if (objection == NULL && candidate == NULL)
		objection = why_not(candidates, policy, device, gs_result_int64(row, 4));
	if (objection == NULL && candidate->refused)
		objection = "tried last: refused bytes since its report";
	nulls[10] = objection == NULL;
	if (objection != NULL)
		values[10] = CStringGetTextDatum(objection);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(gs_explain_placement);
/* explain_placement(terminal, size, avoid, peer): every device, and what the placement would make of it now. */
Datum gs_explain_placement(PG_FUNCTION_ARGS)
{
	GsQuestion question;
	GsCandidates candidates;
	GsPolicy policy;
	uint64 devices;

	InitMaterializedSRF(fcinfo, 0);
	gs_plan_open();
	question = read_question(fcinfo);
	candidates = gs_placement_candidates(&question, &policy);
	devices = gs_candidates_survey(&question);
	for (uint64 row = 0; row < devices; row++)
		explain_row((ReturnSetInfo *)fcinfo->resultinfo, row, &candidates, &policy);
	gs_plan_close();
	return (Datum)0;
}

PG_FUNCTION_INFO_V1(gs_nearest_devices);
/* nearest_devices(terminal, size, avoid, peer): the candidates in the order in which they would be tried. */
Datum gs_nearest_devices(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *)fcinfo->resultinfo;
	GsQuestion question;
	GsCandidates candidates;
	GsPolicy policy;

	InitMaterializedSRF(fcinfo, 0);
	gs_plan_open();
	question = read_question(fcinfo);
	candidates = gs_placement_candidates(&question, &policy);
	for (int i = 0; i < candidates.count; i++) {
		const GsCandidate *c = &candidates.list[i];
		Datum values[NEAREST_COLUMNS] = {CStringGetTextDatum(c->name), CStringGetTextDatum(c->location),
										 Int32GetDatum(c->distance),   Float8GetDatum(c->km),
										 Int64GetDatum(c->available),  Float8GetDatum(c->score)};
		bool nulls[NEAREST_COLUMNS] = {[3] = c->km < 0};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	gs_plan_close();
	return (Datum)0;
}
