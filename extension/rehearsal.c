/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a drain would do, found out by the code that does it: each copy on the device is asked the worker's questions
 * (replica.c), and its search finds the places (candidates.c), on top of what the copies before it have taken. Nothing
 * is reserved and no ledger row is locked, so that uploads go on beside a rehearsal of a million copies: what has been
 * placed is kept in a hash table, which the search reads beside the ledgers.
 *
 * A copy leaves when its share has as many others as its plan says. So one of a share that has too few needs several
 * places, and keeps those it found even when the last is missing, as the worker would.
 *
 * Memory is bounded by a page of copies and an entry for each device.
 */
#include "rehearsal.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "device_named.h"
#include "errcodes.h"
#include "placement.h"
#include "plan.h"
#include "replica.h"

#define PAGE 1000

enum { EXPLAIN_COLUMNS = 7 };

typedef struct Copy {
	pg_uuid_t object;
	pg_uuid_t share;
	char *name;
	int64 size;
	int64 wanted;
	bool leaving; /* already, by a job that runs */
	GsTerminal owner;
	ArrayType *places; /* text[]: names of devices */
	char *problem;     /* why it stays; NULL: it leaves */
} Copy;

typedef void (*Visit)(const Copy *copy, void *argument);

static GsPlan page_plan = {
	.sql =
		"SELECT c.object, s.id, s.name, s.size_bytes, p.copies, c.leaving, t.id, t.home, t.identifier, t.plan"
		" FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id AND s.state = 'stored'"
		"   JOIN groupshare.terminal t ON t.id = s.owner JOIN groupshare.plan p ON p.name = t.plan"
		" WHERE c.device_id = $1 AND c.state = 'stored' AND ($2 IS NULL OR c.object > $2) ORDER BY c.object LIMIT $3",
	.types = {UUIDOID, UUIDOID, INT8OID},
};

static Copy *read_page(const pg_uuid_t *device, const pg_uuid_t *after, uint64 *count)
{
	const Datum values[] = {UUIDPGetDatum(device), after != NULL ? UUIDPGetDatum(after) : (Datum)0,
							Int64GetDatum(PAGE)};
	Copy *copies;

	*count = gs_plan_run(&page_plan, values, after != NULL ? "   " : " n ", 0);
	copies = palloc0(sizeof(*copies) * Max(*count, 1));
	for (uint64 i = 0; i < *count; i++) {
		copies[i].object = *gs_result_uuid(i, 1);
		copies[i].share = *gs_result_uuid(i, 2);
		copies[i].name = gs_result_text(i, 3);
		copies[i].size = gs_result_int64(i, 4);
		copies[i].wanted = gs_result_int64(i, 5);
		copies[i].leaving = gs_result_bool(i, 6);
		copies[i].owner.id = *gs_result_uuid(i, 7);
		copies[i].owner.home = *gs_result_uuid(i, 8);
		copies[i].owner.identifier = gs_result_text(i, 9);
		copies[i].owner.plan = gs_result_text(i, 10);
	}
	return copies;
}

static void take(HTAB *rehearsed, const pg_uuid_t *device, int64 size)
{
	bool found;
	GsRehearsed *there = hash_search(rehearsed, device, HASH_ENTER, &found);

	there->bytes = (found ? there->bytes : 0) + size;
}

/* text[] and one more. */
static ArrayType *with(ArrayType *names, const char *name)
{
	ArrayBuildState *all = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	Datum *old;
	int count;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &old, NULL, &count);
	for (int i = 0; i < count; i++)
		(void)accumArrayResult(all, old[i], false, TEXTOID, CurrentMemoryContext);
	(void)accumArrayResult(all, CStringGetTextDatum(name), false, TEXTOID, CurrentMemoryContext);
	return DatumGetArrayTypeP(makeArrayResult(all, CurrentMemoryContext));
}

/* One more place for it, where it has none yet. */
static bool place(Copy *copy, GsQuestion *question)
{
	GsCandidate first;

	if (!gs_placement_rehearse(question, &first, &copy->problem))
		return false;
	take(question->rehearsed, &first.device, copy->size);
	copy->places = with(copy->places, first.name);
	question->avoid = with(question->avoid, first.name);
	return true;
}

static void rehearse(Copy *copy, HTAB *rehearsed)
{
	const GsCopies copies = gs_replica_look(&copy->share);
	int64 missing = copy->wanted - copies.good + (copy->leaving ? 0 : 1) - copies.pending;
	GsQuestion question;

	copy->places = construct_empty_array(TEXTOID);
	if (missing <= 0)
		return;
	if (!copies.reachable) {
		copy->problem = GS_OUT_OF_REACH;
		return;
	}
	question =
		gs_reservation_further(&copy->owner, &copy->share, copies.location, copy->size, gs_replica_avoid(&copy->share));
	question.rehearsed = rehearsed;
	while (missing > 0 && place(copy, &question))
		missing--;
}

static HTAB *make_table(void)
{
	HASHCTL control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(GsRehearsed), .hcxt = CurrentMemoryContext};

	return hash_create("groupshare rehearsal", 128, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* `visit` sees each copy once, in a context that is emptied for the next one. */
static void rehearse_all(const pg_uuid_t *device, Visit visit, void *argument)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext page = AllocSetContextCreate(caller, "groupshare rehearsal page", ALLOCSET_DEFAULT_SIZES);
	MemoryContext scratch = AllocSetContextCreate(caller, "groupshare rehearsed copy", ALLOCSET_DEFAULT_SIZES);
	HTAB *rehearsed = make_table();
	pg_uuid_t last;
	uint64 count = PAGE;

	for (bool first = true; count == PAGE; first = false) {
		Copy *copies;

		MemoryContextReset(page);
		MemoryContextSwitchTo(page);
		copies = read_page(device, first ? NULL : &last, &count);
		MemoryContextSwitchTo(scratch);
		for (uint64 i = 0; i < count; i++) {
			rehearse(&copies[i], rehearsed);
			visit(&copies[i], argument);
			last = copies[i].object;
			MemoryContextReset(scratch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	MemoryContextDelete(page);
	hash_destroy(rehearsed);
}

typedef struct Sum {
	GsRehearsal total;
	int64 largest; /* that stays */
	MemoryContext kept;
} Sum;

static void add(const Copy *copy, void *argument)
{
	Sum *sum = argument;

	sum->total.all.copies++;
	sum->total.all.bytes += copy->size;
	if (copy->problem == NULL) {
		sum->total.leaving.copies++;
		sum->total.leaving.bytes += copy->size;
	} else if (copy->size > sum->largest) {
		sum->largest = copy->size;
		if (sum->total.problem != NULL)
			pfree(sum->total.problem);
		sum->total.problem = MemoryContextStrdup(sum->kept, copy->problem);
	}
}

GsRehearsal gs_rehearsal_drain(const pg_uuid_t *device)
{
	Sum sum = {.largest = -1, .kept = CurrentMemoryContext};

	rehearse_all(device, add, &sum);
	return sum.total;
}

static void put_row(const Copy *copy, void *argument)
{
	ReturnSetInfo *rsinfo = argument;
	const bool stays = copy->problem != NULL;
	Datum values[EXPLAIN_COLUMNS] = {CStringGetTextDatum(copy->owner.identifier),
									 CStringGetTextDatum(copy->name),
									 Int64GetDatum(copy->size),
									 BoolGetDatum(!stays),
									 PointerGetDatum(copy->places),
									 stays ? CStringGetTextDatum(copy->problem) : (Datum)0,
									 UUIDPGetDatum(&copy->share)};
	bool nulls[EXPLAIN_COLUMNS] = {[5] = !stays};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(gs_explain_drain);
/* explain_drain(device) */
Datum gs_explain_drain(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	InitMaterializedSRF(fcinfo, 0);
	gs_plan_open();
	rehearse_all(gs_device_named(name), put_row, fcinfo->resultinfo);
	gs_plan_close();
	return (Datum)0;
}
