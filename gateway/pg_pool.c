/* SPDX-License-Identifier: PostgreSQL */
/*
 * All decisions are made in one place, pool_pump, which an idle handle runs before the loop blocks the next time:
 * whatever changes the pool only marks it dirty. So nothing is called back from inside submit or cancel, and a request
 * whose stream is reset in the same read is never sent. The queue is in order of arrival and the time-out is one for
 * all, so its head is always the first to expire.
 *
 * While no connection is up, one at a time is tried, with a growing and jittered pause: a server that comes back is not
 * met by a herd.
 */
#include "gateway/pg_pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/metrics.h"
#include "gateway/pg_conn.h"

typedef struct Slot {
	GsPgPool *pool;
	GsPgConn *conn; /* NULL: empty */
	bool retiring;  /* made with settings of the past: closed when idle, given nothing new */
	bool was_ready;
} Slot;

struct GsPgPool {
	uv_loop_t *loop;
	char *server;
	char *conninfo;
	GsPgLimits limits;
	const GsPgPoolEvents *events;
	void *owner;
	Slot slots[GS_PG_POOL_MAX];
	GsPgQueue queue;
	size_t queued;
	uint64_t backoff_ms;
	uint64_t retry_at_ms;
	uv_idle_t pump;
	uv_timer_t timer;
	int handles;   /* open, of the two above */
	bool closing;  /* nothing new, and the end when the connections are idle */
	bool aborting; /* not even that is waited for */
};

static GsMetric connections_metric = {.name = "groupshare_gateway_pool_connections",
									  .help = "Usable connections to control servers.",
									  .type = GS_METRIC_GAUGE};
static GsMetric queued_metric = {
	.name = "groupshare_gateway_pool_queued", .help = "Requests that wait for a connection.", .type = GS_METRIC_GAUGE};
static GsMetric refused_metric = {.name = "groupshare_gateway_pool_refused_total",
								  .help = "Requests refused because the queue was full or the wait too long.",
								  .type = GS_METRIC_COUNTER};
static GsMetric lost_metric = {.name = "groupshare_gateway_pool_lost_total",
							   .help = "Connections to control servers that failed or broke.",
							   .type = GS_METRIC_COUNTER};

void gs_pg_pool_register_metrics(void)
{
	gs_metric_register(&connections_metric);
	gs_metric_register(&queued_metric);
	gs_metric_register(&refused_metric);
	gs_metric_register(&lost_metric);
}

static void pool_mark_dirty(GsPgPool *pool);

/* What connections say ----------------------------------------------------------------------------------------------
 */

static void slot_ready(void *owner)
{
	Slot *slot = owner;
	GsPgPool *pool = slot->pool;

	slot->was_ready = true;
	pool->backoff_ms = pool->limits.reconnect_min_ms;
	pool->retry_at_ms = 0;
	gs_metric_add(&connections_metric, 1);
	if (slot == &pool->slots[0]) {
		gs_log(GS_LOG_INFO, NULL, "control server connected", "server", pool->server, NULL);
		pool->events->listening(pool->owner);
	}
	pool_mark_dirty(pool);
}

static void slot_room(void *owner)
{
	Slot *slot = owner;

	pool_mark_dirty(slot->pool);
}

static void slot_notify(void *owner, const char *channel, const char *payload)
{
	Slot *slot = owner;

	slot->pool->events->notify(slot->pool->owner, channel, payload);
}

/* Between half the pause and the whole of it, so that gateways that lost the server together do not return together. */
static uint64_t jittered(uint64_t pause_ms)
{
	return pause_ms / 2 + (uint64_t)random() % (pause_ms / 2 + 1);
}

static void slot_closed(void *owner, const char *why)
{
	Slot *slot = owner;
	GsPgPool *pool = slot->pool;

	slot->conn = NULL;
	if (slot->was_ready)
		gs_metric_add(&connections_metric, -1);
	if (!slot->retiring) {
		gs_log(GS_LOG_WARN, NULL, slot->was_ready ? "control server connection lost" : "control server not connected",
			   "server", pool->server, "error", why, NULL);
		gs_metric_add(&lost_metric, 1);
		pool->retry_at_ms = uv_now(pool->loop) + jittered(pool->backoff_ms);
		pool->backoff_ms *= 2;
		if (pool->backoff_ms > pool->limits.reconnect_max_ms)
			pool->backoff_ms = pool->limits.reconnect_max_ms;
	}
	slot->was_ready = slot->retiring = false;
	pool_mark_dirty(pool);
}

static const GsPgConnEvents slot_events = {
	.ready = slot_ready, .room = slot_room, .notify = slot_notify, .closed = slot_closed};

/* The steps of pool_pump --------------------------------------------------------------------------------------------
 */

static void queue_remove(GsPgPool *pool, GsPgRequest *request)
{
	TAILQ_REMOVE(&pool->queue, request, link);
	pool->queued--;
	gs_metric_add(&queued_metric, -1);
}

static void request_fail(GsPgRequest *request, const char *why)
{
	const GsPgReply reply = {.outcome = GS_PG_NOT_SENT, .message = why};

	gs_metric_add(&refused_metric, 1);
	if (request->done)
		request->done(request->owner, &reply);
	gs_pg_request_free(request);
}

static void expire_queue(GsPgPool *pool)
{
	uint64_t now = uv_now(pool->loop);
	GsPgRequest *head;

	while ((head = TAILQ_FIRST(&pool->queue)) &&
		   (pool->closing || now - head->queued_ms >= pool->limits.queue_timeout_ms)) {
		queue_remove(pool, head);
		request_fail(head, "waited too long for a connection");
	}
}

static void retire_idle(GsPgPool *pool)
{
	for (size_t i = 0; i < GS_PG_POOL_MAX; i++) {
		Slot *slot = &pool->slots[i];

		if (slot->conn && slot->retiring && (pool->aborting || gs_pg_conn_depth(slot->conn) == 0))
			gs_pg_conn_close(slot->conn, "replaced");
	}
}

static void slot_open(Slot *slot)
{
	GsPgPool *pool = slot->pool;
	const GsPgConnOptions options = {.server = pool->server,
									 .conninfo = pool->conninfo,
									 .connect_timeout_ms = pool->limits.connect_timeout_ms,
									 .statement_timeout_ms = pool->limits.statement_timeout_ms,
									 .listen = slot == &pool->slots[0]};

	slot->conn = gs_pg_conn_open(pool->loop, &options, &slot_events, slot);
	if (!slot->conn)
		slot_closed(slot, "out of memory");
}

/* One for each queued request that finds no idle connection, within the limit; connection 0 always. */
static void open_connections(GsPgPool *pool)
{
	size_t opening = 0, idle = 0;

	if (pool->closing)
		return;
	for (size_t i = 0; i < pool->limits.size; i++) {
		const Slot *slot = &pool->slots[i];

		if (slot->conn && !gs_pg_conn_ready(slot->conn))
			opening++;
		else if (slot->conn && !slot->retiring && gs_pg_conn_depth(slot->conn) == 0)
			idle++;
	}
	for (size_t i = 0; i < pool->limits.size && uv_now(pool->loop) >= pool->retry_at_ms; i++) {
		bool wanted = i == 0 || pool->queued > opening + idle;

		if (pool->slots[i].conn || !wanted)
			continue;
		if (opening > 0 && !gs_pg_pool_live(pool))
			return;
		slot_open(&pool->slots[i]);
		opening++;
	}
}

/* A request does not stand behind another one while a connection of its own can be had. */
static size_t depth_now(const GsPgPool *pool)
{
	if (pool->closing || uv_now(pool->loop) < pool->retry_at_ms)
		return pool->limits.depth;
	for (size_t i = 0; i < pool->limits.size; i++)
		if (!pool->slots[i].conn || !gs_pg_conn_ready(pool->slots[i].conn))
			return 1;
	return pool->limits.depth;
}

static GsPgConn *least_loaded(const GsPgPool *pool)
{
	size_t best_depth = depth_now(pool);
	GsPgConn *best = NULL;

	for (size_t i = 0; i < GS_PG_POOL_MAX; i++) {
		const Slot *slot = &pool->slots[i];

		if (!slot->conn || slot->retiring || !gs_pg_conn_ready(slot->conn))
			continue;
		if (gs_pg_conn_depth(slot->conn) < best_depth) {
			best = slot->conn;
			best_depth = gs_pg_conn_depth(best);
		}
	}
	return best;
}

static void send_queued(GsPgPool *pool)
{
	GsPgRequest *head;
	GsPgConn *conn;

	while ((head = TAILQ_FIRST(&pool->queue)) && (conn = least_loaded(pool))) {
		queue_remove(pool, head);
		if (gs_pg_conn_send(conn, head) == 0)
			continue;
		/* Not sent, so it may go by another connection; it keeps its place and its time. */
		TAILQ_INSERT_HEAD(&pool->queue, head, link);
		pool->queued++;
		gs_metric_add(&queued_metric, 1);
		gs_pg_conn_close(conn, "sending failed");
	}
}

static void on_timer(uv_timer_t *timer)
{
	pool_mark_dirty(timer->data);
}

/* The next moment at which something falls due by itself. */
static void schedule(GsPgPool *pool)
{
	const GsPgRequest *head = TAILQ_FIRST(&pool->queue);
	uint64_t now = uv_now(pool->loop);
	uint64_t at = UINT64_MAX;

	if (head)
		at = head->queued_ms + pool->limits.queue_timeout_ms;
	if (pool->retry_at_ms > now && pool->retry_at_ms < at && (head || !pool->slots[0].conn))
		at = pool->retry_at_ms;
	if (at == UINT64_MAX)
		uv_timer_stop(&pool->timer);
	else
		uv_timer_start(&pool->timer, on_timer, at > now ? at - now : 1, 0);
}

static void handle_closed(uv_handle_t *handle)
{
	GsPgPool *pool = handle->data;

	if (--pool->handles > 0)
		return;
	pool->events->freed(pool->owner);
	free(pool->server);
	explicit_bzero(pool->conninfo, strlen(pool->conninfo));
	free(pool->conninfo);
	free(pool);
}

static void finish_closing(GsPgPool *pool)
{
	for (size_t i = 0; i < GS_PG_POOL_MAX; i++)
		if (pool->slots[i].conn)
			return;
	if (uv_is_closing((uv_handle_t *)&pool->timer))
		return;
	uv_close((uv_handle_t *)&pool->timer, handle_closed);
	uv_close((uv_handle_t *)&pool->pump, handle_closed);
}

static void pool_pump(uv_idle_t *idle)
{
	GsPgPool *pool = idle->data;

	/* First, so that whatever marks the pool again below brings another round. */
	uv_idle_stop(idle);
	expire_queue(pool);
	retire_idle(pool);
	open_connections(pool);
	send_queued(pool);
	if (pool->closing)
		finish_closing(pool);
	else
		schedule(pool);
}

static void pool_mark_dirty(GsPgPool *pool)
{
	if (!uv_is_closing((uv_handle_t *)&pool->pump))
		uv_idle_start(&pool->pump, pool_pump);
}

/* For the others ----------------------------------------------------------------------------------------------------
 */

GsPgPool *gs_pg_pool_new(uv_loop_t *loop, const char *server, const char *conninfo, const GsPgLimits *limits,
						 const GsPgPoolEvents *events, void *owner)
{
	GsPgPool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return NULL;
	pool->server = strdup(server);
	pool->conninfo = strdup(conninfo);
	if (!pool->server || !pool->conninfo) {
		free(pool->server);
		free(pool->conninfo);
		free(pool);
		return NULL;
	}
	assert(limits->size > 0 && limits->size <= GS_PG_POOL_MAX);
	pool->loop = loop;
	pool->limits = *limits;
	pool->backoff_ms = limits->reconnect_min_ms;
	pool->events = events;
	pool->owner = owner;
	TAILQ_INIT(&pool->queue);
	for (size_t i = 0; i < GS_PG_POOL_MAX; i++)
		pool->slots[i].pool = pool;
	uv_idle_init(loop, &pool->pump);
	uv_timer_init(loop, &pool->timer);
	pool->pump.data = pool->timer.data = pool;
	pool->handles = 2;
	pool_mark_dirty(pool);
	return pool;
}

int gs_pg_pool_configure(GsPgPool *pool, const char *conninfo, const GsPgLimits *limits)
{
	bool replaced =
		strcmp(conninfo, pool->conninfo) != 0 || limits->statement_timeout_ms != pool->limits.statement_timeout_ms;
	char *copy = strdup(conninfo);

	if (!copy)
		return -1;
	assert(limits->size > 0 && limits->size <= GS_PG_POOL_MAX);
	explicit_bzero(pool->conninfo, strlen(pool->conninfo));
	free(pool->conninfo);
	pool->conninfo = copy;
	pool->limits = *limits;
	pool->backoff_ms = limits->reconnect_min_ms;
	pool->retry_at_ms = 0;
	for (size_t i = 0; i < GS_PG_POOL_MAX; i++)
		if (pool->slots[i].conn && (replaced || i >= limits->size))
			pool->slots[i].retiring = true;
	pool_mark_dirty(pool);
	return 0;
}

void gs_pg_pool_close(GsPgPool *pool)
{
	pool->closing = true;
	for (size_t i = 0; i < GS_PG_POOL_MAX; i++)
		pool->slots[i].retiring = pool->slots[i].conn != NULL;
	pool_mark_dirty(pool);
}

void gs_pg_pool_abort(GsPgPool *pool)
{
	pool->aborting = true;
	gs_pg_pool_close(pool);
}

bool gs_pg_pool_live(const GsPgPool *pool)
{
	for (size_t i = 0; i < GS_PG_POOL_MAX; i++)
		if (pool->slots[i].conn && gs_pg_conn_ready(pool->slots[i].conn))
			return true;
	return false;
}

const char *gs_pg_pool_server(const GsPgPool *pool)
{
	return pool->server;
}

int gs_pg_pool_submit(GsPgPool *pool, GsPgRequest *request)
{
	if (pool->closing || pool->queued >= pool->limits.queue_limit) {
		gs_metric_add(&refused_metric, 1);
		gs_pg_request_free(request);
		return -1;
	}
	request->state = GS_PG_REQUEST_QUEUED;
	request->queued_ms = uv_now(pool->loop);
	request->pool = pool;
	TAILQ_INSERT_TAIL(&pool->queue, request, link);
	pool->queued++;
	gs_metric_add(&queued_metric, 1);
	pool_mark_dirty(pool);
	return 0;
}

void gs_pg_pool_cancel(GsPgRequest *request)
{
	if (request->state == GS_PG_REQUEST_QUEUED)
		queue_remove(request->pool, request);
	if (request->state == GS_PG_REQUEST_SENT)
		request->done = NULL;
	else
		gs_pg_request_free(request);
}
