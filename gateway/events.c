/* SPDX-License-Identifier: PostgreSQL */
/*
 * A waiter asks api_events; when nothing is new it is parked until a notification names its terminal or its timer runs
 * out, and asks again. It stands in the table before it asks the first time, and a notification that comes while it
 * asks is remembered (`woken`), so none falls between. Who is to ask again passes through one line (`due`) of which at
 * most MAX_ASKING ask at a time: a notification for all must not fill the pool's queue.
 *
 * The session is checked by every asking; an event stream asks at least every ASK_AGAIN_BEATS heartbeats, so a
 * session that ended ends the stream. Memory: a waiter is freed when its timer is closed, after the stream's `closed`.
 */
#include "gateway/events.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/metrics.h"
#include "gateway/event_waiter.h"
#include "gateway/request.h"

#define MAX_ASKING 32
#define ASK_AGAIN_BEATS 4

static GsMetric waiters_metric = {
	.name = "groupshare_gateway_event_waiters", .help = "Open event requests.", .type = GS_METRIC_GAUGE};

void gs_waiter_set_state(GsWaiter *waiter, GsWaiterState state)
{
	static const unsigned legal[] = {
		[WAITER_ASKING] = 1u << WAITER_PARKED | 1u << WAITER_DUE | 1u << WAITER_TAKING | 1u << WAITER_ENDED,
		[WAITER_PARKED] = 1u << WAITER_DUE | 1u << WAITER_ENDED,
		[WAITER_DUE] = 1u << WAITER_ASKING | 1u << WAITER_PARKED | 1u << WAITER_ENDED,
		[WAITER_TAKING] = 1u << WAITER_DUE | 1u << WAITER_ENDED,
		[WAITER_ENDED] = 0,
	};

	assert(legal[waiter->state] & 1u << state);
	if (waiter->state == WAITER_DUE)
		TAILQ_REMOVE(&waiter->events->due, waiter, due_link);
	waiter->state = state;
	if (state == WAITER_DUE)
		TAILQ_INSERT_TAIL(&waiter->events->due, waiter, due_link);
}

/* UUIDs are random enough: eight hex digits choose the bucket. */
static GsWaiterList *bucket_of(GsEvents *events, const char *terminal)
{
	char digits[9];

	snprintf(digits, sizeof digits, "%.8s", terminal);
	return &events->buckets[strtoul(digits, NULL, 16) % GS_EVENT_BUCKETS];
}

static void leave_line(GsWaiter *waiter)
{
	if (waiter->in_line)
		waiter->events->asking--;
	waiter->in_line = false;
}

void gs_waiter_stop_asking(GsWaiter *waiter)
{
	if (waiter->request)
		gs_pg_pool_cancel(waiter->request);
	waiter->request = NULL;
	leave_line(waiter);
}

void gs_waiter_due(GsWaiter *waiter)
{
	waiter->woken = false;
	gs_waiter_set_state(waiter, WAITER_DUE);
}

/* Asking ------------------------------------------------------------------------------------------------------------
 */

static void ask_done(void *owner, const GsPgReply *reply)
{
	GsWaiter *waiter = owner;
	GsEvents *events = waiter->events;

	waiter->request = NULL;
	leave_line(waiter);
	gs_admission_learn(waiter->stream, reply, waiter->unknown);
	waiter->unknown = false;
	gs_waiter_answered(waiter, reply);
	gs_waiters_move(events);
}

/* In state ASKING. */
static void waiter_ask(GsWaiter *waiter)
{
	static const GsPgReply not_sent = {.outcome = GS_PG_NOT_SENT};
	GsPgRequest *request = gs_request_new(waiter->stream, waiter->api, waiter->params, NULL, ask_done, waiter);

	waiter->request = request;
	if (request && gs_pg_pool_submit(waiter->server->pool, request) == 0)
		return;
	waiter->request = NULL;
	leave_line(waiter);
	gs_waiter_answered(waiter, &not_sent);
}

/* Nobody asks a server that is away: the next connection to it wakes all. */
void gs_waiters_move(GsEvents *events)
{
	GsWaiter *waiter;

	while (events->asking < MAX_ASKING && (waiter = TAILQ_FIRST(&events->due))) {
		if (gs_pg_pool_live(waiter->server->pool)) {
			gs_waiter_set_state(waiter, WAITER_ASKING);
			waiter->in_line = true;
			events->asking++;
			waiter_ask(waiter);
		} else if (waiter->live && !waiter->last) {
			gs_waiter_set_state(waiter, WAITER_PARKED);
		} else if (waiter->live) {
			gs_waiter_end_stream(waiter);
		} else {
			gs_waiter_answer(waiter, NULL);
		}
	}
}

static void on_timer(uv_timer_t *timer)
{
	GsWaiter *waiter = timer->data;

	if (!waiter->live) {
		waiter->last = true;
		if (waiter->state == WAITER_PARKED)
			gs_waiter_due(waiter);
	} else if (waiter->out.started && gs_event_stream_empty(&waiter->out)) {
		if (gs_event_stream_comment(&waiter->out) == 0)
			gs_event_stream_flush(&waiter->out);
		if (++waiter->beats >= ASK_AGAIN_BEATS && waiter->state == WAITER_PARKED)
			gs_waiter_due(waiter);
	}
	gs_waiters_move(waiter->events);
}

static void waiter_wake(GsWaiter *waiter)
{
	if (waiter->state == WAITER_PARKED)
		gs_waiter_due(waiter);
	else
		waiter->woken = true;
}

static void wake_one(GsEvents *events, const GsServer *server, const char *terminal)
{
	GsWaiter *waiter;

	TAILQ_FOREACH(waiter, bucket_of(events, terminal), link)
	if (waiter->server == server && strncmp(waiter->terminal, terminal, GS_EVENT_TERMINAL_BYTES) == 0)
		waiter_wake(waiter);
}

void gs_events_wake(GsEvents *events, const GsServer *server, const char *terminals)
{
	GsWaiter *waiter;

	if (*terminals == '\0')
		for (int i = 0; i < GS_EVENT_BUCKETS; i++)
			TAILQ_FOREACH(waiter, &events->buckets[i], link)
	if (waiter->server == server)
		waiter_wake(waiter);
	while (*terminals) {
		size_t size = strcspn(terminals, ",");

		if (size == GS_EVENT_TERMINAL_BYTES)
			wake_one(events, server, terminals);
		terminals += size + (terminals[size] == ',');
	}
	gs_waiters_move(events);
}

/* Its next answer is its last; one that is not being asked for gets it now. `away`: its server is not to be asked. */
static void waiter_last(GsWaiter *waiter, bool away)
{
	waiter->last = true;
	if (waiter->state == WAITER_ENDED)
		return;
	if (waiter->live && waiter->out.started)
		gs_waiter_end_stream(waiter);
	else if (away && waiter->state != WAITER_ASKING)
		gs_waiter_answer(waiter, NULL);
	else if (waiter->state == WAITER_PARKED)
		gs_waiter_due(waiter);
}

void gs_events_end(GsEvents *events, const GsServer *server)
{
	GsWaiter *waiter;

	if (!server)
		events->draining = true;
	for (int i = 0; i < GS_EVENT_BUCKETS; i++)
		TAILQ_FOREACH(waiter, &events->buckets[i], link)
	if (!server || waiter->server == server)
		waiter_last(waiter, server != NULL);
	gs_waiters_move(events);
}

/* A waiter's life ---------------------------------------------------------------------------------------------------
 */

static void waiter_free(uv_handle_t *handle)
{
	GsWaiter *waiter = handle->data;

	gs_event_stream_free(&waiter->out);
	json_decref(waiter->params);
	free(waiter);
}

GsWaiter *gs_waiter_new(GsEvents *events, GsStream *stream, const char *terminal, bool live)
{
	GsWaiter *waiter = calloc(1, sizeof *waiter);

	if (!waiter)
		return NULL;
	waiter->events = events;
	waiter->stream = stream;
	waiter->api = gs_stream_route_arg(stream);
	waiter->state = WAITER_ASKING;
	waiter->live = live;
	snprintf(waiter->terminal, sizeof waiter->terminal, "%s", terminal);
	uv_timer_init(events->gateway->loop, &waiter->timer);
	waiter->timer.data = waiter;
	TAILQ_INSERT_TAIL(bucket_of(events, waiter->terminal), waiter, link);
	events->waiters++;
	gs_metric_set(&waiters_metric, (double)events->waiters);
	gs_stream_set_data(stream, waiter);
	return waiter;
}

void gs_waiter_start(GsWaiter *waiter, int wait_s)
{
	const GsGatewaySettings *settings = waiter->events->gateway->settings;
	const char *last_id = gs_stream_header(waiter->stream, "last-event-id");

	/* The gateway's own parameter. */
	json_object_del(waiter->params, "wait");
	if (waiter->live && last_id)
		json_object_set_new(waiter->params, "after", json_string(last_id));
	waiter->last = waiter->events->draining || (!waiter->live && wait_s == 0);
	if (waiter->live)
		uv_timer_start(&waiter->timer, on_timer, (uint64_t)settings->event_heartbeat_ms,
					   (uint64_t)settings->event_heartbeat_ms);
	else if (wait_s > 0)
		uv_timer_start(&waiter->timer, on_timer, (uint64_t)wait_s * 1000, 0);
	waiter_ask(waiter);
}

void gs_waiter_close(GsWaiter *waiter)
{
	GsEvents *events = waiter->events;

	gs_waiter_stop_asking(waiter);
	if (waiter->state != WAITER_ENDED)
		gs_waiter_set_state(waiter, WAITER_ENDED);
	TAILQ_REMOVE(bucket_of(events, waiter->terminal), waiter, link);
	events->waiters--;
	gs_metric_set(&waiters_metric, (double)events->waiters);
	uv_close((uv_handle_t *)&waiter->timer, waiter_free);
	gs_waiters_move(events);
}

/* All of them -------------------------------------------------------------------------------------------------------
 */

GsEvents *gs_events_new(GsGateway *gateway)
{
	GsEvents *events = calloc(1, sizeof *events);

	if (!events)
		return NULL;
	events->gateway = gateway;
	TAILQ_INIT(&events->due);
	for (int i = 0; i < GS_EVENT_BUCKETS; i++)
		TAILQ_INIT(&events->buckets[i]);
	gs_metric_register(&waiters_metric);
	return events;
}

void gs_events_free(GsEvents *events)
{
	free(events);
}
