/* SPDX-License-Identifier: PostgreSQL */
/*
 * Life of a connection. Bytes come in by on_poll and leave by gs_connection_pump. What must end a connection while
 * nghttp2 is on the stack only sets `doomed`; it is acted on when nghttp2 has returned. Every state but OPEN has a
 * deadline, and so has each thing that OPEN waits for from the peer (connection_timers.c).
 */
#include "daemon/connection.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/connection_io.h"
#include "daemon/log.h"
#include "daemon/session.h"
#include "daemon/stream_internal.h"

static void connection_set_state(GsConnection *connection, GsConnectionState state)
{
	assert(state > connection->state); /* states are in the order of life; none is entered twice */
	connection->state = state;
}

void gs_connection_wake(GsConnection *connection)
{
	GsServer *server = connection->server;

	if (connection->dirty_link != NULL || connection->state == GS_CONNECTION_CLOSED)
		return;
	connection->dirty_next = server->dirty;
	connection->dirty_link = &server->dirty;
	if (server->dirty != NULL)
		server->dirty->dirty_link = &connection->dirty_next;
	server->dirty = connection;
}

static void connection_unmark(GsConnection *connection)
{
	if (connection->dirty_link == NULL)
		return;
	*connection->dirty_link = connection->dirty_next;
	if (connection->dirty_next != NULL)
		connection->dirty_next->dirty_link = connection->dirty_link;
	connection->dirty_link = NULL;
}

/* End ----------------------------------------------------------------------------------------------------------- */

static void poll_closed(uv_handle_t *handle)
{
	GsConnection *connection = handle->data;
	GsServer *server = connection->server;

	close(connection->fd);
	free(connection);
	server->connection_count--;
	gs_metric_set(&server->metrics->connections, (double)server->connection_count);
	if (server->connection_count == 0 && server->draining && server->emptied != NULL)
		server->emptied(server);
}

void gs_connection_close(GsConnection *connection, const char *why)
{
	GsServer *server = connection->server;

	assert(!connection->in_callbacks);
	if (connection->state == GS_CONNECTION_CLOSED)
		return;
	connection_unmark(connection);
	connection_set_state(connection, GS_CONNECTION_CLOSED);
	gs_log(GS_LOG_DEBUG, NULL, "connection ended", "peer", connection->peer, "why", why, NULL);
	while (connection->streams != NULL)
		gs_stream_closed(connection->streams);
	gs_session_close(connection);
	gs_connection_io_close(connection);
	gs_addresses_leave(&server->addresses, &connection->address);
	if (connection->prev != NULL)
		connection->prev->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next != NULL)
		connection->next->prev = connection->prev;
	uv_poll_stop(&connection->poll);
	shutdown(connection->fd, SHUT_RDWR);
	uv_close((uv_handle_t *)&connection->poll, poll_closed);
}

void gs_connection_refuse(GsConnection *connection, uint32_t code, const char *why)
{
	if (connection->state >= GS_CONNECTION_REFUSED || connection->doomed != NULL)
		return;
	gs_log(code == NGHTTP2_NO_ERROR ? GS_LOG_DEBUG : GS_LOG_WARN, NULL, "connection refused", "peer", connection->peer,
		   "why", why, NULL);
	if (code == NGHTTP2_ENHANCE_YOUR_CALM)
		gs_metric_add(&connection->server->metrics->abused, 1);
	if (connection->session == NULL || nghttp2_session_terminate_session(connection->session, code) != 0)
		connection->doomed = why;
	connection->deadline_ms = uv_now(connection->server->loop) + GS_GOAWAY_MS;
	connection_set_state(connection, GS_CONNECTION_REFUSED);
	gs_connection_wake(connection);
}

/* Everything is sent: the peer shall be able to read it, so the socket is not closed on its unread bytes. */
static void connection_linger(GsConnection *connection)
{
	connection_set_state(connection, GS_CONNECTION_LINGER);
	connection->deadline_ms = uv_now(connection->server->loop) + GS_LINGER_MS;
	if (connection->ssl != NULL) {
		size_t sent;

		SSL_shutdown(connection->ssl); /* close_notify into the buffer */
		if (gs_connection_io_flush(connection, &sent) == GS_IO_FAILED) {
			gs_connection_close(connection, "send failed");
			return;
		}
	}
	while (connection->streams != NULL)
		gs_stream_closed(connection->streams);
	shutdown(connection->fd, SHUT_WR);
}

static void linger_read(GsConnection *connection)
{
	size_t size;
	GsIoResult result = gs_connection_io_receive(connection, &size);

	if (result == GS_IO_AGAIN)
		return;
	if (result == GS_IO_OK)
		connection->lingered += size;
	if (result != GS_IO_OK || connection->lingered > GS_LINGER_BYTES)
		gs_connection_close(connection, "finished");
}

/* Out ----------------------------------------------------------------------------------------------------------- */

static GsIoResult connection_send(GsConnection *connection, size_t *turn)
{
	size_t sent;
	GsIoResult result = gs_connection_io_flush(connection, &sent);

	if (sent > 0 || result == GS_IO_OK)
		connection->stalled_ms = uv_now(connection->server->loop);
	connection->rate_out += sent;
	*turn += sent;
	return result;
}

/* Pulls frames and sends them until there are none, the socket is full, or it is the others' turn. */
static GsIoResult connection_pull(GsConnection *connection)
{
	GsServer *server = connection->server;
	GsIoResult result = GS_IO_OK;
	size_t turn = 0;
	ssize_t gathered;

	for (;;) {
		if (gs_connection_io_pending(connection) >= GS_OUT_HIGH_BYTES) {
			result = connection_send(connection, &turn);
			if (result != GS_IO_OK)
				return result;
			if (turn >= GS_OUT_TURN_BYTES) {
				gs_connection_wake(connection);
				return GS_IO_OK;
			}
		}
		gathered = gs_session_gather(connection);
		if (gathered < 0)
			return GS_IO_FAILED;
		if (gathered == 0)
			return connection_send(connection, &turn);
		if (gs_connection_io_write(connection, server->gather, (size_t)gathered) != GS_IO_OK)
			return GS_IO_FAILED;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void connection_watch(GsConnection *connection)
{
	int events = UV_READABLE | (gs_connection_io_pending(connection) > 0 ? UV_WRITABLE : 0);

	if (events == connection->poll_events)
		return;
	connection->poll_events = events;
	if (uv_poll_start(&connection->poll, events, on_poll) < 0)
		gs_connection_close(connection, "cannot be watched");
}

void gs_connection_pump(GsConnection *connection)
{
	GsIoResult result = GS_IO_OK;
	size_t sent;

	connection_unmark(connection);
	if (connection->state == GS_CONNECTION_CLOSED)
		return;
	if (connection->doomed != NULL) {
		gs_connection_close(connection, connection->doomed);
		return;
	}
	if (connection->session != NULL && connection->state != GS_CONNECTION_LINGER)
		result = connection_pull(connection);
	else
		result = gs_connection_io_flush(connection, &sent);
	if (result == GS_IO_FAILED || connection->doomed != NULL) {
		gs_connection_close(connection, connection->doomed != NULL ? connection->doomed : "send failed");
		return;
	}
	if (result == GS_IO_OK && connection->session != NULL && connection->state != GS_CONNECTION_LINGER &&
		!nghttp2_session_want_read(connection->session) && !nghttp2_session_want_write(connection->session)) {
		connection_linger(connection);
		if (connection->state == GS_CONNECTION_CLOSED)
			return;
	}
	connection_watch(connection);
}

/* In ------------------------------------------------------------------------------------------------------------ */

static int connection_opened(GsConnection *connection)
{
	connection->opened_ms = uv_now(connection->server->loop);
	connection->idle_ms = connection->stalled_ms = connection->rate_ms = connection->opened_ms;
	gs_guard_init(&connection->guard, connection->opened_ms);
	if (gs_session_open(connection) < 0)
		return -1;
	if (connection->server->draining)
		gs_connection_drain(connection, false);
	gs_connection_wake(connection);
	return 0;
}

/* Returns why the connection must end now, or NULL. */
static const char *connection_handshake(GsConnection *connection)
{
	const char *why = NULL;

	switch (gs_connection_io_handshake(connection, &why)) {
	case GS_IO_OK:
		connection_set_state(connection, GS_CONNECTION_OPEN);
		return connection_opened(connection) < 0 ? "out of memory" : NULL;
	case GS_IO_AGAIN:
		gs_connection_wake(connection);
		return NULL;
	default:
		gs_connection_pump(connection); /* the alert */
		return why;
	}
}

static const char *connection_decrypt(GsConnection *connection)
{
	size_t size;

	while (connection->doomed == NULL) {
		switch (gs_connection_io_read(connection, &size)) {
		case GS_IO_OK:
			if (gs_session_receive(connection, connection->server->plain, size) < 0)
				return "protocol error";
			break;
		case GS_IO_AGAIN:
			return NULL;
		case GS_IO_END:
			return "peer closed";
		case GS_IO_FAILED:
			return "TLS error";
		}
	}
	return NULL;
}

static void connection_readable(GsConnection *connection)
{
	size_t size;
	const char *why = NULL;

	switch (gs_connection_io_receive(connection, &size)) {
	case GS_IO_AGAIN:
		return;
	case GS_IO_END:
		gs_connection_close(connection, "peer closed");
		return;
	case GS_IO_FAILED:
		gs_connection_close(connection, "receive failed");
		return;
	case GS_IO_OK:
		break;
	}
	if (connection->state == GS_CONNECTION_HANDSHAKE)
		why = connection_handshake(connection);
	if (why == NULL && connection->state >= GS_CONNECTION_OPEN && connection->state < GS_CONNECTION_LINGER) {
		if (connection->ssl != NULL)
			why = connection_decrypt(connection);
		else if (gs_session_receive(connection, connection->server->received, size) < 0)
			why = "protocol error";
		gs_connection_wake(connection);
	}
	if (why != NULL && connection->state != GS_CONNECTION_CLOSED)
		gs_connection_close(connection, why);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	GsConnection *connection = poll->data;

	if (connection->state == GS_CONNECTION_CLOSED)
		return;
	if (status < 0) {
		gs_connection_close(connection, "socket error");
		return;
	}
	if (events & UV_READABLE) {
		if (connection->state == GS_CONNECTION_LINGER)
			linger_read(connection);
		else
			connection_readable(connection);
	}
	if (events & UV_WRITABLE)
		gs_connection_wake(connection);
}

/* Begin --------------------------------------------------------------------------------------------------------- */

static void connection_peer(GsConnection *connection, const struct sockaddr_storage *from)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;

	if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, connection->peer, sizeof(connection->peer));
		memcpy(connection->address.bytes, in6->sin6_addr.s6_addr + 12, 4);
		connection->address.family = 4;
	} else if (from->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, connection->peer, sizeof(connection->peer));
		memcpy(connection->address.bytes, in6->sin6_addr.s6_addr, 8);
		connection->address.family = 6;
	} else {
		inet_ntop(AF_INET, &in->sin_addr, connection->peer, sizeof(connection->peer));
		memcpy(connection->address.bytes, &in->sin_addr, 4);
		connection->address.family = 4;
	}
}

static void connection_refuse_socket(GsServer *server, GsConnection *connection, int fd, const char *why)
{
	gs_metric_add(&server->metrics->refused, 1);
	gs_log(GS_LOG_DEBUG, NULL, "connection not taken", "why", why, NULL);
	free(connection);
	close(fd);
}

void gs_connection_accept(GsServer *server, int fd, const struct sockaddr_storage *from)
{
	const int on = 1;
	GsConnection *connection = NULL;

	if (server->connection_count >= (size_t)server->settings->max_connections) {
		connection_refuse_socket(server, NULL, fd, "max_connections");
		return;
	}
	connection = calloc(1, sizeof(GsConnection));
	if (connection == NULL) {
		connection_refuse_socket(server, NULL, fd, "out of memory");
		return;
	}
	connection->server = server;
	connection->fd = fd;
	connection->opened_ms = connection->stalled_ms = uv_now(server->loop);
	connection_peer(connection, from);
	if (!gs_addresses_enter(&server->addresses, &connection->address,
							(uint32_t)server->settings->max_connections_per_address)) {
		connection_refuse_socket(server, connection, fd, "max_connections_per_address");
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* a matter of speed only */
	if (uv_poll_init(server->loop, &connection->poll, fd) < 0) {
		gs_addresses_leave(&server->addresses, &connection->address);
		connection_refuse_socket(server, connection, fd, "cannot be watched");
		return;
	}
	connection->poll.data = connection;
	connection->next = server->connections;
	if (connection->next != NULL)
		connection->next->prev = connection;
	server->connections = connection;
	server->connection_count++;
	gs_metric_add(&server->metrics->accepted, 1);
	gs_metric_set(&server->metrics->connections, (double)server->connection_count);
	connection_watch(connection);
	if (connection->state == GS_CONNECTION_CLOSED)
		return;
	if (server->tls != NULL) {
		if (gs_connection_io_open(connection) < 0)
			gs_connection_close(connection, "out of memory");
		return;
	}
	connection_set_state(connection, GS_CONNECTION_OPEN);
	if (connection_opened(connection) < 0)
		gs_connection_close(connection, "out of memory");
}
