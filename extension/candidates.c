/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finding candidates, and explaining why a device is none. One SQL expression, OBJECTION, says what speaks against a
 * device; the search, the locking recheck, the tally of an error and explain_placement all use it, so that no two of
 * them can disagree.
 *
 * The search takes, for each area that holds the terminal (its location and every prefix up to the root), the N devices
 * with room that lie least deep in it. Going up k levels and down d levels is k + d hops, which is the distance when
 * the area is the lowest common one and more otherwise; so the least over all areas is the distance. A device among the
 * N nearest of all is also among the N least deep of its lowest common area, hence none is missed, and the work grows
 * with N and the depth of the path, not with the number of devices.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "candidates.h"
#include "errcodes.h"
#include "location.h"
#include "placement.h"
#include "plan.h"
#include "settings.h"

/* Parameters that OBJECTION reads: $2 size, $3 avoid, $4 silent intervals, $5 headroom bytes, $6 high water percent. */
#define OBJECTION_TYPES INT8OID, TEXTARRAYOID, INT8OID, INT8OID, INT4OID
#define OBJECTION                                                                                                 \
	" CASE WHEN d.state <> 'active' THEN d.state"                                                                 \
	" WHEN d.name = ANY ($3) THEN 'avoided'"                                                                      \
	" WHEN l.epoch IS NULL THEN 'not announced'"                                                                  \
	" WHEN l.reported_at < now() - $4 * l.report_interval_ms * interval '1 millisecond' THEN 'silent'"            \
	" WHEN l.read_only THEN 'read-only'"                                                                          \
	" WHEN (l.capacity_bytes - l.available_bytes) * 100::float8 > l.capacity_bytes * $6::float8 THEN 'over high " \
	"water'"                                                                                                      \
	" WHEN l.available_bytes - $5 <= $2 THEN 'too little room'"                                                   \
	" END "

/* IS NULL in other words: of that the planner would expect one device in 200 to pass, and read and sort whole areas
 * instead of walking them in the order of their index until it has enough. */
#define NO_OBJECTION " num_nulls(" OBJECTION ") <> 0 "

static GsPlan find_plan = {
	.sql = "SELECT near.id, near.name, min(level.up - 1 + near.depth)::int AS distance, near.available_bytes"
		   " FROM unnest($1::text[]) WITH ORDINALITY AS level (area, up)"
		   " CROSS JOIN LATERAL (SELECT d.id, d.name, a.depth, l.available_bytes"
		   "   FROM groupshare.device_area a JOIN groupshare.device d ON d.id = a.device_id"
		   "     JOIN groupshare.device_ledger l ON l.device_id = a.device_id"
		   "   WHERE a.area = level.area AND " NO_OBJECTION "   ORDER BY a.depth LIMIT $7) near"
		   " GROUP BY near.id, near.name, near.available_bytes ORDER BY distance, near.id LIMIT $7",
	.types = {TEXTARRAYOID, OBJECTION_TYPES, INT4OID},
};

static GsPlan lock_plan = {
	.sql = "SELECT 1 FROM groupshare.device_ledger l JOIN groupshare.device d ON d.id = l.device_id"
		   " WHERE l.device_id = $1 AND " NO_OBJECTION " FOR NO KEY UPDATE OF l SKIP LOCKED",
	.types = {UUIDOID, OBJECTION_TYPES},
};

static GsPlan tally_plan = {
	.sql = "SELECT coalesce(string_agg(t.n || ' ' || t.objection, ', ' ORDER BY t.n DESC, t.objection), 'none')"
		   " FROM (SELECT coalesce(" OBJECTION ", 'just freed') AS objection, count(*) AS n"
		   "   FROM groupshare.device d LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   "   WHERE $1::text IS NOT NULL GROUP BY 1) t",
	.types = {TEXTOID, OBJECTION_TYPES},
};

static GsPlan explain_plan = {
	.sql = "SELECT d.id, d.name, d.location, groupshare.location_distance(d.location, $1), l.capacity_bytes,"
		   "       l.free_bytes, l.reserved_bytes, l.staged_bytes, l.available_bytes, " OBJECTION
		   " FROM groupshare.device d LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   " ORDER BY 4, d.name",
	.types = {TEXTOID, OBJECTION_TYPES},
};

enum { PARAMETERS = 7 };

static void set_parameters(Datum values[PARAMETERS], Datum subject, const GsQuestion *question)
{
	values[0] = subject;
	values[1] = Int64GetDatum(question->size);
	values[2] = PointerGetDatum(question->avoid);
	values[3] = Int64GetDatum(gs_device_silent_intervals);
	values[4] = Int64GetDatum((int64)gs_device_headroom_mb * 1024 * 1024);
	values[5] = Int32GetDatum(gs_device_high_water_percent);
	values[6] = Int32GetDatum(gs_placement_candidates);
}

/* The location and all its prefixes, nearest first, the root last: text[]. */
static Datum areas_of(const char *location)
{
	Datum areas[GS_LOCATION_MAX_DEPTH + 1];
	size_t size = strlen(location);
	int count = 0;

	for (;;) {
		Assert(count < lengthof(areas));
		areas[count++] = PointerGetDatum(cstring_to_text_with_len(location, size));
		if (size == 0)
			break;
		size = gs_location_parent(location, size);
	}
	return PointerGetDatum(construct_array(areas, count, TEXTOID, -1, false, TYPALIGN_INT));
}

GsCandidates gs_candidates_find(const GsQuestion *question)
{
	Datum values[PARAMETERS];
	GsCandidates found;
	double total = 0;

	set_parameters(values, areas_of(question->location), question);
	found.count = gs_plan_run(&find_plan, values, NULL, 0);
	found.list = palloc0(sizeof(*found.list) * Max(found.count, 1));
	for (int i = 0; i < found.count; i++) {
		GsCandidate *candidate = &found.list[i];

		candidate->device = *gs_result_uuid(i, 1);
		candidate->name = gs_result_text(i, 2);
		candidate->distance = gs_result_int64(i, 3);
		candidate->available = gs_result_int64(i, 4);
		if (candidate->distance == found.list[0].distance)
			total += candidate->available;
	}
	/* total > 0: a candidate has more room than the size */
	for (int i = 0; i < found.count && found.list[i].distance == found.list[0].distance; i++)
		found.list[i].score = found.list[i].available / total;
	return found;
}

bool gs_candidates_lock(const GsQuestion *question, const pg_uuid_t *device)
{
	Datum values[PARAMETERS];

	set_parameters(values, UUIDPGetDatum(device), question);
	return gs_plan_run(&lock_plan, values, NULL, 0) == 1;
}

char *gs_candidates_tally(const GsQuestion *question)
{
	Datum values[PARAMETERS];

	set_parameters(values, CStringGetTextDatum(question->location), question);
	gs_plan_run(&tally_plan, values, NULL, 1);
	return gs_result_text(0, 1);
}

enum { EXPLAIN_COLUMNS = 11 };

static void copy_bytes_column(uint64 row, int col, Datum *value, bool *isnull)
{
	*isnull = gs_result_isnull(row, col);
	if (!*isnull)
		*value = Int64GetDatum(gs_result_int64(row, col));
}

/* One line of explain_placement: `candidates` is what the deciding search found. */
static void explain_row(ReturnSetInfo *rsinfo, uint64 row, const GsCandidates *candidates)
{
	Datum values[EXPLAIN_COLUMNS] = {0};
	bool nulls[EXPLAIN_COLUMNS] = {0};
	const pg_uuid_t *device = gs_result_uuid(row, 1);
	const GsCandidate *candidate = NULL;
	char *objection = gs_result_text(row, 10);

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
		objection = "farther than the candidates";
	nulls[10] = objection == NULL;
	if (objection != NULL)
		values[10] = CStringGetTextDatum(objection);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(gs_explain_placement);
/* explain_placement(terminal, size, avoid, peer): every device, and what the placement would make of it now. */
Datum gs_explain_placement(PG_FUNCTION_ARGS)
{
	Datum values[PARAMETERS];
	GsQuestion question;
	GsRequest *request;
	GsCandidates candidates;
	uint64 devices;

	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("terminal, size and avoid must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	question.location = gs_placement_location(request->terminal, PG_ARGISNULL(3) ? NULL : PG_GETARG_INET_PP(3));
	question.size = PG_GETARG_INT64(1);
	question.avoid = PG_GETARG_ARRAYTYPE_P(2);
	candidates = gs_candidates_find(&question);
	set_parameters(values, CStringGetTextDatum(question.location), &question);
	devices = gs_plan_run(&explain_plan, values, NULL, 0);
	for (uint64 row = 0; row < devices; row++)
		explain_row((ReturnSetInfo *)fcinfo->resultinfo, row, &candidates);
	gs_plan_close();
	return (Datum)0;
}
