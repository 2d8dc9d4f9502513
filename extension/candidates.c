/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finding the devices with room that are nearest, at a cost that does not grow with their number.
 *
 * One function says what speaks against a device (objection.c); the search, who promises bytes (reserve.c), the tally
 * of an error and explain_placement all ask it, so that no two of them can disagree.
 *
 * The search goes up from the terminal's location to the root. In each area it walks the index (area, depth,
 * room_class, place): the devices of one depth and class of room are a group, all equally near and standing on a ring.
 * A look-up finds the next group whose class holds the size (one descent, however many full devices are passed over);
 * another one takes the first devices on its ring from a random place on. Going up k levels and down d levels is k + d
 * hops, which is the distance when the area is the lowest common one; devices of the area below, which the search has
 * seen already, are left out. It ends when it has as many as asked for and all that is left is farther.
 *
 * These are look-ups by the index itself (lookup.c): as statements they were a sixth of a notice's time.
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
#include "utils/memutils.h"

#include "candidates.h"
#include "draw.h"
#include "location.h"
#include "lookup.h"
#include "objection.h"
#include "plan.h"
#include "settings.h"
#include "standing.h"

#define LOOKS_A_CANDIDATE 4
#define TALLY_DEVICES 100
#define DISTANCES (2 * GS_LOCATION_MAX_DEPTH + 1)

enum { PLACE_DEVICE = 1, PLACE_DEPTH, PLACE_CLASS, PLACE_PLACE };
static GsLookup area_lookup = {
	.table = "device_area",
	.index = "device_area_room",
	.columns = {"device_id", "depth", "room_class", "place"},
};

static GsPlan tally_plan = {
	.sql =
		"WITH near AS MATERIALIZED (SELECT n.device_id, min(level.up + n.depth) AS distance"
		"   FROM unnest($1::text[]) WITH ORDINALITY AS level (area, up) CROSS JOIN LATERAL (SELECT a.device_id, a.depth"
		"       FROM groupshare.device_area a WHERE a.area = level.area ORDER BY a.depth LIMIT $4) n"
		"   GROUP BY n.device_id ORDER BY distance LIMIT $4)"
		" SELECT coalesce(string_agg(t.n || ' ' || t.objection, ', ' ORDER BY t.n DESC, t.objection), 'none'),"
		"        coalesce(sum(t.n), 0)::bigint"
		" FROM (SELECT coalesce(" OBJECTION ", $5) AS objection, count(*) AS n"
		"   FROM near JOIN groupshare.device d ON d.id = near.device_id"
		"     JOIN groupshare.device_ledger l ON l.device_id = d.id GROUP BY 1) t",
	.types = {TEXTARRAYOID, OBJECTION_TYPES, INT8OID, TEXTOID},
};

static GsPlan survey_plan = {
	.sql = "SELECT d.id, d.name, d.location, groupshare.location_distance(d.location, $1), l.capacity_bytes,"
		   "       l.free_bytes, l.reserved_bytes, l.staged_bytes, l.available_bytes, " OBJECTION
		   " FROM groupshare.device d LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   " ORDER BY 4, d.name",
	.types = {TEXTOID, OBJECTION_TYPES},
};

enum { PARAMETERS = 5 };

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
	GsCursor areas, ledgers;
	MemoryContext scratch; /* of the look at one device */
} Search;

/* Devices of one depth and class of room in an area. */
typedef struct Group {
	Datum area; /* text */
	int depth;
	int class;
	int lowest;        /* of the classes there */
	const char *below; /* the area that was searched before; NULL: none */
} Group;

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

/* What the device that the cursor stands on has available; a rehearsal has put bytes there that no ledger knows. */
static int64 available_on(const Search *search, const pg_uuid_t *device)
{
	HTAB *rehearsed = search->question->rehearsed;
	const GsRehearsed *there = rehearsed != NULL ? hash_search(rehearsed, device, HASH_FIND, NULL) : NULL;

	return gs_lookup_int64(&search->ledgers, GS_LEDGER_AVAILABLE, 0) - (there != NULL ? there->bytes : 0);
}

static void add_candidate(Search *search, const pg_uuid_t *device, int distance)
{
	const GsOrigin *origin = &search->question->origin;
	GsCandidate *candidate = add(search);

	memset(candidate, 0, sizeof(*candidate));
	candidate->device = *device;
	candidate->name = gs_lookup_text(&search->ledgers, GS_LEDGER_NAME);
	candidate->location = gs_lookup_text(&search->ledgers, GS_LEDGER_LOCATION);
	candidate->available = available_on(search, device);
	candidate->refused = !gs_lookup_isnull(&search->ledgers, GS_LEDGER_REFUSED_AT);
	candidate->distance = distance;
	candidate->km = -1;
	if (origin->has_point && !gs_lookup_isnull(&search->ledgers, GS_LEDGER_LATITUDE))
		candidate->km = gs_choice_kilometres(origin->latitude, origin->longitude,
											 gs_lookup_float8(&search->ledgers, GS_LEDGER_LATITUDE, 0),
											 gs_lookup_float8(&search->ledgers, GS_LEDGER_LONGITUDE, 0));
	candidate->preference = gs_choice_preference(distance, candidate->km);
}

/* Is its location `area` or below it? */
static bool lies_in(const char *location, const char *area)
{
	size_t size = strlen(area);

	return size == 0 || (strncmp(location, area, size) == 0 && (location[size] == '\0' || location[size] == '/'));
}

static bool judge(const Search *search, int64 available, const char *below)
{
	GsStanding standing;

	if (below != NULL && lies_in(gs_lookup_text(&search->ledgers, GS_LEDGER_LOCATION), below))
		return false;
	standing = gs_standing_of(&search->ledgers);
	standing.available = available;
	return gs_objection(&standing, search->question->size, search->question->avoid) == NULL;
}

/* Looks the device up; false when it was seen in the area below already, or something speaks against it. */
static bool fits(Search *search, const pg_uuid_t *device, const char *below)
{
	const GsKey key = GS_KEY_UUID(1, device);
	MemoryContext caller;
	int64 available;
	bool fit;

	if (!gs_lookup_at(&search->ledgers, &key, gs_standing_place(device)))
		return false;
	available = available_on(search, device);
	if (available <= search->question->size)
		return false;
	caller = MemoryContextSwitchTo(search->scratch);
	fit = judge(search, available, below);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(search->scratch);
	return fit;
}

/* Takes devices of a part of the ring, those whose place compares so with the start; `taken` and `looked` are of the
 * whole ring. */
static void search_arc(Search *search, const Group *group, GsKey arc, int distance, int *taken, int64 *looked)
{
	const GsKey keys[] = {GS_KEY_TEXT(1, group->area), GS_KEY_INT4(2, group->depth), GS_KEY_INT4(3, group->class), arc};

	gs_lookup_find(&search->areas, keys, lengthof(keys));
	while (*taken < search->most && *looked < search->looks && gs_lookup_next(&search->areas)) {
		pg_uuid_t device = gs_lookup_uuid(&search->areas, PLACE_DEVICE);

		CHECK_FOR_INTERRUPTS();
		(*looked)++;
		if (!fits(search, &device, group->below))
			continue;
		search->places[(*taken)++] = gs_lookup_int32(&search->areas, PLACE_PLACE, 0);
		add_candidate(search, &device, distance);
	}
}

/* Takes devices of one group: round its ring from the start on. */
static void search_ring(Search *search, const Group *group, int distance)
{
	const Datum start = Int32GetDatum(search->start);
	int first = search->found.count;
	int taken = 0;
	int64 looked = 0;
	double share;

	search_arc(search, group, (GsKey){4, BTGreaterEqualStrategyNumber, F_INT4GE, start}, distance, &taken, &looked);
	search_arc(search, group, (GsKey){4, BTLessStrategyNumber, F_INT4LT, start}, distance, &taken, &looked);
	if (taken == 0)
		return;
	search->at_distance[distance] += taken;
	share = gs_choice_population(search->places, taken, search->most, search->start) / taken;
	for (int i = first; i < search->found.count; i++)
		search->found.list[i].weight = search->found.list[i].available * share;
}

/* The next class of room at the group's depth, from its class on. */
static bool next_class(Search *search, Group *group)
{
	const GsKey keys[] = {GS_KEY_TEXT(1, group->area), GS_KEY_INT4(2, group->depth),
						  (GsKey){3, BTGreaterEqualStrategyNumber, F_INT4GE, Int32GetDatum(group->class)}};

	if (group->lowest >= group->class) {
		group->class = group->lowest;
		return true;
	}
	gs_lookup_find(&search->areas, keys, lengthof(keys));
	if (!gs_lookup_next(&search->areas))
		return false;
	group->class = gs_lookup_int32(&search->areas, PLACE_CLASS, 0);
	return true;
}

/* The next depth at which the area has devices; the first that the index has there is of the lowest class. */
static bool next_depth(Search *search, Group *group)
{
	const GsKey keys[] = {GS_KEY_TEXT(1, group->area),
						  (GsKey){2, BTGreaterStrategyNumber, F_INT4GT, Int32GetDatum(group->depth)}};

	gs_lookup_find(&search->areas, keys, lengthof(keys));
	if (!gs_lookup_next(&search->areas))
		return false;
	group->depth = gs_lookup_int32(&search->areas, PLACE_DEPTH, 0);
	group->lowest = gs_lookup_int32(&search->areas, PLACE_CLASS, 0);
	return true;
}

/*
 * All of the area's devices at one depth. The class of the size itself comes last, and only when the others have not
 * enough: some of its devices hold less than the size, and the others would be nearly full with it.
 */
static void search_depth(Search *search, Group *group, int distance)
{
	for (group->class = search->least + 1; next_class(search, group); group->class ++) {
		CHECK_FOR_INTERRUPTS();
		search_ring(search, group, distance);
	}
	group->class = search->least;
	if (horizon(search) > distance)
		search_ring(search, group, distance);
}

static void search_area(Search *search, const char *path, const char *below, int level)
{
	Group group = {.area = CStringGetTextDatum(path), .depth = -1, .below = below};

	while (level + group.depth < horizon(search) && next_depth(search, &group) &&
		   level + group.depth <= horizon(search))
		search_depth(search, &group, level + group.depth);
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
	search.scratch = AllocSetContextCreate(CurrentMemoryContext, "groupshare search", ALLOCSET_SMALL_SIZES);
	gs_lookup_open(&search.areas, &area_lookup);
	gs_lookup_open(&search.ledgers, &gs_standing_ledger);
	gs_plan_freeze();
	search_all(&search);
	if (search.found.count == 0) {
		search.looks = PG_INT64_MAX;
		search_all(&search);
	}
	gs_lookup_close(&search.areas);
	gs_lookup_close(&search.ledgers);
	gs_plan_thaw();
	MemoryContextDelete(search.scratch);
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

char *gs_candidates_tally(const GsQuestion *question, const char *with_room)
{
	Datum values[PARAMETERS];

	gs_objection_parameters(values, areas_of(question->origin.location), question);
	values[3] = Int64GetDatum(TALLY_DEVICES);
	values[4] = CStringGetTextDatum(with_room);
	gs_plan_run(&tally_plan, values, NULL, 1);
	return psprintf("of the %lld nearest devices: %s", (long long)gs_result_int64(0, 2), gs_result_text(0, 1));
}

uint64 gs_candidates_survey(const GsQuestion *question)
{
	Datum values[PARAMETERS];

	gs_objection_parameters(values, CStringGetTextDatum(question->origin.location), question);
	return gs_plan_run(&survey_plan, values, NULL, 0);
}
