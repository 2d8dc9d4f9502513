/* SPDX-License-Identifier: PostgreSQL */
/*
 * A worker's server: accepting, the flush before each wait of the loop, the tick, drain and end. Owns the buffers that
 * all its connections share.
 */
#include "daemon/server.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/connection.h"
#include "daemon/log.h"
#include "daemon/stream_internal.h"
#include "daemon/tls.h"

enum { ACCEPTS_A_TURN = 64, ACCEPT_PAUSE_MS = 100 };

/* Accept -------------------------------------------------------------------------------------------------------- */

static void on_listen(uv_poll_t *poll, int status, int events);

static void accept_again(uv_timer_t *timer)
{
	GsServer *server = timer->data;

	if (server->listen_fd >= 0 && uv_poll_start(&server->listen_poll, UV_READABLE, on_listen) < 0)
		gs_program_abort("the listening socket cannot be watched");
}

/* Out of descriptors or memory: connections wait in the backlog until some have gone. */
static void accept_pause(GsServer *server, int error)
{
	gs_log(GS_LOG_WARN, NULL, "connections cannot be taken", "error", strerror(error), NULL);
	uv_poll_stop(&server->listen_poll);
	uv_timer_start(&server->accept_pause, accept_again, ACCEPT_PAUSE_MS, 0);
}

/* Takes up to `most` connections; false when there are no more. */
static bool accept_some(GsServer *server, int most)
{
	for (int i = 0; i < most; i++) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		int fd = accept4(server->listen_fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			gs_connection_accept(server, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			accept_pause(server, errno);
		if (errno != ECONNABORTED && errno != EINTR)
			return false;
	}
	return true;
}

static void on_listen(uv_poll_t *poll, int status, int events)
{
	GsServer *server = poll->data;

	(void)events;
	if (status < 0 || server->listen_fd < 0)
		return;
	accept_some(server, ACCEPTS_A_TURN);
}

/* Loop turns ---------------------------------------------------------------------------------------------------- */

static void on_busy(uv_idle_t *idle)
{
	(void)idle; /* keeps the loop from waiting; the flush does the work */
}

static void reap(GsServer *server)
{
	while (server->parked != NULL) {
		GsStream *stream = server->parked;

		server->parked = stream->next;
		gs_stream_free(stream);
	}
}

static void on_flush(uv_prepare_t *prepare)
{
	GsServer *server = prepare->data;
	size_t most = server->connection_count;

	/* pumping may mark connections again (end of a turn, closed streams): those come next turn */
	while (server->dirty != NULL && most-- > 0)
		gs_connection_pump(server->dirty);
	reap(server);
	gs_log_flush();
	if (server->dirty != NULL)
		uv_idle_start(&server->busy, on_busy);
	else
		uv_idle_stop(&server->busy);
}

static void on_tick(uv_timer_t *timer)
{
	GsServer *server = timer->data;
	const uint64_t now_ms = uv_now(server->loop);
	const bool final = server->draining && now_ms >= server->goaway_at_ms;

	for (GsConnection *connection = server->connections, *next; connection != NULL; connection = next) {
		next = connection->next;
		gs_connection_tick(connection, now_ms);
		if (final)
			gs_connection_drain(connection, true);
	}
}

const char *gs_server_date(GsServer *server)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != server->date_s) {
		server->date_s = now;
		gmtime_r(&now, &tm);
		strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return server->date;
}

/* Shared buffers ------------------------------------------------------------------------------------------------ */

uint8_t *gs_server_out_buffer(GsServer *server)
{
	if (server->out_free_count > 0)
		return server->out_free[--server->out_free_count];
	return malloc(GS_OUT_CAPACITY_BYTES);
}

void gs_server_out_release(GsServer *server, uint8_t *buffer)
{
	if (server->out_free_count < GS_OUT_BUFFERS_KEPT)
		server->out_free[server->out_free_count++] = buffer;
	else
		free(buffer);
}

/* Begin and end ------------------------------------------------------------------------------------------------- */

static int make_prefix(GsServer *server)
{
	uint8_t bytes[8];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(server->request_prefix + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int start_handles(GsServer *server)
{
	uv_loop_t *loop = server->loop;

	if (uv_prepare_init(loop, &server->flush) < 0 || uv_idle_init(loop, &server->busy) < 0 ||
		uv_timer_init(loop, &server->tick) < 0 || uv_timer_init(loop, &server->accept_pause) < 0 ||
		uv_poll_init(loop, &server->listen_poll, server->listen_fd) < 0)
		return -1;
	server->flush.data = server->tick.data = server->accept_pause.data = server->listen_poll.data = server;
	if (uv_prepare_start(&server->flush, on_flush) < 0 ||
		uv_timer_start(&server->tick, on_tick, GS_TICK_MS, GS_TICK_MS) < 0 ||
		uv_poll_start(&server->listen_poll, UV_READABLE, on_listen) < 0)
		return -1;
	return 0;
}

int gs_server_start(GsServer *server, char *error, size_t error_size)
{
	server->metrics = gs_server_metrics();
	if (!server->settings->cleartext) {
		server->tls = gs_tls_context(server->settings, error, error_size);
		if (server->tls == NULL)
			return -1;
		gs_metric_set(&server->metrics->expiry, (double)gs_tls_expiry(server->tls));
	}
	server->routes[0] = server->program->routes;
	server->routes[1] = gs_builtin_routes;
	server->received = malloc(GS_RECV_BYTES);
	server->plain = malloc(GS_FRAME_BYTES);
	server->gather = malloc(GS_GATHER_BYTES + 2 * GS_FRAME_BYTES);
	if (server->received == NULL || server->plain == NULL || server->gather == NULL || make_prefix(server) < 0 ||
		gs_addresses_init(&server->addresses, (size_t)server->settings->max_connections) < 0 ||
		start_handles(server) < 0) {
		snprintf(error, error_size, "out of memory or descriptors");
		return -1;
	}
	return 0;
}

static void stop_listening(GsServer *server)
{
	if (server->listen_fd < 0)
		return;
	uv_poll_stop(&server->listen_poll);
	uv_timer_stop(&server->accept_pause);
	close(server->listen_fd);
	server->listen_fd = -1;
}

void gs_server_drain(GsServer *server)
{
	if (server->draining)
		return;
	server->draining = true;
	server->goaway_at_ms = uv_now(server->loop) + GS_SHUTDOWN_NOTICE_MS;
	while (accept_some(server, ACCEPTS_A_TURN))
		continue; /* whoever is in the backlog believes to be connected */
	stop_listening(server);
	for (GsConnection *connection = server->connections; connection != NULL; connection = connection->next)
		gs_connection_drain(connection, false);
	if (server->connection_count == 0 && server->emptied != NULL)
		server->emptied(server);
}

void gs_server_abort(GsServer *server)
{
	while (server->connections != NULL)
		gs_connection_close(server->connections, "shutdown");
}

void gs_server_stop(GsServer *server)
{
	gs_server_abort(server);
	stop_listening(server);
	uv_close((uv_handle_t *)&server->listen_poll, NULL);
	uv_close((uv_handle_t *)&server->accept_pause, NULL);
	uv_close((uv_handle_t *)&server->flush, NULL);
	uv_close((uv_handle_t *)&server->busy, NULL);
	uv_close((uv_handle_t *)&server->tick, NULL);
}

void gs_server_free(GsServer *server)
{
	reap(server);
	while (server->out_free_count > 0)
		free(server->out_free[--server->out_free_count]);
	free(server->received);
	free(server->plain);
	free(server->gather);
	gs_addresses_free(&server->addresses);
	SSL_CTX_free(server->tls);
	server->tls = NULL;
}
