/* SPDX-License-Identifier: PostgreSQL */
/*
 * Buckets of bytes; see pace.h. One timer fills all of them while there is one; who waits is served in turn. A bucket
 * outlives its transfers until it is full again, so that many short transfers are no faster than a long one.
 */
#include "storaged/pace.h"

#include <stdlib.h>

#define TICK_MS 50
#define BURST_MS 250
#define BURST_LEAST_BYTES (64 << 10)
#define FILL_MOST_MS 1000000 /* times the greatest rate of a ticket, 2^53 - 1, it is still an int64_t */

TAILQ_HEAD(GsPacedQueue, GsPaced);

typedef struct GsPace {
	GsStore *store;
	GsUuid server, terminal;
	int64_t rate_bytes; /* a second */
	int64_t bytes;      /* in the bucket; below 0: what came ahead of its time */
	uint64_t filled_ms;
	size_t users;
	struct GsPacedQueue waiting; /* the longest first */
	TAILQ_ENTRY(GsPace) link;
} GsPace;

static int64_t burst_of(const GsPace *pace)
{
	int64_t burst = pace->rate_bytes / (1000 / BURST_MS);

	return burst > BURST_LEAST_BYTES ? burst : BURST_LEAST_BYTES;
}

static void fill(GsPace *pace)
{
	uint64_t now_ms = uv_now(pace->store->loop), passed_ms = now_ms - pace->filled_ms;
	int64_t most = burst_of(pace);

	pace->filled_ms = now_ms;
	/* The worker was stopped for a while. */
	if (passed_ms > FILL_MOST_MS)
		passed_ms = FILL_MOST_MS;
	pace->bytes += pace->rate_bytes / 1000 * (int64_t)passed_ms + pace->rate_bytes % 1000 * (int64_t)passed_ms / 1000;
	if (pace->bytes > most)
		pace->bytes = most;
}

/* Who does not get enough waits again, behind the others, and only once the bucket is empty. */
static void serve(GsPace *pace)
{
	GsPaced *paced;

	while (pace->bytes > 0 && (paced = TAILQ_FIRST(&pace->waiting)) != NULL) {
		TAILQ_REMOVE(&pace->waiting, paced, link);
		paced->waiting = false;
		paced->go(paced);
	}
}

static void tick(uv_timer_t *timer)
{
	GsStore *store = timer->data;
	GsPace *pace, *next;

	for (pace = TAILQ_FIRST(&store->paces); pace != NULL; pace = next) {
		pace->users++; /* it stays while it is served */
		fill(pace);
		serve(pace);
		pace->users--;
		next = TAILQ_NEXT(pace, link);
		if (pace->users == 0 && pace->bytes == burst_of(pace)) {
			TAILQ_REMOVE(&store->paces, pace, link);
			free(pace);
		}
	}
	if (TAILQ_EMPTY(&store->paces))
		uv_timer_stop(timer);
}

static GsPace *find(GsStore *store, const GsTicket *ticket)
{
	GsPace *pace;

	TAILQ_FOREACH(pace, &store->paces, link)
	if (gs_uuid_equal(&pace->terminal, &ticket->terminal) && gs_uuid_equal(&pace->server, &ticket->server))
		return pace;
	return NULL;
}

bool gs_pace_join(GsStore *store, GsPaced *paced, const GsTicket *ticket, void (*go)(GsPaced *paced))
{
	GsPace *pace;

	*paced = (GsPaced){.go = go};
	if (ticket->rate_bytes == 0)
		return true;
	pace = find(store, ticket);
	if (pace == NULL && (pace = calloc(1, sizeof(*pace))) == NULL)
		return false;
	if (pace->store == NULL) {
		pace->store = store;
		pace->server = ticket->server;
		pace->terminal = ticket->terminal;
		pace->rate_bytes = ticket->rate_bytes;
		pace->filled_ms = uv_now(store->loop);
		pace->bytes = burst_of(pace);
		TAILQ_INIT(&pace->waiting);
		TAILQ_INSERT_TAIL(&store->paces, pace, link);
	}
	pace->rate_bytes = ticket->rate_bytes;
	pace->users++;
	paced->pace = pace;
	if (!uv_is_active((uv_handle_t *)&store->pace_timer))
		uv_timer_start(&store->pace_timer, tick, TICK_MS, TICK_MS);
	return true;
}

void gs_pace_leave(GsPaced *paced, uint64_t owed)
{
	GsPace *pace = paced->pace;

	if (pace == NULL)
		return;
	gs_pace_spend(paced, owed);
	if (paced->waiting)
		TAILQ_REMOVE(&pace->waiting, paced, link);
	pace->users--;
	*paced = (GsPaced){0};
}

uint64_t gs_pace_room(GsPaced *paced)
{
	GsPace *pace = paced->pace;

	if (pace == NULL)
		return UINT64_MAX;
	if (pace->bytes > 0)
		return (uint64_t)pace->bytes;
	if (!paced->waiting)
		TAILQ_INSERT_TAIL(&pace->waiting, paced, link);
	paced->waiting = true;
	return 0;
}

void gs_pace_spend(GsPaced *paced, uint64_t bytes)
{
	if (paced->pace != NULL)
		paced->pace->bytes -= (int64_t)bytes;
}

void gs_pace_start(GsStore *store)
{
	TAILQ_INIT(&store->paces);
	uv_timer_init(store->loop, &store->pace_timer);
	store->pace_timer.data = store;
}

static void timer_closed(uv_handle_t *handle)
{
	size_t *open_handles = handle->data;

	--*open_handles;
}

void gs_pace_stop(GsStore *store, size_t *open_handles)
{
	GsPace *pace;

	while ((pace = TAILQ_FIRST(&store->paces)) != NULL) {
		TAILQ_REMOVE(&store->paces, pace, link);
		free(pace);
	}
	store->pace_timer.data = open_handles;
	++*open_handles;
	uv_close((uv_handle_t *)&store->pace_timer, timer_closed);
}
