/* SPDX-License-Identifier: PostgreSQL */
/*
 * nghttp2 callbacks. A callback never ends the connection or frees a stream that nghttp2 still knows: it marks
 * (gs_connection_refuse, `doomed`), and the caller of gs_session_receive / _gather acts on it.
 *
 * DATA frames are written without a copy through nghttp2: read_body puts the bytes into server->gather, nine bytes
 * behind its end, and send_data, which nghttp2 calls next, puts the frame header before them.
 */
#include "daemon/session.h"

#include <assert.h>
#include <string.h>

#include "daemon/stream_internal.h"

static uint64_t now_of(const GsConnection *connection)
{
	return uv_now(connection->server->loop);
}

/* Request ------------------------------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	GsConnection *connection = user;
	GsStream *stream;

	connection->headers_ms = now_of(connection);
	connection->headers_stream = frame->hd.stream_id;
	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = gs_stream_open(connection, frame->hd.stream_id);
	if (stream == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream) == 0
			   ? 0
			   : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
					 const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
	GsStream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	(void)user;
	if (stream == NULL)
		return 0;
	return gs_headers_add(stream, (const char *)name, name_size, (const char *)value, value_size) < 0
			   ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
			   : 0;
}

static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
							 size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
	GsStream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)name, (void)name_size, (void)value, (void)value_size, (void)flags, (void)user;
	if (stream != NULL)
		gs_headers_refuse(stream, 400, "malformed_header", "a header field has forbidden characters");
	return 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	GsConnection *connection = user;
	GsStream *stream;

	if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
		connection->preface_done = true;
	if (frame->hd.type == NGHTTP2_RST_STREAM && !gs_guard_rst_received(&connection->guard, now_of(connection)))
		gs_connection_refuse(connection, NGHTTP2_ENHANCE_YOUR_CALM, "streams reset by the peer");
	if (frame->hd.type == NGHTTP2_HEADERS)
		connection->headers_ms = 0;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (stream == NULL)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		gs_guard_earned(&connection->guard, GS_OVERHEAD_PER_REQUEST_BYTES);
		gs_headers_complete(stream);
	}
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		gs_stream_request_ended(stream);
	return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes, size_t size,
						 void *user)
{
	GsConnection *connection = user;
	GsStream *stream = nghttp2_session_get_stream_user_data(session, stream_id);

	(void)flags;
	connection->rate_in += size;
	if (stream != NULL)
		gs_stream_receive_body(stream, bytes, size);
	else if (nghttp2_session_consume_connection(session, size) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *user)
{
	GsStream *stream = nghttp2_session_get_stream_user_data(session, stream_id);
	GsConnection *connection = user;

	(void)error;
	if (stream == NULL)
		return 0;
	if (stream_id == connection->headers_stream)
		connection->headers_ms = 0; /* not for the end of another: its block may still be coming */
	if (nghttp2_session_consume_connection(session, stream->unconsumed) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	nghttp2_session_set_stream_user_data(session, stream_id, NULL);
	gs_stream_closed(stream);
	return 0;
}

/* Answer -------------------------------------------------------------------------------------------------------- */

static size_t gather_room(const GsConnection *connection)
{
	return GS_GATHER_BYTES - (connection->gathered < GS_GATHER_BYTES ? connection->gathered : GS_GATHER_BYTES);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t size, uint32_t *flags,
						 nghttp2_data_source *source, void *user)
{
	GsConnection *connection = user;
	GsStream *stream = source->ptr;
	bool eof = false;
	ssize_t n;

	(void)session, (void)stream_id, (void)buf;
	if (gather_room(connection) == 0)
		return NGHTTP2_ERR_PAUSE;
	if (size > GS_FRAME_BYTES - 9)
		size = GS_FRAME_BYTES - 9;
	n = gs_stream_read(stream, connection->server->gather + connection->gathered + 9, size, &eof);
	if (n == GS_SOURCE_DEFER)
		return NGHTTP2_ERR_DEFERRED;
	if (n < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (eof)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return n;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
					 nghttp2_data_source *source, void *user)
{
	GsConnection *connection = user;

	(void)session, (void)source;
	assert(frame->data.padlen == 0); /* there is no select_padding callback */
	memcpy(connection->server->gather + connection->gathered, head, 9);
	connection->gathered += 9 + length;
	return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	GsConnection *connection = user;
	GsStream *stream;

	switch (frame->hd.type) {
	case NGHTTP2_RST_STREAM:
		/* the end of an early answered request and our own failures are not the peer's doing */
		if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR && frame->rst_stream.error_code != NGHTTP2_CANCEL &&
			!gs_guard_rst_sent(&connection->guard, now_of(connection)))
			gs_connection_refuse(connection, NGHTTP2_ENHANCE_YOUR_CALM, "streams reset for errors");
		break;
	case NGHTTP2_DATA:
		gs_guard_earned(&connection->guard, GS_OVERHEAD_PER_DATA_SENT_BYTES);
		/* fall through */
	case NGHTTP2_HEADERS:
		stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
		if (stream != NULL && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			gs_stream_answer_sent(stream);
		break;
	default:
		break;
	}
	return 0;
}

int gs_session_respond(GsStream *stream, const nghttp2_nv *headers, size_t count, bool with_body)
{
	nghttp2_data_provider provider = {.source = {.ptr = stream}, .read_callback = read_body};

	return nghttp2_submit_response(stream->connection->session, stream->id, headers, count,
								   with_body ? &provider : NULL);
}

/* Session ------------------------------------------------------------------------------------------------------- */

static nghttp2_session_callbacks *callbacks_make(void)
{
	static nghttp2_session_callbacks *callbacks; /* for the life of the process */

	if (callbacks != NULL || nghttp2_session_callbacks_new(&callbacks) != 0)
		return callbacks;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
	return callbacks;
}

static nghttp2_option *option_make(void)
{
	static nghttp2_option *option; /* for the life of the process */

	if (option != NULL || nghttp2_option_new(&option) != 0)
		return option;
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_outbound_ack(option, GS_MAX_OUTBOUND_ACK);
	nghttp2_option_set_max_settings(option, GS_MAX_SETTINGS_ENTRIES);
	nghttp2_option_set_max_continuations(option, GS_MAX_CONTINUATIONS);
	nghttp2_option_set_stream_reset_rate_limit(option, GS_RST_RECEIVED_BURST, GS_RST_RECEIVED_PER_S);
	return option;
}

int gs_session_open(GsConnection *connection)
{
	const GsCommonSettings *settings = connection->server->settings;
	const nghttp2_settings_entry entries[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)settings->max_streams},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)settings->stream_window_bytes},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GS_MAX_HEADER_BYTES},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	nghttp2_session_callbacks *callbacks = callbacks_make();
	nghttp2_option *option = option_make();

	gs_session_memory_open(&connection->memory);
	if (callbacks == NULL || option == NULL ||
		nghttp2_session_server_new3(&connection->session, callbacks, connection, option,
									&connection->memory.functions) != 0)
		return -1;
	if (nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, entries,
								sizeof(entries) / sizeof(entries[0])) != 0 ||
		nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
											  (int32_t)settings->connection_window_bytes) != 0)
		return -1;
	return 0;
}

void gs_session_close(GsConnection *connection)
{
	gs_session_memory_close(&connection->memory, connection->session);
	connection->session = NULL;
}

int gs_session_receive(GsConnection *connection, const uint8_t *bytes, size_t size)
{
	const size_t queue_limit = (size_t)connection->server->settings->max_streams * 4 + GS_OUT_QUEUE_EXTRA;
	ssize_t n;

	if (connection->state != GS_CONNECTION_OPEN)
		return 0;
	if (!gs_guard_received(&connection->guard, now_of(connection), bytes, size)) {
		gs_connection_refuse(connection, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames without use");
		return 0;
	}
	connection->in_callbacks = true;
	n = nghttp2_session_mem_recv(connection->session, bytes, size);
	connection->in_callbacks = false;
	if (n < 0)
		return -1;
	if (nghttp2_session_get_outbound_queue_size(connection->session) > queue_limit)
		gs_connection_refuse(connection, NGHTTP2_ENHANCE_YOUR_CALM, "frames are not read");
	return 0;
}

ssize_t gs_session_gather(GsConnection *connection)
{
	const uint8_t *bytes;
	ssize_t n = 0;

	connection->gathered = 0;
	connection->in_callbacks = true;
	while (gather_room(connection) > 0) {
		n = nghttp2_session_mem_send(connection->session, &bytes);
		if (n <= 0)
			break;
		assert((size_t)n <= GS_FRAME_BYTES);
		memcpy(connection->server->gather + connection->gathered, bytes, (size_t)n);
		connection->gathered += (size_t)n;
	}
	connection->in_callbacks = false;
	return n < 0 ? -1 : (ssize_t)connection->gathered;
}
