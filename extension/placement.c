/* SPDX-License-Identifier: PostgreSQL */
/*
 * Choosing among the candidates and reserving the bytes.
 *
 * The nearest candidates come first; among equally near ones the choice is drawn by free space (choice.c), so that a
 * herd spreads over a site and leaves it only when the site is full or busy. A device whose ledger row another
 * transaction holds is passed over, never queued for; when all are held, the search starts again after a short sleep,
 * because those who hold them also change how much room there is. A transaction therefore never blocks on a ledger row
 * here, which is what lets it hold another one already (a moved upload gives its old reservation back first, and then
 * waits only briefly).
 *
 * "No room" is only said by a search that found no candidate, never because of locks.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "draw.h"
#include "errcodes.h"
#include "ledger.h"
#include "placement.h"
#include "settings.h"

#define NAP_MIN_MS 1
#define NAP_MAX_MS 20
#define ROUNDS_A_SEARCH 8
#define WIDENING 4
#define CANDIDATES_MOST 1000

/* A policy may pass all of them over: then more are asked for, farther away. */
static GsCandidates find_judged(const GsQuestion *question, GsPolicy *policy)
{
	int most = gs_placement_candidates_most;

	*policy = gs_policy_find(question);
	for (;;) {
		GsCandidates found = gs_candidates_find(question, most);
		bool all = found.count < most || most >= CANDIDATES_MOST;

		gs_policy_apply(policy, question, &found);
		if (found.count > 0 || all)
			return found;
		most = Min(most * WIDENING, CANDIDATES_MOST);
	}
}

GsCandidates gs_placement_candidates(const GsQuestion *question, GsPolicy *policy)
{
	GsCandidates found = find_judged(question, policy);
	GsCandidates chosen = {.count = Min(found.count, gs_placement_candidates_most)};
	GsOption *options = palloc0(sizeof(*options) * Max(found.count, 1));

	for (int i = 0; i < found.count; i++) {
		options[i].preference = found.list[i].preference;
		options[i].weight = found.list[i].weight;
		options[i].refused = found.list[i].refused;
		options[i].subject = &found.list[i];
	}
	gs_choice_order(options, found.count, chosen.count, gs_draw, NULL);
	chosen.list = palloc(sizeof(*chosen.list) * Max(chosen.count, 1));
	for (int i = 0; i < chosen.count; i++) {
		chosen.list[i] = *(GsCandidate *)options[i].subject;
		chosen.list[i].score = options[i].score;
	}
	return chosen;
}

static GsCandidate *reserve_any(const GsQuestion *question, GsCandidates *candidates)
{
	for (int i = 0; i < candidates->count; i++) {
		GsCandidate *candidate = &candidates->list[i];

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

static Jsonb *describe(const GsCandidates *candidates, const GsPolicy *policy)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < candidates->count; i++) {
		const GsCandidate *c = &candidates->list[i];

		appendStringInfoString(&json, i > 0 ? ",{\"device\":" : "{\"device\":");
		escape_json(&json, c->name);
		appendStringInfo(&json, ",\"distance\":%d,\"available\":%lld,\"score\":%.6f", c->distance,
						 (long long)c->available, c->score);
		if (c->km >= 0)
			appendStringInfo(&json, ",\"km\":%.1f", c->km);
		if (policy->set && policy->error == NULL)
			appendStringInfo(&json, ",\"preference\":%.6g", c->preference);
		if (c->refused)
			appendStringInfoString(&json, ",\"refused\":true");
		appendStringInfo(&json, ",\"outcome\":\"%s\"}", c->outcome != NULL ? c->outcome : "not tried");
	}
	appendStringInfoChar(&json, ']');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

static void nap(int round)
{
	long most_ms = Min(NAP_MIN_MS << Min(round, 10), NAP_MAX_MS);
	long ms = NAP_MIN_MS + (long)(gs_draw(NULL) * most_ms);

	(void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Why there are no candidates; NULL when there are some. */
static char *explain_none(const GsQuestion *question, const GsCandidates *candidates, const GsPolicy *policy)
{
	char *tally;

	if (candidates->count > 0)
		return NULL;
	tally = gs_candidates_tally(question);
	if (policy->passed_over == 0)
		return tally;
	return psprintf("%s; %d with room are passed over by the policy", tally, policy->passed_over);
}

/* One round over the candidates; NULL when others hold all of them. */
static GsPlace *attempt(const GsQuestion *question, GsCandidates *candidates, const GsPolicy *policy)
{
	GsCandidate *chosen = reserve_any(question, candidates);
	GsPlace *place;

	if (chosen == NULL)
		return NULL;
	place = palloc0(sizeof(*place));
	place->policy = *policy;
	place->device = chosen->device;
	place->device_name = chosen->name;
	place->distance = chosen->distance;
	place->candidates = describe(candidates, policy);
	return place;
}

GsPlace *gs_placement_reserve(const GsQuestion *question, int wait_ms)
{
	TimestampTz give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait_ms);
	GsCandidates candidates;
	GsPolicy policy;

	for (int round = 0;; round++) {
		GsPlace *place;

		if (round % ROUNDS_A_SEARCH == 0) {
			char *none;

			candidates = gs_placement_candidates(question, &policy);
			none = explain_none(question, &candidates, &policy);
			if (none != NULL)
				ereport(ERROR, (errcode(GS_ERR_NO_ROOM), errmsg("no storage device has room for the share"),
								errdetail("Size is %lld bytes; %s.", (long long)question->size, none)));
		}
		place = attempt(question, &candidates, &policy);
		if (place != NULL)
			return place;
		if (GetCurrentTimestamp() >= give_up)
			ereport(ERROR, (errcode(GS_ERR_DEVICES_BUSY), errmsg("other uploads hold all devices that have room"),
							errhint("Send the notice again in a moment.")));
		nap(round);
	}
}

GsPlace *gs_placement_try(const GsQuestion *question, char **refusal)
{
	GsPolicy policy;
	GsCandidates candidates = gs_placement_candidates(question, &policy);
	char *none = explain_none(question, &candidates, &policy);
	GsPlace *place = attempt(question, &candidates, &policy);

	if (place == NULL)
		*refusal = none != NULL ? psprintf("no room: %s", none) : "held by other notices";
	return place;
}
