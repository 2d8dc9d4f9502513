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

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/response.h"
#include "gateway/event_stream.h"
#include "gateway/gateway.h"
#include "gateway/reply.h"
#include "gateway/request.h"

#define BUCKETS 1024
#define MAX_ASKING 32
#define MAX_WAIT_S 60
#define ASK_AGAIN_BEATS 4
#define UUID_SIZE 36

typedef enum WaiterState {
	WAITER_ASKING, /* its request is with the pool */
	WAITER_PARKED, /* nothing new */
	WAITER_DUE,    /* in line to ask */
	WAITER_TAKING, /* its stream has not taken all yet; then it asks */
	WAITER_ENDED   /* answered, ending, or closed */
} WaiterState;

typedef struct Waiter {
	GsEvents *events;
	GsStream *stream;
	const GsApi *api;
	GsServer *server;
	WaiterState state;
	bool live;    /* server-sent events, else a long poll */
	bool woken;   /* a notification came while it asked */
	bool last;    /* its time is up: the next answer is sent whatever it is */
	bool in_line; /* asks by the line, so it counts in `asking` */
	int beats;
	char terminal[UUID_SIZE + 1];
	json_t *params;
	GsPgRequest *request;
	GsEventStream out;
	uv_timer_t timer;
	TAILQ_ENTRY(Waiter) due_link;
	TAILQ_ENTRY(Waiter) link;
} Waiter;

typedef TAILQ_HEAD(WaiterList, Waiter) WaiterList;

struct GsEvents {
	GsGateway *gateway;
	WaiterList buckets[BUCKETS]; /* by terminal */
	WaiterList due;
	size_t waiters;
	size_t asking;
	bool draining;
};

static GsMetric waiters_metric = {
	.name = "groupshare_gateway_event_waiters", .help = "Open event requests.", .type = GS_METRIC_GAUGE};

static void waiter_ask(Waiter *waiter);
static void line_move(GsEvents *events);

static void waiter_set_state(Waiter *waiter, WaiterState state)
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
static WaiterList *bucket_of(GsEvents *events, const char *terminal)
{
	char digits[9];

	snprintf(digits, sizeof digits, "%.8s", terminal);
	return &events->buckets[strtoul(digits, NULL, 16) % BUCKETS];
}

/* Answering ---------------------------------------------------------------------------------------------------------
 */

static void waiter_end_stream(Waiter *waiter)
{
	waiter_set_state(waiter, WAITER_ENDED);
	uv_timer_stop(&waiter->timer);
	gs_event_stream_end(&waiter->out);
}

/* With whatever the control server said; or it could not be asked (NULL). */
static void waiter_answer(Waiter *waiter, const GsPgReply *reply)
{
	waiter_set_state(waiter, WAITER_ENDED);
	uv_timer_stop(&waiter->timer);
	if (reply)
		gs_reply_send(waiter->stream, waiter->api, reply);
	else
		gs_reply_overloaded(waiter->stream);
}

static void waiter_due(Waiter *waiter)
{
	waiter->woken = false;
	waiter_set_state(waiter, WAITER_DUE);
}

/* Nothing new. A notification that came meanwhile, or the end of its time, has it ask once more. */
static void waiter_park(Waiter *waiter)
{
	if (waiter->woken || waiter->last)
		waiter_due(waiter);
	else
		waiter_set_state(waiter, WAITER_PARKED);
}

static void stream_drained(void *owner)
{
	Waiter *waiter = owner;

	if (waiter->state != WAITER_TAKING)
		return;
	waiter_due(waiter);
	line_move(waiter->events);
}

/* The cursor moves to what the answer calls next, else to the last event in it. */
static void waiter_advance(Waiter *waiter, const json_t *answer, const json_t *list)
{
	const json_t *next = json_object_get(answer, "next");
	char number[24];

	if (!json_is_string(next) && !json_is_integer(next))
		next = json_object_get(json_array_get(list, json_array_size(list) - 1), "id");
	if (json_is_integer(next)) {
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(next));
		json_object_set_new(waiter->params, "after", json_string(number));
	} else if (json_is_string(next)) {
		json_object_set_new(waiter->params, "after", json_string(json_string_value(next)));
	}
}

static void stream_answered(Waiter *waiter, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "events");
	const json_t *event;
	size_t i;

	if (!waiter->out.started)
		gs_event_stream_start(&waiter->out, waiter->stream, stream_drained, waiter);
	waiter->beats = 0;
	if (json_array_size(list) == 0) {
		waiter_park(waiter);
		return;
	}
	waiter_set_state(waiter, WAITER_TAKING);
	json_array_foreach(list, i, event)
	{
		if (gs_event_stream_put(&waiter->out, event) < 0) {
			gs_log(GS_LOG_ERROR, gs_stream_request_id(waiter->stream), "an event can't be sent", NULL);
			waiter_end_stream(waiter);
			return;
		}
	}
	waiter_advance(waiter, answer, list);
	gs_event_stream_flush(&waiter->out);
}

/* Not answered with a row: a stream that runs goes on when the server is only away, and ends when it said no. */
static void stream_failed(Waiter *waiter, const GsPgReply *reply)
{
	if (!waiter->out.started)
		waiter_answer(waiter, reply);
	else if (reply->outcome == GS_PG_ERROR)
		waiter_end_stream(waiter);
	else
		waiter_set_state(waiter, WAITER_PARKED);
}

static void ask_answered(Waiter *waiter, const GsPgReply *reply)
{
	json_t *answer = NULL;

	if (reply->outcome == GS_PG_ROW && reply->value[1])
		answer = json_loadb(reply->value[1], reply->size[1], 0, NULL);
	if (waiter->live) {
		if (answer)
			stream_answered(waiter, answer);
		else
			stream_failed(waiter, reply);
		if (waiter->last && waiter->state != WAITER_ENDED)
			waiter_end_stream(waiter);
	} else if (answer && !waiter->last && json_array_size(json_object_get(answer, "events")) == 0) {
		waiter_park(waiter);
	} else {
		waiter_answer(waiter, reply);
	}
	json_decref(answer);
}

static void leave_line(Waiter *waiter)
{
	if (waiter->in_line)
		waiter->events->asking--;
	waiter->in_line = false;
}

static void ask_done(void *owner, const GsPgReply *reply)
{
	Waiter *waiter = owner;
	GsEvents *events = waiter->events;

	waiter->request = NULL;
	leave_line(waiter);
	ask_answered(waiter, reply);
	line_move(events);
}

/* Asking ------------------------------------------------------------------------------------------------------------
 */

/* In state ASKING. */
static void waiter_ask(Waiter *waiter)
{
	static const GsPgReply not_sent = {.outcome = GS_PG_NOT_SENT};
	GsPgRequest *request = gs_request_new(waiter->stream, waiter->api, waiter->params, NULL, ask_done, waiter);

	waiter->request = request;
	if (request && gs_pg_pool_submit(waiter->server->pool, request) == 0)
		return;
	waiter->request = NULL;
	leave_line(waiter);
	ask_answered(waiter, &not_sent);
}

/* Nobody asks a server that is away: the next connection to it wakes all. */
static void line_move(GsEvents *events)
{
	Waiter *waiter;

	while (events->asking < MAX_ASKING && (waiter = TAILQ_FIRST(&events->due))) {
		if (gs_pg_pool_live(waiter->server->pool)) {
			waiter_set_state(waiter, WAITER_ASKING);
			waiter->in_line = true;
			events->asking++;
			waiter_ask(waiter);
		} else if (waiter->live && !waiter->last) {
			waiter_set_state(waiter, WAITER_PARKED);
		} else if (waiter->live) {
			waiter_end_stream(waiter);
		} else {
			waiter_answer(waiter, NULL);
		}
	}
}

static void on_timer(uv_timer_t *timer)
{
	Waiter *waiter = timer->data;

	if (!waiter->live) {
		waiter->last = true;
		if (waiter->state == WAITER_PARKED)
			waiter_due(waiter);
	} else if (waiter->out.started && gs_event_stream_empty(&waiter->out)) {
		if (gs_event_stream_comment(&waiter->out) == 0)
			gs_event_stream_flush(&waiter->out);
		if (++waiter->beats >= ASK_AGAIN_BEATS && waiter->state == WAITER_PARKED)
			waiter_due(waiter);
	}
	line_move(waiter->events);
}

static void waiter_wake(Waiter *waiter)
{
	if (waiter->state == WAITER_PARKED)
		waiter_due(waiter);
	else
		waiter->woken = true;
}

static void wake_one(GsEvents *events, const GsServer *server, const char *terminal)
{
	Waiter *waiter;

	TAILQ_FOREACH(waiter, bucket_of(events, terminal), link)
	if (waiter->server == server && strncmp(waiter->terminal, terminal, UUID_SIZE) == 0)
		waiter_wake(waiter);
}

void gs_events_wake(GsEvents *events, const GsServer *server, const char *terminals)
{
	Waiter *waiter;

	if (*terminals == '\0')
		for (int i = 0; i < BUCKETS; i++)
			TAILQ_FOREACH(waiter, &events->buckets[i], link)
	if (waiter->server == server)
		waiter_wake(waiter);
	while (*terminals) {
		size_t size = strcspn(terminals, ",");

		if (size == UUID_SIZE)
			wake_one(events, server, terminals);
		terminals += size + (terminals[size] == ',');
	}
	line_move(events);
}

/* Its next answer is its last; one that is not being asked for gets it now. `away`: its server is not to be asked. */
static void waiter_last(Waiter *waiter, bool away)
{
	waiter->last = true;
	if (waiter->state == WAITER_ENDED)
		return;
	if (waiter->live && waiter->out.started)
		waiter_end_stream(waiter);
	else if (away && waiter->state != WAITER_ASKING)
		waiter_answer(waiter, NULL);
	else if (waiter->state == WAITER_PARKED)
		waiter_due(waiter);
}

void gs_events_end(GsEvents *events, const GsServer *server)
{
	Waiter *waiter;

	if (!server)
		events->draining = true;
	for (int i = 0; i < BUCKETS; i++)
		TAILQ_FOREACH(waiter, &events->buckets[i], link)
	if (!server || waiter->server == server)
		waiter_last(waiter, server != NULL);
	line_move(events);
}

/* The stream --------------------------------------------------------------------------------------------------------
 */

static void waiter_free(uv_handle_t *handle)
{
	Waiter *waiter = handle->data;

	gs_event_stream_free(&waiter->out);
	json_decref(waiter->params);
	free(waiter);
}

/* Seconds, 0 when absent; negative when it is none, and then it has answered. */
static int read_wait(GsStream *stream)
{
	const char *text = gs_stream_query(stream, "wait");
	long wait = 0;
	char *end;

	if (!text)
		return 0;
	wait = strtol(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && wait >= 0 && wait <= MAX_WAIT_S)
		return (int)wait;
	gs_problem_send(stream, 400, "invalid_parameter", "wait must be 0 to 60 seconds.", NULL, 0);
	return -1;
}

/* Asked for as such, or nothing said that a long poll has. A HEAD gets the header of one answer. */
static bool wants_stream(GsStream *stream)
{
	const char *accept = gs_stream_header(stream, "accept");

	if (strcmp(gs_stream_method(stream), "HEAD") == 0)
		return false;
	if (accept && strstr(accept, "text/event-stream"))
		return true;
	return !gs_stream_query(stream, "after") && !gs_stream_query(stream, "wait");
}

static Waiter *waiter_new(GsEvents *events, GsStream *stream, const char *terminal)
{
	Waiter *waiter = calloc(1, sizeof *waiter);

	if (!waiter)
		return NULL;
	waiter->events = events;
	waiter->stream = stream;
	waiter->api = gs_stream_route_arg(stream);
	waiter->state = WAITER_ASKING;
	waiter->live = wants_stream(stream);
	snprintf(waiter->terminal, sizeof waiter->terminal, "%s", terminal);
	uv_timer_init(events->gateway->loop, &waiter->timer);
	waiter->timer.data = waiter;
	TAILQ_INSERT_TAIL(bucket_of(events, waiter->terminal), waiter, link);
	events->waiters++;
	gs_metric_set(&waiters_metric, (double)events->waiters);
	gs_stream_set_data(stream, waiter);
	return waiter;
}

static void waiter_start(Waiter *waiter, int wait_s)
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

static void events_end(GsStream *stream)
{
	GsEvents *events = ((GsGateway *)gs_stream_program(stream))->events;
	GsRouteToken token;
	GsServer *server = gs_request_session(stream, &token);
	json_t *params = server ? gs_request_params(stream, gs_stream_route_arg(stream)) : NULL;
	int wait_s = params ? read_wait(stream) : -1;
	Waiter *waiter = NULL;

	if (wait_s >= 0 && events->waiters < (size_t)events->gateway->settings->max_event_waiters)
		waiter = waiter_new(events, stream, token.terminal);
	if (waiter) {
		waiter->server = server;
		waiter->params = params;
		waiter_start(waiter, wait_s);
		return;
	}
	json_decref(params);
	if (wait_s >= 0)
		gs_reply_overloaded(stream);
}

static void events_closed(GsStream *stream)
{
	Waiter *waiter = gs_stream_data(stream);
	GsEvents *events;

	if (!waiter)
		return;
	events = waiter->events;
	if (waiter->request)
		gs_pg_pool_cancel(waiter->request);
	leave_line(waiter);
	if (waiter->state != WAITER_ENDED)
		waiter_set_state(waiter, WAITER_ENDED);
	TAILQ_REMOVE(bucket_of(events, waiter->terminal), waiter, link);
	events->waiters--;
	gs_metric_set(&waiters_metric, (double)events->waiters);
	uv_close((uv_handle_t *)&waiter->timer, waiter_free);
	line_move(events);
}

const GsHandler gs_events_handler = {.end = events_end, .closed = events_closed, .max_body_bytes = 1};

GsEvents *gs_events_new(GsGateway *gateway)
{
	GsEvents *events = calloc(1, sizeof *events);

	if (!events)
		return NULL;
	events->gateway = gateway;
	TAILQ_INIT(&events->due);
	for (int i = 0; i < BUCKETS; i++)
		TAILQ_INIT(&events->buckets[i]);
	gs_metric_register(&waiters_metric);
	return events;
}

void gs_events_free(GsEvents *events)
{
	free(events);
}
