/* SPDX-License-Identifier: PostgreSQL */
/*
 * Choosing among the candidates and reserving the bytes.
 *
 * The nearest candidates come first; among equally near ones the choice is drawn by free space, so that a herd spreads
 * over a site and leaves it only when the site is full or busy. A device whose ledger row another transaction holds is
 * passed over, never queued for; when all are held, the search starts again after a short sleep, because those who hold
 * them also change how much room there is. A transaction therefore never blocks on a ledger row here, which is what
 * lets it hold another one already (a moved upload gives its old reservation back first, and
 * then waits only briefly).
 *
 * "No room" is only said by a search that found no candidate, never because of locks.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "candidates.h"
#include "errcodes.h"
#include "ledger.h"
#include "placement.h"
#include "plan.h"
#include "reply.h"
#include "settings.h"

#define NAP_MIN_MS 1
#define NAP_MAX_MS 20

static GsPlan network_plan = {
	.sql = "SELECT n.location FROM groupshare.network n WHERE n.prefix >>= $1 ORDER BY masklen(n.prefix) DESC LIMIT 1",
	.types = {INETOID},
};

char *gs_placement_location(const GsTerminal *terminal, const inet *peer)
{
	Datum values[] = {InetPGetDatum(peer)};

	if (terminal->location != NULL)
		return terminal->location;
	if (peer == NULL || gs_plan_run(&network_plan, values, NULL, 1) == 0)
		return pstrdup("");
	return gs_result_text(0, 1);
}

/* In [0, 1). A set groupshare.placement_seed makes the backend's draws repeatable from the moment it is set. */
static double draw(void)
{
	static pg_prng_state state;
	static bool seeded = false;
	static int seeded_by = 0;

	if (!seeded || seeded_by != gs_placement_seed) {
		if (gs_placement_seed != 0)
			pg_prng_seed(&state, gs_placement_seed);
		else if (!pg_prng_strong_seed(&state))
			pg_prng_seed(&state, (uint64)MyProcPid ^ (uint64)GetCurrentTimestamp());
		seeded = true;
		seeded_by = gs_placement_seed;
	}
	return pg_prng_double(&state);
}

/* The nearest not yet tried; of several equally near ones one drawn by free space. NULL when all were tried. */
static GsCandidate *next_candidate(GsCandidates *candidates)
{
	GsCandidate *nearest = NULL;
	double left = 0;
	double point;

	for (int i = 0; i < candidates->count; i++) {
		GsCandidate *c = &candidates->list[i];

		if (c->outcome != NULL)
			continue;
		if (nearest == NULL)
			nearest = c;
		if (c->distance == nearest->distance)
			left += c->available;
	}
	if (nearest == NULL)
		return NULL;
	point = draw() * left;
	for (GsCandidate *c = nearest; c < candidates->list + candidates->count; c++) {
		if (c->outcome != NULL || c->distance != nearest->distance)
			continue;
		nearest = c;
		if (point < c->available)
			break;
		point -= c->available;
	}
	return nearest;
}

static GsCandidate *reserve_any(const GsQuestion *question, GsCandidates *candidates)
{
	GsCandidate *candidate;

	while ((candidate = next_candidate(candidates)) != NULL) {
		if (gs_candidates_lock(question, &candidate->device)) {
			if (!gs_ledger_reserve(&candidate->device, question->size))
				elog(ERROR, "device %s has no room although its ledger is locked", candidate->name);
			candidate->outcome = "chosen";
			return candidate;
		}
		candidate->outcome = "held or filled by another";
	}
	return NULL;
}

static Jsonb *describe(const GsCandidates *candidates)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < candidates->count; i++) {
		const GsCandidate *c = &candidates->list[i];

		appendStringInfoString(&json, i > 0 ? ",{\"device\":" : "{\"device\":");
		escape_json(&json, c->name);
		appendStringInfo(&json, ",\"distance\":%d,\"available\":%lld,\"score\":%.6f,\"outcome\":\"%s\"}", c->distance,
						 (long long)c->available, c->score, c->outcome != NULL ? c->outcome : "not tried");
	}
	appendStringInfoChar(&json, ']');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

static void nap(int round)
{
	long most_ms = Min(NAP_MIN_MS << Min(round, 10), NAP_MAX_MS);
	long ms = NAP_MIN_MS + (long)(draw() * most_ms);

	(void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

GsPlace *gs_placement_reserve(const char *location, int64 size, ArrayType *avoid, int wait_ms)
{
	const GsQuestion question = {.location = location, .size = size, .avoid = avoid};
	TimestampTz give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait_ms);

	for (int round = 0;; round++) {
		GsCandidates candidates = gs_candidates_find(&question);
		GsCandidate *chosen;

		if (candidates.count == 0)
			ereport(ERROR,
					(errcode(GS_ERR_NO_ROOM), errmsg("no storage device has room for the share"),
					 errdetail("Size is %lld bytes; devices: %s.", (long long)size, gs_candidates_tally(&question))));
		chosen = reserve_any(&question, &candidates);
		if (chosen != NULL) {
			GsPlace *place = palloc0(sizeof(*place));

			place->device = chosen->device;
			place->device_name = chosen->name;
			place->distance = chosen->distance;
			place->candidates = describe(&candidates);
			return place;
		}
		if (GetCurrentTimestamp() >= give_up)
			ereport(ERROR, (errcode(GS_ERR_DEVICES_BUSY), errmsg("other uploads hold all devices that have room"),
							errhint("Send the notice again in a moment.")));
		nap(round);
	}
}
