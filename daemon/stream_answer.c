/* SPDX-License-Identifier: PostgreSQL */
/*
 * The answer of a stream: headers, then bytes from memory or from a source. An answer that overtakes its request's body
 * is completed first; what still arrives is dropped without opening the stream's window again, and a client that has
 * not stopped by itself GS_EARLY_ANSWER_MS later is told by RST_STREAM(NO_ERROR) (RFC 9113, 8.1). Not at once:
 * curl 7.88, for one, throws the answer away when it finds the reset right behind it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/session.h"
#include "daemon/stream_internal.h"

bool gs_stream_answered(const GsStream *stream)
{
	return stream->status != 0;
}

void gs_stream_promise_header(GsStream *stream, const char *name, const char *value)
{
	stream->promised = (GsHeader){name, value};
}

static nghttp2_nv field(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
						NGHTTP2_NV_FLAG_NONE};
}

/* 1xx, 204 and 304 have neither body nor content-length (RFC 9110, 6.4.1, 8.6). */
static bool status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* nghttp2 checks what it receives, not what it sends: a CR LF from outside must not reach a client that is a proxy. */
static bool headers_valid(const GsStream *stream, const GsHeader *headers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!nghttp2_check_header_value((const uint8_t *)headers[i].value, strlen(headers[i].value))) {
			gs_log(GS_LOG_ERROR, stream->request_id, "an answer's header has forbidden characters", "name",
				   headers[i].name, NULL);
			return false;
		}
	return true;
}

static void answer(GsStream *stream, int status, const GsHeader *headers, size_t header_count, bool with_body)
{
	nghttp2_nv fields[GS_MAX_RESPONSE_HEADERS + GS_CORS_MAX_FIELDS + 5];
	GsHeader cors[GS_CORS_MAX_FIELDS];
	size_t count = 0, cors_count;
	char status_text[16], length_text[32];

	assert(header_count <= GS_MAX_RESPONSE_HEADERS);
	if (!headers_valid(stream, headers, header_count)) {
		gs_stream_reset(stream);
		return;
	}
	stream->status = status;
	gs_stream_set_state(stream, stream->state == GS_STREAM_RECEIVING ? GS_STREAM_ANSWERING_EARLY : GS_STREAM_ANSWERING);
	snprintf(status_text, sizeof(status_text), "%d", status);
	fields[count++] = field(":status", status_text);
	fields[count++] = field("date", gs_server_date(stream->connection->server));
	fields[count] = field("x-request-id", stream->request_id);
	fields[count++].flags = NGHTTP2_NV_FLAG_NO_INDEX; /* never the same again: it would only push out what is */
	if (stream->length >= 0 && status_has_body(status)) {
		snprintf(length_text, sizeof(length_text), "%lld", (long long)stream->length);
		fields[count++] = field("content-length", length_text);
	}
	if (stream->promised.name != NULL)
		fields[count++] = field(stream->promised.name, stream->promised.value);
	cors_count = gs_cors_fields(&stream->cors, stream->connection->server->program->cors, stream->match.allow, cors);
	for (size_t i = 0; i < cors_count; i++)
		fields[count++] = field(cors[i].name, cors[i].value);
	for (size_t i = 0; i < header_count; i++)
		fields[count++] = field(headers[i].name, headers[i].value);
	stream->moved_ms = uv_now(stream->connection->server->loop);
	if (gs_session_respond(stream, fields, count, with_body && !stream->is_head && status_has_body(status)) != 0)
		gs_stream_reset(stream);
	gs_connection_wake(stream->connection);
}

/* Nothing can be answered any more: the stream is answered or dying. The caller frees what it brought in `closed`. */
static bool is_late(const GsStream *stream)
{
	return stream->status != 0 || stream->resetting || stream->connection->session == NULL ||
		   stream->state == GS_STREAM_CLOSED;
}

void gs_stream_respond(GsStream *stream, int status, const GsHeader *headers, size_t header_count, const void *body,
					   size_t body_size)
{
	assert(status >= 200 && status <= 599);
	if (is_late(stream))
		return;
	if (body_size > 0 && !stream->is_head) {
		stream->answer = (const uint8_t *)gs_pool_copy(&stream->pool, body, body_size);
		if (stream->answer == NULL) {
			gs_stream_reset(stream);
			return;
		}
	}
	stream->answer_size = body_size;
	stream->length = (int64_t)body_size;
	answer(stream, status, headers, header_count, body_size > 0);
}

void gs_stream_respond_source(GsStream *stream, int status, const GsHeader *headers, size_t header_count,
							  int64_t content_length, GsSource *source)
{
	assert(status >= 200 && status <= 599 && source != NULL);
	if (is_late(stream))
		return;
	stream->source = source;
	stream->length = content_length;
	answer(stream, status, headers, header_count, content_length != 0);
}

void gs_stream_resume(GsStream *stream)
{
	GsConnection *connection = stream->connection;

	if (!stream->deferred || connection->session == NULL || stream->state == GS_STREAM_CLOSED)
		return;
	stream->deferred = false;
	stream->moved_ms = uv_now(connection->server->loop);
	if (nghttp2_session_resume_data(connection->session, stream->id) == NGHTTP2_ERR_NOMEM)
		connection->doomed = "out of memory";
	gs_connection_wake(connection);
}

static ssize_t read_memory(GsStream *stream, uint8_t *buf, size_t size, bool *eof)
{
	size_t left = stream->answer_size - (size_t)stream->sent;

	if (size > left)
		size = left;
	memcpy(buf, stream->answer + stream->sent, size);
	*eof = size == left;
	return (ssize_t)size;
}

ssize_t gs_stream_read(GsStream *stream, uint8_t *buf, size_t size, bool *eof)
{
	ssize_t n;

	if (stream->source != NULL)
		n = stream->source->read(stream->source, buf, size, eof);
	else
		n = read_memory(stream, buf, size, eof);
	if (n == GS_SOURCE_DEFER) {
		stream->deferred = true;
		return n;
	}
	if (n < 0)
		return GS_SOURCE_FAIL;
	assert((size_t)n <= size);
	stream->sent += (uint64_t)n;
	stream->moved_ms = uv_now(stream->connection->server->loop);
	/* the declared length is a promise: short or long, the peer must see that the answer is broken */
	if (stream->length >= 0 &&
		(stream->sent > (uint64_t)stream->length || (*eof && stream->sent < (uint64_t)stream->length))) {
		gs_log(GS_LOG_ERROR, stream->request_id, "an answer's source did not keep its length", "path", stream->path,
			   NULL);
		return GS_SOURCE_FAIL;
	}
	return n;
}

void gs_stream_answer_sent(GsStream *stream)
{
	stream->answer_sent = true;
	stream->answer_sent_ms = uv_now(stream->connection->server->loop);
}

void gs_stream_tick(GsStream *stream, uint64_t now_ms)
{
	if (stream->state != GS_STREAM_ANSWERING_EARLY || !stream->answer_sent || stream->resetting ||
		now_ms - stream->answer_sent_ms < GS_EARLY_ANSWER_MS)
		return;
	stream->resetting = true;
	if (nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR) != 0)
		stream->connection->doomed = "out of memory";
	gs_connection_wake(stream->connection);
}
