/* SPDX-License-Identifier: PostgreSQL */
/*
 * A stream's life: state, request body, end. Invariants: `handler` is set exactly between `begin` and `closed`; after
 * an answer the handler gets no more `data` or `end`; `unconsumed` bytes are what the connection's window is still
 * owed, and are returned at the latest when the stream closes (session.c).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/response.h"
#include "daemon/stream_internal.h"

void gs_stream_set_state(GsStream *stream, GsStreamState state)
{
	switch (state) {
	case GS_STREAM_HEADERS:
		assert(!"never entered again");
		break;
	case GS_STREAM_RECEIVING:
		assert(stream->state == GS_STREAM_HEADERS);
		break;
	case GS_STREAM_WAITING:
		assert(stream->state == GS_STREAM_RECEIVING);
		break;
	case GS_STREAM_ANSWERING_EARLY:
		assert(stream->state == GS_STREAM_RECEIVING);
		break;
	case GS_STREAM_ANSWERING:
		assert(stream->state == GS_STREAM_WAITING || stream->state == GS_STREAM_ANSWERING_EARLY);
		break;
	case GS_STREAM_CLOSED:
		assert(stream->state != GS_STREAM_CLOSED);
		break;
	}
	stream->state = state;
}

GsStream *gs_stream_open(GsConnection *connection, int32_t id)
{
	GsStream *stream = calloc(1, sizeof(GsStream));

	if (stream == NULL)
		return NULL;
	stream->state = GS_STREAM_HEADERS;
	stream->id = id;
	stream->connection = connection;
	stream->content_length = -1;
	stream->length = -1;
	stream->began_ms = stream->moved_ms = uv_now(connection->server->loop);
	stream->next = connection->streams;
	if (stream->next != NULL)
		stream->next->prev = stream;
	connection->streams = stream;
	connection->stream_count++;
	return stream;
}

/* Body ---------------------------------------------------------------------------------------------------------- */

static bool body_reserve(GsStream *stream, size_t size)
{
	const size_t limit = stream->handler->max_body_bytes;
	size_t capacity = stream->body_capacity > 0 ? stream->body_capacity : 1024;
	uint8_t *body;

	if (size <= stream->body_capacity)
		return true;
	while (capacity < size)
		capacity *= 2;
	if (capacity > limit)
		capacity = limit;
	body = realloc(stream->body, capacity);
	if (body == NULL)
		return false;
	stream->body = body;
	stream->body_capacity = capacity;
	return true;
}

static void body_collect(GsStream *stream, const uint8_t *bytes, size_t size)
{
	const size_t limit = stream->handler->max_body_bytes;

	/* a reload may have put the limit below what is there already */
	if (stream->body_size > limit || size > limit - stream->body_size) {
		gs_problem_send(stream, 413, "too_large", "the request body is too large", NULL, 0);
		return;
	}
	if (!body_reserve(stream, stream->body_size + size)) {
		gs_problem_send(stream, 503, "unavailable", "out of memory", NULL, 1);
		return;
	}
	memcpy(stream->body + stream->body_size, bytes, size);
	stream->body_size += size;
}

/* The connection's window is opened again for the other streams, this stream's is not. */
static void drop_body(GsStream *stream, size_t size)
{
	if (nghttp2_session_consume_connection(stream->connection->session, size) != 0)
		stream->connection->doomed = "out of memory";
}

void gs_stream_receive_body(GsStream *stream, const uint8_t *bytes, size_t size)
{
	stream->received += size;
	if (stream->state != GS_STREAM_RECEIVING || stream->handler == NULL || stream->resetting) {
		drop_body(stream, size);
		return;
	}
	stream->moved_ms = uv_now(stream->connection->server->loop);
	stream->unconsumed += size;
	if (stream->handler->max_body_bytes > 0) {
		body_collect(stream, bytes, size);
		gs_stream_consume(stream, size);
	} else if (stream->handler->data != NULL) {
		stream->handler->data(stream, bytes, size);
	} else {
		gs_stream_consume(stream, size);
	}
}

void gs_stream_consume(GsStream *stream, size_t size)
{
	GsConnection *connection = stream->connection;

	assert(size <= stream->unconsumed);
	stream->unconsumed -= size;
	if (connection->session == NULL)
		return; /* the connection is being closed */
	if (nghttp2_session_consume(connection->session, stream->id, size) != 0)
		connection->doomed = "out of memory";
	gs_connection_wake(connection);
}

void gs_stream_request_ended(GsStream *stream)
{
	if (stream->state == GS_STREAM_ANSWERING_EARLY) {
		gs_stream_set_state(stream, GS_STREAM_ANSWERING);
		return;
	}
	if (stream->state != GS_STREAM_RECEIVING)
		return;
	gs_stream_set_state(stream, GS_STREAM_WAITING);
	if (!stream->resetting && stream->handler != NULL && stream->handler->end != NULL)
		stream->handler->end(stream);
}

/* End ----------------------------------------------------------------------------------------------------------- */

static void log_access(const GsStream *stream, uint64_t ms)
{
	char status[16], bytes[32], received[32], duration[32];

	snprintf(status, sizeof(status), "%d", stream->status);
	snprintf(bytes, sizeof(bytes), "%" PRIu64, stream->sent);
	snprintf(received, sizeof(received), "%" PRIu64, stream->received);
	snprintf(duration, sizeof(duration), "%" PRIu64, ms);
	gs_log(GS_LOG_INFO, stream->request_id, "request", "method", stream->method, "path", stream->path, "status", status,
		   "complete", stream->answer_sent ? "yes" : "no", "bytes", bytes, "received", received, "duration_ms",
		   duration, "peer", stream->connection->peer, NULL);
}

void gs_stream_closed(GsStream *stream)
{
	GsConnection *connection = stream->connection;
	GsServer *server = connection->server;
	const uint64_t ms = uv_now(server->loop) - stream->began_ms;

	gs_metric_add(&server->metrics->requests[stream->answer_sent ? stream->status / 100 : 0], 1);
	if (stream->answer_sent)
		gs_metric_observe(&server->metrics->duration, (double)ms / 1000);
	if (stream->state != GS_STREAM_HEADERS)
		log_access(stream, ms);
	if (stream->handler != NULL && stream->handler->closed != NULL)
		stream->handler->closed(stream);
	stream->handler = NULL;
	gs_stream_set_state(stream, GS_STREAM_CLOSED);
	if (stream->prev != NULL)
		stream->prev->next = stream->next;
	else
		connection->streams = stream->next;
	if (stream->next != NULL)
		stream->next->prev = stream->prev;
	if (--connection->stream_count == 0)
		connection->idle_ms = uv_now(server->loop);
	stream->next = server->parked;
	server->parked = stream;
}

void gs_stream_free(GsStream *stream)
{
	free(stream->body);
	gs_pool_clear(&stream->pool);
	free(stream);
}

void gs_stream_reset(GsStream *stream)
{
	GsConnection *connection = stream->connection;

	if (stream->resetting || connection->session == NULL || stream->state == GS_STREAM_CLOSED)
		return;
	stream->resetting = true;
	if (nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL) != 0)
		connection->doomed = "out of memory";
	gs_connection_wake(connection);
}
