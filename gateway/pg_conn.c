/* SPDX-License-Identifier: PostgreSQL */
/*
 * The only file that touches PGconn. Life: STARTING <-> WAITING (connecting: a step in the thread pool, then the socket
 * is awaited), GREETING (pipeline mode; api_hello, LISTEN), READY, CLOSED. While a step runs in the thread pool the
 * PGconn is that thread's and nothing else touches it.
 *
 * Results come in the order of the requests. A request is [PREPARE] EXECUTE SYNC; its transaction commits at the SYNC,
 * so a row counts only when the SYNC has been answered, and an error that comes between the two (a deferred constraint)
 * replaces the row. Memory: freed when the timer handle is closed and no step runs; so never inside a callback of its
 * own. libpq 15 writes to the socket at each PQpipelineSync; there is no later flush to batch.
 */
#include "gateway/pg_conn.h"

#include <assert.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conninfo.h"
#include "daemon/log.h"
#include "gateway/pg_reply.h"
#include "gateway/pg_socket.h"

#define MAX_PREPARED 64
#define MAX_ERROR 256
#define CHECK_INTERVAL_MS 1000
/* The server ends a statement at statement_timeout; an answer that is later than this past it will not come. */
#define ANSWER_GRACE_MS 5000
#define TCP_USER_TIMEOUT_MS "15000"

typedef enum ConnState {
	CONN_STARTING, /* a step of connecting runs in the thread pool */
	CONN_WAITING,  /* for the socket, before the next step */
	CONN_GREETING, /* connected; not yet known to be the right server */
	CONN_READY,
	CONN_CLOSED /* `closed` has been said; only memory is left */
} ConnState;

struct GsPgConn {
	uv_loop_t *loop;
	ConnState state;
	char *server;
	char *conninfo;
	uint64_t statement_timeout_ms;
	bool listen;
	const GsPgConnEvents *events;
	void *owner;
	PGconn *pg;
	PostgresPollingStatusType polling; /* what the last step said */
	bool working;                      /* a step runs in the thread pool */
	bool timer_closed;
	uv_work_t work;
	uv_timer_t timer; /* connecting: the deadline; later: looks for answers overdue */
	GsPgSocket socket;
	GsPgQueue in_flight;
	size_t depth;
	PGresult *result;   /* of the request at the head, until its SYNC */
	bool head_prepared; /* its PREPARE has been answered */
	const GsPgStatement *prepared[MAX_PREPARED];
	int prepared_count;
};

static const GsPgStatement hello_statement = {
	.name = "hello",
	.sql = "SELECT groupshare.api_hello()::text, set_config('statement_timeout', $1, false) || " GS_CONNINFO_PROBES,
	.params = 1};
static const GsPgStatement listen_events_statement = {
	.name = "listen_events", .sql = "LISTEN groupshare_event", .params = 0};
static const GsPgStatement listen_routes_statement = {
	.name = "listen_routes", .sql = "LISTEN groupshare_service_list", .params = 0};

static void conn_step(GsPgConn *conn);
static void conn_end(GsPgConn *conn, const char *why);

static void conn_set_state(GsPgConn *conn, ConnState state)
{
	static const unsigned legal[] = {
		[CONN_STARTING] = 1u << CONN_WAITING | 1u << CONN_GREETING | 1u << CONN_CLOSED,
		[CONN_WAITING] = 1u << CONN_STARTING | 1u << CONN_CLOSED,
		[CONN_GREETING] = 1u << CONN_READY | 1u << CONN_CLOSED,
		[CONN_READY] = 1u << CONN_CLOSED,
		[CONN_CLOSED] = 0,
	};

	assert(legal[conn->state] & 1u << state);
	conn->state = state;
}

/* Memory ----------------------------------------------------------------------------------------------------------- */

static void conn_release(GsPgConn *conn)
{
	if (conn->working || !conn->timer_closed)
		return;
	if (conn->pg)
		PQfinish(conn->pg);
	free(conn->server);
	if (conn->conninfo)
		explicit_bzero(conn->conninfo, strlen(conn->conninfo));
	free(conn->conninfo);
	free(conn);
}

static void timer_closed(uv_handle_t *handle)
{
	GsPgConn *conn = handle->data;

	conn->timer_closed = true;
	conn_release(conn);
}

/* The socket ------------------------------------------------------------------------------------------------------- */

static void on_socket(void *owner, int status);

static int conn_watch(GsPgConn *conn, int events)
{
	return gs_pg_socket_watch(&conn->socket, conn->loop, PQsocket(conn->pg), events, on_socket, conn);
}

/* Sends what libpq holds back; watches for writability while it can't send all. */
static int conn_flush(GsPgConn *conn)
{
	return conn_watch(conn, PQflush(conn->pg) == 0 ? UV_READABLE : UV_READABLE | UV_WRITABLE);
}

/* Sending ---------------------------------------------------------------------------------------------------------- */

static bool conn_has_prepared(const GsPgConn *conn, const GsPgStatement *statement)
{
	for (int i = 0; i < conn->prepared_count; i++)
		if (conn->prepared[i] == statement)
			return true;
	return false;
}

static void conn_forget_prepared(GsPgConn *conn, const GsPgStatement *statement)
{
	for (int i = 0; i < conn->prepared_count; i++)
		if (conn->prepared[i] == statement)
			conn->prepared[i--] = conn->prepared[--conn->prepared_count];
}

static int conn_send(GsPgConn *conn, GsPgRequest *request)
{
	const GsPgStatement *statement = request->statement;

	request->prepares = !conn_has_prepared(conn, statement);
	if (request->prepares) {
		assert(conn->prepared_count < MAX_PREPARED);
		if (!PQsendPrepare(conn->pg, statement->name, statement->sql, 0, NULL))
			return -1;
		conn->prepared[conn->prepared_count++] = statement;
	}
	if (!PQsendQueryPrepared(conn->pg, statement->name, statement->params, request->value, NULL, NULL, 0))
		return -1;
	request->state = GS_PG_REQUEST_SENT;
	request->sent_ms = uv_now(conn->loop);
	TAILQ_INSERT_TAIL(&conn->in_flight, request, link);
	conn->depth++;
	/* From here on the server may have it, so a failure is a lost connection; reading will find it. */
	if (!PQpipelineSync(conn->pg) || conn_flush(conn) < 0)
		gs_log(GS_LOG_WARN, NULL, "writing to the control server failed", "server", conn->server, NULL);
	return 0;
}

int gs_pg_conn_send(GsPgConn *conn, GsPgRequest *request)
{
	assert(conn->state == CONN_READY);
	return conn_send(conn, request);
}

/* Answers ---------------------------------------------------------------------------------------------------------- */

/* The head's SYNC has been answered. */
static void conn_head_done(GsPgConn *conn)
{
	GsPgRequest *request = TAILQ_FIRST(&conn->in_flight);
	PGresult *result = conn->result;

	TAILQ_REMOVE(&conn->in_flight, request, link);
	conn->depth--;
	/* The next one's time begins now: it stood behind this one. */
	if (!TAILQ_EMPTY(&conn->in_flight))
		TAILQ_FIRST(&conn->in_flight)->sent_ms = uv_now(conn->loop);
	if (request->prepares && !conn->head_prepared)
		conn_forget_prepared(conn, request->statement);
	conn->result = NULL;
	conn->head_prepared = false;
	gs_pg_reply_deliver(request, result);
	if (conn->state == CONN_READY)
		conn->events->room(conn->owner);
}

static void conn_take_result(GsPgConn *conn, PGresult *result)
{
	const GsPgRequest *head = TAILQ_FIRST(&conn->in_flight);

	switch (PQresultStatus(result)) {
	case PGRES_PIPELINE_SYNC:
		PQclear(result);
		conn_head_done(conn);
		return;
	case PGRES_PIPELINE_ABORTED: /* of an EXECUTE whose PREPARE failed: that error is kept */
		PQclear(result);
		return;
	case PGRES_COMMAND_OK:
		if (head->prepares && !conn->head_prepared) {
			conn->head_prepared = true;
			PQclear(result);
			return;
		}
		break;
	default:
		break;
	}
	PQclear(conn->result);
	conn->result = result;
}

/* 0, or negative when the connection is of no more use. */
static int conn_read_results(GsPgConn *conn)
{
	bool was_null = false;

	while (conn->state != CONN_CLOSED && !TAILQ_EMPTY(&conn->in_flight) && !PQisBusy(conn->pg)) {
		PGresult *result = PQgetResult(conn->pg);

		if (result)
			conn_take_result(conn, result);
		else if (was_null || PQstatus(conn->pg) == CONNECTION_BAD)
			return -1;
		was_null = !result;
	}
	return 0;
}

static void conn_read_notifies(GsPgConn *conn)
{
	PGnotify *notify;

	while (conn->state == CONN_READY && (notify = PQnotifies(conn->pg))) {
		conn->events->notify(conn->owner, notify->relname, notify->extra);
		PQfreemem(notify);
	}
}

/* TLS may hold decrypted bytes that the socket will not announce again. */
static bool conn_has_pending(const GsPgConn *conn)
{
	SSL *ssl = PQsslInUse(conn->pg) ? PQsslStruct(conn->pg, "OpenSSL") : NULL;

	return ssl && SSL_pending(ssl) > 0;
}

static void conn_read(GsPgConn *conn)
{
	bool good;

	do {
		good = PQconsumeInput(conn->pg) == 1;
	} while (good && conn_has_pending(conn));
	if (conn_read_results(conn) < 0)
		good = false;
	if (conn->state == CONN_CLOSED)
		return;
	if (good)
		conn_read_notifies(conn);
	if (!good || PQstatus(conn->pg) == CONNECTION_BAD)
		conn_end(conn, PQerrorMessage(conn->pg));
	else if (conn_flush(conn) < 0)
		conn_end(conn, "the socket can't be watched");
}

static void on_socket(void *owner, int status)
{
	GsPgConn *conn = owner;

	if (conn->state == CONN_WAITING) {
		gs_pg_socket_pause(&conn->socket);
		conn_set_state(conn, CONN_STARTING);
		conn_step(conn);
	} else if (status < 0) {
		conn_end(conn, uv_strerror(status));
	} else {
		conn_read(conn);
	}
}

static void on_timer(uv_timer_t *timer)
{
	GsPgConn *conn = timer->data;
	const GsPgRequest *head = TAILQ_FIRST(&conn->in_flight);

	if (conn->state != CONN_READY)
		conn_end(conn, "connecting took too long");
	else if (head && uv_now(conn->loop) - head->sent_ms > conn->statement_timeout_ms + ANSWER_GRACE_MS)
		conn_end(conn, "no answer");
}

/* Greeting --------------------------------------------------------------------------------------------------------- */

static void conn_become_ready(GsPgConn *conn)
{
	conn_set_state(conn, CONN_READY);
	uv_timer_start(&conn->timer, on_timer, CHECK_INTERVAL_MS, CHECK_INTERVAL_MS);
	conn->events->ready(conn->owner);
}

static void greeting_failed(GsPgConn *conn, const GsPgReply *reply)
{
	char why[MAX_ERROR];

	snprintf(why, sizeof why, "greeting failed: %s %s", reply->sqlstate, reply->message ? reply->message : "");
	conn_end(conn, why);
}

static void listen_done(void *owner, const GsPgReply *reply)
{
	GsPgConn *conn = owner;

	if (reply->outcome != GS_PG_ROW)
		greeting_failed(conn, reply);
	else if (TAILQ_EMPTY(&conn->in_flight))
		conn_become_ready(conn);
}

static int conn_greet_by(GsPgConn *conn, const GsPgStatement *statement, const char *value, GsPgDone *done)
{
	const char *const values[GS_PG_MAX_PARAMS] = {value};
	GsPgRequest *request = gs_pg_request_new(statement, values, done, conn);

	if (request && conn_send(conn, request) == 0)
		return 0;
	gs_pg_request_free(request);
	return -1;
}

static void hello_done(void *owner, const GsPgReply *reply)
{
	GsPgConn *conn = owner;
	char why[MAX_ERROR];

	if (reply->outcome != GS_PG_ROW)
		greeting_failed(conn, reply);
	else if (gs_pg_hello_check(reply, conn->server, why, sizeof why) < 0)
		conn_end(conn, why);
	else if (!conn->listen)
		conn_become_ready(conn);
	else if (conn_greet_by(conn, &listen_events_statement, NULL, listen_done) < 0 ||
			 conn_greet_by(conn, &listen_routes_statement, NULL, listen_done) < 0)
		conn_end(conn, "LISTEN could not be sent");
}

static void conn_greet(GsPgConn *conn)
{
	char timeout[24];

	conn_set_state(conn, CONN_GREETING);
	snprintf(timeout, sizeof timeout, "%llu", (unsigned long long)conn->statement_timeout_ms);
	if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg) ||
		conn_greet_by(conn, &hello_statement, timeout, hello_done) < 0)
		conn_end(conn, PQerrorMessage(conn->pg));
}

/* Connecting ------------------------------------------------------------------------------------------------------- */

/* Notices carry texts of the server; they are for its own log. */
static void ignore_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

/* In the thread pool. */
static void step_work(uv_work_t *work)
{
	GsPgConn *conn = work->data;
	const char *const keywords[] = {"fallback_application_name", "tcp_user_timeout", "dbname", "client_encoding", NULL};
	const char *const values[] = {"groupshare-gateway", TCP_USER_TIMEOUT_MS, conn->conninfo, "UTF8", NULL};

	if (conn->pg) {
		conn->polling = PQconnectPoll(conn->pg);
		return;
	}
	conn->pg = PQconnectStartParams(keywords, values, 1);
	conn->polling = PGRES_POLLING_WRITING;
	if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD)
		conn->polling = PGRES_POLLING_FAILED;
	else
		PQsetNoticeReceiver(conn->pg, ignore_notice, NULL);
}

static void step_done(uv_work_t *work, int status)
{
	GsPgConn *conn = work->data;

	conn->working = false;
	if (conn->state == CONN_CLOSED) {
		conn_release(conn);
		return;
	}
	if (status < 0 || conn->polling == PGRES_POLLING_FAILED || !conn->pg) {
		conn_end(conn, conn->pg ? PQerrorMessage(conn->pg) : "out of memory");
	} else if (conn->polling == PGRES_POLLING_OK) {
		conn_greet(conn);
	} else {
		conn_set_state(conn, CONN_WAITING);
		if (conn_watch(conn, conn->polling == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE) < 0)
			conn_end(conn, "the socket can't be watched");
	}
}

static void conn_step(GsPgConn *conn)
{
	conn->work.data = conn;
	conn->working = true;
	if (uv_queue_work(conn->loop, &conn->work, step_work, step_done) < 0) {
		/* Not from here, since gs_pg_conn_open has not returned yet: by the timer. */
		conn->working = false;
		uv_timer_start(&conn->timer, on_timer, 0, 0);
	}
}

GsPgConn *gs_pg_conn_open(uv_loop_t *loop, const GsPgConnOptions *options, const GsPgConnEvents *events, void *owner)
{
	GsPgConn *conn = calloc(1, sizeof *conn);

	if (!conn)
		return NULL;
	conn->loop = loop;
	conn->server = strdup(options->server);
	conn->conninfo = strdup(options->conninfo);
	if (!conn->server || !conn->conninfo || uv_timer_init(loop, &conn->timer) < 0) {
		conn->timer_closed = true;
		conn_release(conn);
		return NULL;
	}
	conn->timer.data = conn;
	conn->statement_timeout_ms = options->statement_timeout_ms;
	conn->listen = options->listen;
	conn->events = events;
	conn->owner = owner;
	conn->state = CONN_STARTING;
	TAILQ_INIT(&conn->in_flight);
	uv_timer_start(&conn->timer, on_timer, options->connect_timeout_ms, 0);
	conn_step(conn);
	return conn;
}

bool gs_pg_conn_ready(const GsPgConn *conn)
{
	return conn->state == CONN_READY;
}

size_t gs_pg_conn_depth(const GsPgConn *conn)
{
	return conn->depth;
}

static void conn_end(GsPgConn *conn, const char *why)
{
	GsPgRequest *request;
	char text[MAX_ERROR];

	if (conn->state == CONN_CLOSED)
		return;
	/* `why` may be libpq's, and many lines. */
	snprintf(text, sizeof text, "%.*s", (int)strcspn(why, "\n"), why);
	conn_set_state(conn, CONN_CLOSED);
	gs_pg_socket_drop(&conn->socket);
	uv_close((uv_handle_t *)&conn->timer, timer_closed);
	conn->events->closed(conn->owner, text);
	while ((request = TAILQ_FIRST(&conn->in_flight))) {
		TAILQ_REMOVE(&conn->in_flight, request, link);
		/* An error that came before the end is the head's answer; a row without its SYNC is none. */
		if (conn->result && PQresultStatus(conn->result) != PGRES_FATAL_ERROR) {
			PQclear(conn->result);
			conn->result = NULL;
		}
		gs_pg_reply_deliver(request, conn->result);
		conn->result = NULL;
	}
}

void gs_pg_conn_close(GsPgConn *conn, const char *why)
{
	conn_end(conn, why);
}
