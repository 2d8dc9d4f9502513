/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finding the devices with room that are nearest, at a cost that does not grow with their number.
 *
 * One SQL expression, OBJECTION (objection.h), says what speaks against a device; the search, the reserving statements,
 * the tally of an error and explain_placement all use it, so that no two of them can disagree.
 *
 * The search goes up from the terminal's location to the root. In each area it walks the index (area, depth,
 * room_class, place): the devices of one depth and class of room are a group, all equally near and standing on a ring.
 * A look-up finds the next group whose class holds the size (one descent, however many full devices are passed over);
 * another one takes the first devices on its ring from a random place on. Going up k levels and down d levels is k + d
 * hops, which is the distance when the area is the lowest common one; devices of the area below, which the search has
 * seen already, are left out. It ends when it has as many as asked for and all that is left is farther.
 *
 * All of it sees one snapshot: a device whose class changes meanwhile must not slip from a group that is still to come
 * into one that has been.
 *
 * The class is a bound (room.c), so a group's devices are checked one by one; of a group in which few fit, at most
 * LOOKS_A_CANDIDATE times the number asked for are looked at. Only when nothing at all was found that way are all
 * looked at, so that "no room" is never said for lack of patience.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "candidates.h"
#include "draw.h"
#include "location.h"
#include "objection.h"
#include "plan.h"
#include "settings.h"

#define LOOKS_A_CANDIDATE 4
#define TALLY_DEVICES 100
#define DISTANCES (2 * GS_LOCATION_MAX_DEPTH + 1)

static GsPlan group_plan = {
	.sql = "SELECT a.depth, a.room_class FROM groupshare.device_area a"
		   " WHERE a.area = $1 AND (a.depth, a.room_class) >= ($2, $3) ORDER BY a.depth, a.room_class LIMIT 1",
	.types = {TEXTOID, INT4OID, INT4OID},
	.by_key = true,
};

/* OFFSET 0 keeps the planner from joining whole tables: each device on the ring is looked up by its key, one after the
 * other, until enough have passed. */
#define RING(from_place)                                                                 \
	"(SELECT a.device_id, a.place FROM groupshare.device_area a"                         \
	"  WHERE a.area = $1 AND a.depth = $7 AND a.room_class = $8 AND a.place " from_place \
	"  ORDER BY a.area, a.depth, a.room_class, a.place LIMIT $11)"
static GsPlan ring_plan = {
	.sql = "SELECT w.device_id, w.place, x.name, x.location, x.available_bytes, x.refused, x.has_point, x.latitude, "
		   "x.longitude"
		   " FROM (" RING(">= $9") " UNION ALL " RING(
			   "< $9") " LIMIT $11) w"
					   " CROSS JOIN LATERAL (SELECT d.name, d.location, l.available_bytes, l.refused_at IS NOT NULL AS "
					   "refused,"
					   "     d.latitude IS NOT NULL AS has_point, coalesce(d.latitude, 0) AS latitude,"
					   "     coalesce(d.longitude, 0) AS longitude"
					   "   FROM groupshare.device d JOIN groupshare.device_ledger l ON l.device_id = d.id"
					   "   WHERE d.id = w.device_id AND ($10::text IS NULL OR NOT starts_with(d.location || '/', $10 "
					   "|| '/'))"
					   "     AND" OBJECTION "IS NULL OFFSET 0) x LIMIT $12",
	.types = {TEXTOID, OBJECTION_TYPES, INT4OID, INT4OID, INT4OID, TEXTOID, INT8OID, INT8OID},
	.by_key = true,
};

static GsPlan tally_plan = {
	.sql =
		"WITH near AS MATERIALIZED (SELECT n.device_id, min(level.up + n.depth) AS distance"
		"   FROM unnest($1::text[]) WITH ORDINALITY AS level (area, up) CROSS JOIN LATERAL (SELECT a.device_id, a.depth"
		"       FROM groupshare.device_area a WHERE a.area = level.area ORDER BY a.depth LIMIT $7) n"
		"   GROUP BY n.device_id ORDER BY distance LIMIT $7)"
		" SELECT coalesce(string_agg(t.n || ' ' || t.objection, ', ' ORDER BY t.n DESC, t.objection), 'none'),"
		"        coalesce(sum(t.n), 0)::bigint"
		" FROM (SELECT coalesce(" OBJECTION ", 'just freed') AS objection, count(*) AS n"
		"   FROM near JOIN groupshare.device d ON d.id = near.device_id"
		"     JOIN groupshare.device_ledger l ON l.device_id = d.id GROUP BY 1) t",
	.types = {TEXTARRAYOID, OBJECTION_TYPES, INT8OID},
};

static GsPlan survey_plan = {
	.sql = "SELECT d.id, d.name, d.location, groupshare.location_distance(d.location, $1), l.capacity_bytes,"
		   "       l.free_bytes, l.reserved_bytes, l.staged_bytes, l.available_bytes, " OBJECTION
		   " FROM groupshare.device d LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   " ORDER BY 4, d.name",
	.types = {TEXTOID, OBJECTION_TYPES},
};

enum { PARAMETERS = 12 };

void gs_objection_parameters(Datum *values, Datum subject, const GsQuestion *question)
{
	values[0] = subject;
	values[1] = Int64GetDatum(question->size);
	values[2] = PointerGetDatum(question->avoid);
	values[3] = Int64GetDatum(gs_device_silent_intervals);
	values[4] = Int64GetDatum((int64)gs_device_headroom_mb * 1024 * 1024);
	values[5] = Int32GetDatum(gs_device_high_water_percent);
}

typedef struct Search {
	const GsQuestion *question;
	int most;    /* candidates asked for */
	int64 looks; /* at most so many devices of a group are looked at */
	int least;   /* class that holds the size */
	int32 start; /* place on each ring */
	GsCandidates found;
	int room;                   /* of found.list */
	int at_distance[DISTANCES]; /* how many were found there */
	int32 *places;              /* of one group */
} Search;

/* Nothing that is farther matters: the distance of the last of the `most` nearest, if there are so many yet. */
static int horizon(const Search *search)
{
	int nearer = 0;

	for (int distance = 0; distance < DISTANCES; distance++) {
		nearer += search->at_distance[distance];
		if (nearer >= search->most)
			return distance;
	}
	return DISTANCES;
}

static GsCandidate *add(Search *search)
{
	if (search->found.count == search->room) {
		search->room *= 2;
		search->found.list = repalloc(search->found.list, sizeof(GsCandidate) * search->room);
	}
	return &search->found.list[search->found.count++];
}

static void read_candidate(Search *search, uint64 row, int distance)
{
	const GsOrigin *origin = &search->question->origin;
	GsCandidate *candidate = add(search);

	memset(candidate, 0, sizeof(*candidate));
	candidate->device = *gs_result_uuid(row, 1);
	candidate->name = gs_result_text(row, 3);
	candidate->location = gs_result_text(row, 4);
	candidate->available = gs_result_int64(row, 5);
	candidate->refused = gs_result_bool(row, 6);
	candidate->distance = distance;
	candidate->km = -1;
	if (origin->has_point && gs_result_bool(row, 7))
		candidate->km = gs_choice_kilometres(origin->latitude, origin->longitude, gs_result_float8(row, 8),
											 gs_result_float8(row, 9));
	candidate->preference = gs_choice_preference(distance, candidate->km);
}

/* Takes devices of one group; `below` is the area that was searched before, or NULL. */
static void search_ring(Search *search, Datum area, const char *below, int level, int depth, int class)
{
	Datum values[PARAMETERS];
	char nulls[PARAMETERS];
	int first = search->found.count;
	int count;
	double share;

	memset(nulls, ' ', sizeof(nulls));
	gs_objection_parameters(values, area, search->question);
	values[6] = Int32GetDatum(depth);
	values[7] = Int32GetDatum(class);
	values[8] = Int32GetDatum(search->start);
	values[9] = below == NULL ? (Datum)0 : CStringGetTextDatum(below);
	nulls[9] = below == NULL ? 'n' : ' ';
	values[10] = Int64GetDatum(search->looks);
	values[11] = Int64GetDatum(search->most);
	count = gs_plan_run_frozen(&ring_plan, values, nulls, 0);
	for (int row = 0; row < count; row++) {
		search->places[row] = gs_result_int64(row, 2);
		read_candidate(search, row, level + depth);
	}
	if (count == 0)
		return;
	search->at_distance[level + depth] += count;
	share = gs_choice_population(search->places, count, search->most, search->start) / count;
	for (int i = first; i < search->found.count; i++)
		search->found.list[i].weight = search->found.list[i].available * share;
}

static bool next_group(Datum area, int *depth, int *class)
{
	Datum values[] = {area, Int32GetDatum(*depth), Int32GetDatum(*class)};

	if (gs_plan_run_frozen(&group_plan, values, NULL, 1) == 0)
		return false;
	*depth = gs_result_int64(0, 1);
	*class = gs_result_int64(0, 2);
	return true;
}

static void search_area(Search *search, const char *path, const char *below, int level)
{
	Datum area = CStringGetTextDatum(path);
	int depth = 0;
	int class = search->least;

	while (next_group(area, &depth, &class)) {
		CHECK_FOR_INTERRUPTS();
		if (level + depth > horizon(search))
			break;
		if (class < search->least) {
			class = search->least;
			continue;
		}
		search_ring(search, area, below, level, depth, class);
		class ++;
	}
}

static void search_all(Search *search)
{
	const char *location = search->question->origin.location;
	size_t size = strlen(location);
	const char *below = NULL;

	search->found.count = 0;
	memset(search->at_distance, 0, sizeof(search->at_distance));
	for (int level = 0; level <= horizon(search); level++) {
		char *area = pnstrdup(location, size);

		search_area(search, area, below, level);
		if (size == 0)
			break;
		below = area;
		size = gs_location_parent(location, size);
	}
}

GsCandidates gs_candidates_find(const GsQuestion *question, int most)
{
	Search search = {.question = question, .most = most, .looks = (int64)most * LOOKS_A_CANDIDATE, .room = most};

	search.least = gs_choice_class(question->size + 1);
	search.start = (int32)(gs_draw(NULL) * GS_CHOICE_RING - GS_CHOICE_RING / 2);
	search.found.list = palloc(sizeof(GsCandidate) * search.room);
	search.places = palloc(sizeof(int32) * most);
	gs_plan_freeze();
	search_all(&search);
	if (search.found.count == 0) {
		search.looks = PG_INT64_MAX;
		search_all(&search);
	}
	gs_plan_thaw();
	return search.found;
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

char *gs_candidates_tally(const GsQuestion *question)
{
	Datum values[PARAMETERS];

	gs_objection_parameters(values, areas_of(question->origin.location), question);
	values[6] = Int64GetDatum(TALLY_DEVICES);
	gs_plan_run(&tally_plan, values, NULL, 1);
	return psprintf("of the %lld nearest devices: %s", (long long)gs_result_int64(0, 2), gs_result_text(0, 1));
}

uint64 gs_candidates_survey(const GsQuestion *question)
{
	Datum values[PARAMETERS];

	gs_objection_parameters(values, CStringGetTextDatum(question->origin.location), question);
	return gs_plan_run(&survey_plan, values, NULL, 0);
}
