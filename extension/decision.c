/* SPDX-License-Identifier: PostgreSQL */
/*
 * An array of rows: as jsonb, which repeats each name in each candidate and sorts them, it was a twelfth of a notice's
 * time and of what it writes. The view `placements` makes jsonb of it for who reads.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "catalog.h"
#include "decision.h"

#define MOST_ROUNDED 1e9 /* what is larger has no digits to spare behind the point */

/* As in sql/10-tables.sql. */
enum { DEVICE, OUTCOME, DISTANCE, REFUSED, AVAILABLE, SCORE, KM, PREFERENCE, FIELDS };

static Oid candidate_type(void)
{
	static Oid type = InvalidOid;
	static uint64 known = 0;
	const uint64 state = gs_catalog_state();

	if (known != state) {
		type = gs_catalog_type("candidate");
		known = state;
	}
	return type;
}

static Datum rounded(double value, double unit)
{
	return Float8GetDatum(fabs(value) < MOST_ROUNDED ? rint(value * unit) / unit : value);
}

static Datum row(TupleDesc descriptor, const Datum *values, const bool *isnull)
{
	return HeapTupleGetDatum(heap_form_tuple(descriptor, unconstify(Datum *, values), unconstify(bool *, isnull)));
}

static Datum candidate_row(TupleDesc descriptor, const GsCandidate *candidate, bool judged)
{
	const char *outcome = candidate->outcome != NULL ? candidate->outcome : "not tried";
	const Datum values[FIELDS] = {
		[DEVICE] = CStringGetTextDatum(candidate->name),
		[OUTCOME] = CStringGetTextDatum(outcome),
		[DISTANCE] = Int32GetDatum(candidate->distance),
		[REFUSED] = BoolGetDatum(true),
		[AVAILABLE] = Int64GetDatum(candidate->available),
		[SCORE] = rounded(candidate->score, 1e6),
		[KM] = rounded(candidate->km, 10),
		[PREFERENCE] = rounded(candidate->preference, 1e6),
	};
	const bool isnull[FIELDS] = {[REFUSED] = !candidate->refused, [KM] = candidate->km < 0, [PREFERENCE] = !judged};

	return row(descriptor, values, isnull);
}

static Datum left_row(TupleDesc descriptor, const GsQuestion *question)
{
	const Datum values[FIELDS] = {
		[DEVICE] = CStringGetTextDatum(question->left_device), [OUTCOME] = CStringGetTextDatum(question->left_for)};
	const bool isnull[FIELDS] = {
		[DISTANCE] = true, [REFUSED] = true, [AVAILABLE] = true, [SCORE] = true, [KM] = true, [PREFERENCE] = true};

	return row(descriptor, values, isnull);
}

Datum gs_decision_record(const GsQuestion *question, const GsCandidates *candidates, const GsPolicy *policy)
{
	const Oid type = candidate_type();
	const bool judged = policy->set && policy->error == NULL;
	TupleDesc descriptor = lookup_rowtype_tupdesc(type, -1);
	Datum *rows = palloc(sizeof(*rows) * (candidates->count + 1));
	int count = 0;

	if (descriptor->natts != FIELDS)
		elog(ERROR, "groupshare.candidate has %d columns", descriptor->natts);
	for (int i = 0; i < candidates->count; i++)
		rows[count++] = candidate_row(descriptor, &candidates->list[i], judged);
	if (question->left_device != NULL)
		rows[count++] = left_row(descriptor, question);
	ReleaseTupleDesc(descriptor);
	return PointerGetDatum(construct_array(rows, count, type, -1, false, TYPALIGN_DOUBLE));
}
