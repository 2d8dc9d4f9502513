/* SPDX-License-Identifier: PostgreSQL */
/*
 * A PostgreSQL connection on the loop; see link.h. The only file that touches PGconn.
 *
 *   DOWN -timer-> RESOLVING -pool-> CONNECTING -> IDLE <-> CALLING, and from any of them back to DOWN by gs_link_drop()
 */
#include "storaged/link.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"

#define CONNECT_TIMEOUT_MS 10000
#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 8000

static void set_state(GsLink *link, GsLinkState state)
{
	static const bool legal[5][5] = {
		[GS_LINK_DOWN] = {[GS_LINK_RESOLVING] = true},
		[GS_LINK_RESOLVING] = {[GS_LINK_CONNECTING] = true, [GS_LINK_DOWN] = true},
		[GS_LINK_CONNECTING] = {[GS_LINK_IDLE] = true, [GS_LINK_DOWN] = true},
		[GS_LINK_IDLE] = {[GS_LINK_CALLING] = true, [GS_LINK_DOWN] = true},
		[GS_LINK_CALLING] = {[GS_LINK_IDLE] = true, [GS_LINK_DOWN] = true},
	};

	assert(legal[link->state][state]);
	link->state = state;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void unwatch(GsLink *link)
{
	if (link->poll != NULL)
		uv_close((uv_handle_t *)link->poll, free_handle);
	link->poll = NULL;
}

static void socket_ready(uv_poll_t *poll, int status, int events);

/* Watches libpq's socket, which during connecting may be another one after each step. */
static bool watch(GsLink *link, int events)
{
	if (link->poll == NULL) {
		link->poll = calloc(1, sizeof(*link->poll));
		if (link->poll == NULL)
			return false;
		if (uv_poll_init(link->store->loop, link->poll, PQsocket(link->conn)) != 0) {
			free(link->poll);
			link->poll = NULL;
			return false;
		}
		link->poll->data = link;
	}
	return uv_poll_start(link->poll, events, socket_ready) == 0;
}

static void connect_step(GsLink *link)
{
	PostgresPollingStatusType status;

	unwatch(link); /* before libpq may close the descriptor */
	status = PQconnectPoll(link->conn);
	if (status == PGRES_POLLING_OK && PQsetnonblocking(link->conn, 1) == 0 && watch(link, UV_READABLE)) {
		uv_timer_stop(&link->timer);
		set_state(link, GS_LINK_IDLE);
		link->callbacks->up(link->owner);
	} else if ((status != PGRES_POLLING_READING && status != PGRES_POLLING_WRITING) ||
			   !watch(link, status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE)) {
		gs_link_drop(link, PQerrorMessage(link->conn));
	}
}

static void flush(GsLink *link)
{
	int left = PQflush(link->conn);

	if (left < 0 || !watch(link, left > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE))
		gs_link_drop(link, PQerrorMessage(link->conn));
}

static void call_finished(GsLink *link)
{
	PGresult *result = link->result;
	GsAnswer answer = {.sqlstate = "", .message = "the answer is not one value"};

	link->result = NULL;
	uv_timer_stop(&link->timer);
	set_state(link, GS_LINK_IDLE);
	if (PQresultStatus(result) == PGRES_COMMAND_OK) {
		answer.value = answer.message = "";
	} else if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

		answer.sqlstate = sqlstate != NULL ? sqlstate : "";
		answer.message = PQresultErrorMessage(result);
	} else if (PQntuples(result) == 1 && PQnfields(result) == 1) {
		answer.value = PQgetvalue(result, 0, 0);
		answer.message = "";
	}
	link->callbacks->answered(link->owner, &answer);
	PQclear(result);
}

/* A callback may drop the connection, or start a call on it. */
static void read_notifications(GsLink *link)
{
	PGnotify *notification;

	while (link->conn != NULL && (notification = PQnotifies(link->conn)) != NULL) {
		link->callbacks->notified(link->owner, notification->extra);
		PQfreemem(notification);
	}
}

static void read_results(GsLink *link)
{
	if (PQconsumeInput(link->conn) == 0) {
		gs_link_drop(link, PQerrorMessage(link->conn));
		return;
	}
	while (link->state == GS_LINK_CALLING && PQisBusy(link->conn) == 0) {
		PGresult *result = PQgetResult(link->conn);

		if (result == NULL)
			call_finished(link);
		else if (link->result == NULL)
			link->result = result;
		else
			PQclear(result);
	}
	if (link->state == GS_LINK_IDLE && PQstatus(link->conn) == CONNECTION_BAD)
		gs_link_drop(link, PQerrorMessage(link->conn));
	else
		read_notifications(link);
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
	GsLink *link = poll->data;

	if (status < 0)
		gs_link_drop(link, uv_strerror(status));
	else if (link->state == GS_LINK_CONNECTING)
		connect_step(link);
	else if ((events & UV_READABLE) != 0)
		read_results(link);
	if (link->poll == poll && (events & UV_WRITABLE) != 0 && link->state == GS_LINK_CALLING)
		flush(link);
}

static void notice(void *arg, const char *message)
{
	const GsLink *link = arg;

	gs_log(GS_LOG_INFO, NULL, "notice from the control server", "server", link->name, "notice", message, NULL);
}

static void connect_timed_out(uv_timer_t *timer)
{
	gs_link_drop(timer->data, "no connection within 10 s");
}

static void resolve_run(void *owner)
{
	GsLink *link = owner;

	link->resolve_error = gs_conninfo_resolve(&link->resolved, link->resolving);
}

static void connect_start(GsLink *link)
{
	set_state(link, GS_LINK_CONNECTING);
	uv_timer_start(&link->timer, connect_timed_out, CONNECT_TIMEOUT_MS, 0);
	link->conn = PQconnectStartParams(link->resolved.keywords, link->resolved.values, 0);
	if (link->conn == NULL) {
		gs_link_drop(link, "out of memory");
		return;
	}
	PQsetNoticeProcessor(link->conn, notice, link);
	if (PQstatus(link->conn) == CONNECTION_BAD || !watch(link, UV_WRITABLE))
		gs_link_drop(link, PQerrorMessage(link->conn));
}

static void resolve_done(void *owner)
{
	GsLink *link = owner;

	if (link->resolve_error != 0)
		gs_link_drop(link, link->resolved.error);
	else
		connect_start(link);
	gs_conninfo_clear(&link->resolved);
}

static void reconnect(uv_timer_t *timer)
{
	GsLink *link = timer->data;

	set_state(link, GS_LINK_RESOLVING);
	strcpy(link->resolving, link->conninfo);
	gs_job_submit(&link->job, link->store, GS_JOB_LIGHT, link, resolve_run, resolve_done);
}

void gs_link_drop(GsLink *link, const char *why)
{
	uint64_t pause_ms = BACKOFF_FIRST_MS;

	for (unsigned i = 0; i < link->failures && pause_ms < BACKOFF_LAST_MS; i++)
		pause_ms *= 2;
	pause_ms = pause_ms / 2 + (uint64_t)random() % (pause_ms / 2);
	link->failures++;
	gs_log(GS_LOG_WARN, NULL, "no connection to the control server", "server", link->name, "error", why, NULL);
	unwatch(link);
	PQclear(link->result);
	link->result = NULL;
	PQfinish(link->conn); /* `why` may have pointed into it */
	link->conn = NULL;
	set_state(link, GS_LINK_DOWN);
	uv_timer_start(&link->timer, reconnect, pause_ms, 0);
	link->callbacks->down(link->owner);
}

void gs_link_praise(GsLink *link)
{
	link->failures = 0;
}

static void call_timed_out(uv_timer_t *timer)
{
	gs_link_drop(timer->data, "no answer within call_timeout_ms");
}

void gs_link_call(GsLink *link, const GsCall *call)
{
	set_state(link, GS_LINK_CALLING);
	link->called_us = gs_boot_us();
	uv_timer_start(&link->timer, call_timed_out, (uint64_t)link->store->settings->call_timeout_ms, 0);
	if (PQsendQueryParams(link->conn, call->sql, call->count, NULL, call->values, NULL, NULL, 0) == 0)
		gs_link_drop(link, PQerrorMessage(link->conn));
	else
		flush(link);
}

void gs_link_start(GsLink *link, GsStore *store, const char *name, const char *conninfo, const GsLinkOwner *callbacks,
				   void *owner)
{
	link->store = store;
	link->callbacks = callbacks;
	link->owner = owner;
	strcpy(link->name, name);
	strcpy(link->conninfo, conninfo);
	uv_timer_init(store->loop, &link->timer);
	link->timer.data = link;
	uv_timer_start(&link->timer, reconnect, 0, 0);
}

void gs_link_stop(GsLink *link, uv_close_cb closed)
{
	unwatch(link);
	PQclear(link->result);
	link->result = NULL;
	PQfinish(link->conn);
	link->conn = NULL;
	uv_close((uv_handle_t *)&link->timer, closed);
}
