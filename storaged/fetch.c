/* SPDX-License-Identifier: PostgreSQL */
/*
 * Orders to fetch, on the loop's side; see fetch.h. Bytes are counted as an upload's: used and staged from the start of
 * a fetch until it is given up, or until its receipt is sent. One that was given up stays in the list until the control
 * server has heard of it, so that no order starts it again before.
 */
#include "storaged/fetch.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "storaged/control.h"
#include "storaged/fault.h"
#include "storaged/measure.h"
#include "storaged/receipt.h"

#define KEEP_S 86400 /* what is paused; an order or a deletion comes long before */

static const char *const reasons[GS_FETCH_ENDS] = {
	[GS_FETCH_SOURCE_MISSING] = "source_missing",
	[GS_FETCH_SOURCE_DAMAGED] = "source_damaged",
	[GS_FETCH_SOURCE_UNREACHABLE] = "source_unreachable",
	[GS_FETCH_NO_ROOM] = "no_room",
	[GS_FETCH_FAILED] = "failed",
};

const char *gs_fetch_reason(const GsFetch *fetch)
{
	return reasons[fetch->end];
}

static void fetch_free(GsFetch *fetch)
{
	TAILQ_REMOVE(&fetch->store->fetches, fetch, link);
	uv_cond_destroy(&fetch->changed);
	uv_mutex_destroy(&fetch->lock);
	free(fetch->ca);
	free(fetch->place);
	free(fetch);
}

/* Everything but the thread. NULL: out of memory. */
static GsFetch *fetch_new(GsStore *store, GsServer *server, const GsFetchOrder *order)
{
	const GsStorageSettings *settings = store->settings;
	GsFetch *fetch = calloc(1, sizeof(*fetch));

	if (fetch == NULL)
		return NULL;
	fetch->place = calloc(1, sizeof(*fetch->place));
	fetch->ca = settings->fetch_ca != NULL ? strdup(settings->fetch_ca) : NULL;
	if (fetch->place == NULL || (settings->fetch_ca != NULL && fetch->ca == NULL) || uv_mutex_init(&fetch->lock) != 0) {
		free(fetch->place);
		free(fetch->ca);
		free(fetch);
		return NULL;
	}
	if (uv_cond_init(&fetch->changed) != 0)
		abort(); /* glibc's can't fail */
	fetch->store = store;
	fetch->server = server;
	fetch->active.object = order->object;
	fetch->size_bytes = order->size_bytes;
	memcpy(fetch->sha256, order->sha256, GS_SHA256_BYTES);
	fetch->origin = order->origin;
	fetch->stage.fd = -1;
	fetch->rate_bytes = settings->fetch_rate_bytes / (settings->max_fetches > 0 ? settings->max_fetches : 1);
	fetch->min_rate_bytes = settings->common.min_body_rate_bytes;
	fetch->stall_ms = settings->common.send_stall_timeout_ms;
	fetch->until_s = gs_clock_now_s(&server->clock) + KEEP_S;
	fetch->listed = true;
	TAILQ_INSERT_TAIL(&store->fetches, fetch, link);
	return fetch;
}

static void renew(GsFetch *fetch, const GsFetchOrder *order)
{
	uv_mutex_lock(&fetch->lock);
	strcpy(fetch->url, order->url);
	strcpy(fetch->ticket, order->ticket);
	uv_cond_signal(&fetch->changed);
	uv_mutex_unlock(&fetch->lock);
}

static void stop(GsFetch *fetch)
{
	uv_mutex_lock(&fetch->lock);
	atomic_store(&fetch->stop, true);
	uv_cond_signal(&fetch->changed);
	uv_mutex_unlock(&fetch->lock);
}

/* The end ------------------------------------------------------------------------------------------------------------
 */

static void count_bytes(GsFetch *fetch)
{
	uint64_t now = atomic_load(&fetch->fetched_bytes);

	gs_metric_add(&gs_metric_fetched_bytes, (double)(now - fetch->counted_bytes));
	fetch->counted_bytes = now;
}

static void uncount(GsFetch *fetch)
{
	fetch->store->used_bytes -= fetch->size_bytes;
	gs_server_unstage(fetch->server, fetch->size_bytes);
}

static void give_up(GsFetch *fetch)
{
	GsStore *store = fetch->store;

	gs_fault_exit("fetch_given_up");
	gs_log(GS_LOG_WARN, NULL, "a fetch is given up", "object", fetch->active.object.text, "reason",
		   gs_fetch_reason(fetch), "why", fetch->why[0] != '\0' ? fetch->why : "-", NULL);
	gs_metric_add(&gs_metric_fetch_failures[fetch->end - GS_FETCH_SOURCE_MISSING], 1);
	if (!fetch->discarded || fetch->disk == GS_STAGE_UNSYNCED)
		gs_store_set_read_only(store, fetch->active.object.text, fetch->stage.error);
	uncount(fetch);
}

static void wait_to_be_told(GsFetch *fetch)
{
	fetch->state = GS_FETCH_GIVEN_UP;
	if (fetch->server->control != NULL)
		gs_control_kick(fetch->server->control);
}

static void pass_receipt(GsFetch *fetch, bool staged)
{
	GsReceipt *receipt = gs_receipt_new();

	gs_metric_add(&gs_metric_fetches_total, staged ? 1 : 0);
	fetch->server->fetched = true;
	if (!staged)
		uncount(fetch);
	if (receipt != NULL) {
		gs_receipt_add(fetch->store, fetch->server, receipt, &fetch->stored, staged);
		return;
	}
	/* Stored and journaled; the next start, or the next order, sends the receipt. */
	gs_log(GS_LOG_ERROR, NULL, "out of memory for a receipt", "object", fetch->active.object.text, NULL);
	if (staged)
		gs_server_unstage(fetch->server, fetch->size_bytes);
}

static void pass_stage(GsFetch *fetch)
{
	GsStaged *staged = fetch->place;

	gs_log(GS_LOG_INFO, NULL, "a fetch is paused", "object", fetch->active.object.text, NULL);
	fetch->place = NULL;
	staged->server = fetch->server;
	staged->stage = fetch->stage;
	gs_staged_add(fetch->store, staged);
}

/* A place is free. */
static void wake_waiting(GsStore *store)
{
	for (size_t i = 0; i < store->server_count; i++)
		if (store->servers[i].fetch_waits && store->servers[i].control != NULL)
			gs_control_report(store->servers[i].control);
}

/* The handle is closed: the fetch may be freed. */
static void closed(uv_handle_t *handle)
{
	GsFetch *fetch = handle->data;
	GsStore *store = fetch->store;

	if (gs_fetch_reason(fetch) == NULL)
		fetch_free(fetch);
	else
		wait_to_be_told(fetch);
	gs_store_end_thread(store);
}

static void finish(GsFetch *fetch)
{
	uv_close((uv_handle_t *)&fetch->ended, closed);
	count_bytes(fetch);
	fetch->state = GS_FETCH_CLOSING;
	fetch->store->fetching--;
	gs_metric_set(&gs_metric_fetches, (double)fetch->store->fetching);
	gs_active_remove(&fetch->store->active, &fetch->active);
	if (fetch->end == GS_FETCH_PAUSED)
		pass_stage(fetch);
	else if (fetch->end == GS_FETCH_STORED || fetch->end == GS_FETCH_THERE)
		pass_receipt(fetch, fetch->end == GS_FETCH_STORED);
	else
		give_up(fetch);
	wake_waiting(fetch->store);
}

static void ended(uv_async_t *async)
{
	GsFetch *fetch = async->data;

	uv_thread_join(&fetch->thread);
	finish(fetch);
}

/* The beginning ------------------------------------------------------------------------------------------------------
 */

static void thread_main(void *arg)
{
	GsFetch *fetch = arg;

	gs_fetch_run(fetch);
	uv_async_send(&fetch->ended);
}

/* Goes on with what is staged, or counts what will be. */
static GsFetchEnd admit(GsFetch *fetch)
{
	GsStore *store = fetch->store;
	GsStaged *staged = gs_staged_find(store, &fetch->active.object);

	if (store->read_only)
		return GS_FETCH_NO_ROOM;
	if (staged == NULL && !gs_store_has_room(store, fetch->size_bytes))
		return GS_FETCH_NO_ROOM;
	if (staged != NULL && (staged->server != fetch->server || staged->stage.size_bytes != fetch->size_bytes))
		return GS_FETCH_FAILED;
	if (staged != NULL) {
		gs_staged_take(staged);
		free(fetch->place);
		fetch->place = staged;
		fetch->stage = staged->stage;
		fetch->resumed = true;
	} else {
		store->used_bytes += fetch->size_bytes;
		gs_server_stage(fetch->server, fetch->size_bytes);
	}
	return GS_FETCH_GOING;
}

/* On a thread whose signals are the loop's business. */
static int start_thread(GsFetch *fetch)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = uv_thread_create(&fetch->thread, thread_main, fetch);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static void refuse(GsFetch *fetch, GsFetchEnd end)
{
	fetch->end = end;
	gs_metric_add(&gs_metric_fetch_failures[end - GS_FETCH_SOURCE_MISSING], 1);
	gs_log(GS_LOG_WARN, NULL, "a fetch is refused", "object", fetch->active.object.text, "reason",
		   gs_fetch_reason(fetch), NULL);
	wait_to_be_told(fetch);
}

static void start(GsStore *store, GsServer *server, const GsFetchOrder *order)
{
	GsFetch *fetch = fetch_new(store, server, order);
	GsFetchEnd end;

	if (fetch == NULL)
		return; /* the next report has the order again */
	renew(fetch, order);
	end = admit(fetch);
	if (end != GS_FETCH_GOING) {
		refuse(fetch, end);
		return;
	}
	store->fetching++;
	server->fetch_turn = ++store->fetch_turns;
	gs_active_add(&store->active, &fetch->active, &order->object, GS_ACTIVE_FETCH);
	gs_store_begin_thread(store);
	gs_metric_set(&gs_metric_fetches, (double)store->fetching);
	uv_async_init(store->loop, &fetch->ended, ended);
	fetch->ended.data = fetch;
	if (start_thread(fetch) == 0)
		return;
	/* No thread: it ends as if it had been stopped at once; what was never opened is not kept. */
	fetch->end = fetch->resumed ? GS_FETCH_PAUSED : GS_FETCH_FAILED;
	fetch->discarded = true;
	finish(fetch);
}

static GsFetch *find(const GsStore *store, const GsUuid *object)
{
	GsFetch *fetch;

	TAILQ_FOREACH(fetch, &store->fetches, link)
	if (gs_uuid_equal(&fetch->active.object, object))
		return fetch;
	return NULL;
}

static bool may_start(const GsStore *store, const GsServer *server, const GsUuid *object)
{
	return !store->draining && server->receipt_count < (size_t)store->settings->max_receipts &&
		   gs_active_find(&store->active, object) == NULL;
}

static size_t running_of(const GsStore *store, const GsServer *server)
{
	const GsFetch *fetch;
	size_t count = 0;

	TAILQ_FOREACH(fetch, &store->fetches, link)
	count += fetch->server == server && fetch->state == GS_FETCH_RUNNING ? 1 : 0;
	return count;
}

/* Fewer running; of as many, longer since the last start. */
static bool comes_before(const GsStore *store, const GsServer *a, const GsServer *b)
{
	size_t of_a = running_of(store, a), of_b = running_of(store, b);

	return of_a != of_b ? of_a < of_b : a->fetch_turn < b->fetch_turn;
}

/* A control server with many copies to make, which asks as soon as one is done, leaves their turn to the others. */
static bool has_place(const GsStore *store, const GsServer *server)
{
	if (store->fetching >= (size_t)store->settings->max_fetches)
		return false;
	for (size_t i = 0; i < store->server_count; i++) {
		const GsServer *other = &store->servers[i];

		if (other != server && other->fetch_waits && other->control != NULL && gs_control_announced(other->control) &&
			comes_before(store, other, server))
			return false;
	}
	return true;
}

void gs_fetch_take(GsStore *store, GsServer *server, const GsFetchOrder *orders, size_t count)
{
	bool waited = server->fetch_waits;
	GsFetch *fetch;

	server->fetch_waits = false;
	TAILQ_FOREACH(fetch, &store->fetches, link)
	fetch->listed = fetch->server != server;
	for (size_t i = 0; i < count; i++) {
		const GsFetchOrder *order = &orders[i];

		fetch = find(store, &order->object);
		if (fetch != NULL && fetch->server == server) {
			fetch->listed = true;
			renew(fetch, order);
		} else if (fetch == NULL && may_start(store, server, &order->object)) {
			if (has_place(store, server))
				start(store, server, order);
			else
				server->fetch_waits = true;
		}
	}
	TAILQ_FOREACH(fetch, &store->fetches, link)
	{
		if (!fetch->listed && fetch->state == GS_FETCH_RUNNING)
			stop(fetch);
		if (fetch->state == GS_FETCH_RUNNING)
			count_bytes(fetch);
	}
	/* It has had its turn. */
	if (waited && !server->fetch_waits && store->fetching < (size_t)store->settings->max_fetches)
		wake_waiting(store);
}

/* From outside -------------------------------------------------------------------------------------------------------
 */

void gs_fetch_stop(GsStore *store, const GsServer *server, const GsUuid *object)
{
	GsFetch *fetch = find(store, object);

	if (fetch != NULL && fetch->server == server && fetch->state == GS_FETCH_RUNNING)
		stop(fetch);
}

void gs_fetch_stop_all(GsStore *store)
{
	GsFetch *fetch;

	TAILQ_FOREACH(fetch, &store->fetches, link)
	if (fetch->state == GS_FETCH_RUNNING)
		stop(fetch);
}

GsFetch *gs_fetch_next_failed(const GsStore *store, const GsServer *server)
{
	GsFetch *fetch;

	TAILQ_FOREACH(fetch, &store->fetches, link)
	if (fetch->state == GS_FETCH_GIVEN_UP && fetch->server == server)
		return fetch;
	return NULL;
}

void gs_fetch_told(GsFetch *fetch)
{
	fetch_free(fetch);
}

void gs_fetch_free_all(GsStore *store)
{
	GsFetch *fetch;

	while ((fetch = TAILQ_FIRST(&store->fetches)) != NULL) {
		assert(fetch->state == GS_FETCH_GIVEN_UP);
		fetch_free(fetch);
	}
}
