/* SPDX-License-Identifier: PostgreSQL */
/*
 * Choosing among the candidates and reserving the bytes.
 *
 * The nearest candidates come first; among equally near ones the choice is drawn by free space (choice.c), so that a
 * herd spreads over a site and leaves it only when the site is full or busy. A device whose ledger row another
 * transaction holds is passed over, the nearest ones after a moment. When all are held, the notice queues for one of
 * them, for a turn; then the search starts again, because those who held them also changed how much room there is, and
 * another one may be free by now.
 *
 * Who holds a ledger row already must not wait for another (a moved upload gives its old reservation back first): it
 * looks again after short sleeps. Two moves in opposite directions then hold what the other wants, which only one of
 * them giving up can end: soon, therefore.
 *
 * "No room" is only said by a search that found no candidate, never because of locks.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "decision.h"
#include "draw.h"
#include "errcodes.h"
#include "ledger.h"
#include "placement.h"
#include "reserve.h"
#include "settings.h"

#define NAP_MIN_MS 1
#define NAP_MAX_MS 20
#define ROUNDS_A_SEARCH 8
#define TURN_MS 500
#define HELD_WAIT_MS 100
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
	const char *with_room = question->rehearsed != NULL ? "filled by the copies before it" : "just freed";

	if (candidates->count > 0)
		return NULL;
	return gs_candidates_tally(question, policy->passed_over_count > 0 ? GS_PASSED_OVER : with_room);
}

/* The first that nobody else holds; -1: all are held, or filled since they were found. Before it leaves the nearest for
 * farther ones it waits a moment: a report that is just being committed must not send an upload to another continent.
 */
static int reserve_any(const GsQuestion *question, const GsCandidates *candidates, int near_wait_ms)
{
	const GsCandidate *list = candidates->list;

	for (int i = 0; i < candidates->count; i++) {
		bool leaving = i > 0 && list[i].distance > list[0].distance && list[i - 1].distance == list[0].distance;

		if (leaving && near_wait_ms > 0 && !gs_ledger_held() &&
			gs_reserve_queue(question, &list[0].device, near_wait_ms))
			return 0;
		if (gs_reserve_free(question, &list[i].device))
			return i;
	}
	return -1;
}

/* What is kept of a decision: those before the chosen one were tried in vain. */
static GsPlace *decide(const GsQuestion *question, GsCandidates *candidates, int chosen, const GsPolicy *policy)
{
	GsPlace *place = palloc0(sizeof(*place));

	for (int i = 0; i < chosen; i++)
		candidates->list[i].outcome = "held or filled by another";
	candidates->list[chosen].outcome = "chosen";
	place->policy = *policy;
	place->device = candidates->list[chosen].device;
	place->device_name = candidates->list[chosen].name;
	place->distance = candidates->list[chosen].distance;
	place->candidates = gs_decision_record(question, candidates, policy);
	return place;
}

static GsCandidates search(const GsQuestion *question, GsPolicy *policy)
{
	GsCandidates candidates = gs_placement_candidates(question, policy);
	char *none = explain_none(question, &candidates, policy);

	if (none != NULL)
		ereport(ERROR, (errcode(GS_ERR_NO_ROOM), errmsg("no storage device has room for the share"),
						errdetail("Size is %lld bytes; %s.", (long long)question->size, none)));
	return candidates;
}

static int remaining_ms(TimestampTz give_up)
{
	return (int)TimestampDifferenceMilliseconds(GetCurrentTimestamp(), give_up);
}

GsPlace *gs_placement_reserve(const GsQuestion *question)
{
	bool may_queue = !gs_ledger_held();
	int wait_ms = may_queue ? gs_placement_wait_ms : Min(gs_placement_wait_ms, HELD_WAIT_MS);
	TimestampTz give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait_ms);
	GsCandidates candidates;
	GsPolicy policy;

	for (int round = 0;; round++) {
		int chosen, left_ms;

		if (may_queue || round % ROUNDS_A_SEARCH == 0)
			candidates = search(question, &policy);
		chosen = reserve_any(question, &candidates, Min(wait_ms, gs_placement_near_wait_ms));
		if (chosen >= 0)
			return decide(question, &candidates, chosen, &policy);
		left_ms = remaining_ms(give_up);
		if (left_ms <= 0)
			ereport(ERROR, (errcode(GS_ERR_DEVICES_BUSY), errmsg("other uploads hold all devices that have room"),
							errhint("Send the notice again in a moment.")));
		may_queue = !gs_ledger_held();
		if (!may_queue)
			nap(round);
		else if (gs_reserve_queue(question, &candidates.list[0].device, Min(left_ms, TURN_MS)))
			return decide(question, &candidates, 0, &policy);
	}
}

GsPlace *gs_placement_try(const GsQuestion *question, char **refusal)
{
	GsPolicy policy;
	GsCandidates candidates = gs_placement_candidates(question, &policy);
	char *none = explain_none(question, &candidates, &policy);
	int chosen = none != NULL ? -1 : reserve_any(question, &candidates, 0);

	if (chosen >= 0)
		return decide(question, &candidates, chosen, &policy);
	*refusal = none != NULL ? psprintf("no room: %s", none) : "held by other notices";
	return NULL;
}

bool gs_placement_rehearse(const GsQuestion *question, GsCandidate *first, char **refusal)
{
	GsPolicy policy;
	GsCandidates candidates = gs_placement_candidates(question, &policy);
	char *none = explain_none(question, &candidates, &policy);

	if (none == NULL)
		*first = candidates.list[0];
	else
		*refusal = psprintf("no room: %s", none);
	return none == NULL;
}
