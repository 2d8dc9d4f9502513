/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a connection's peer may take how long for. One tick visits every connection twice a second, which costs less
 * than a timer for each and makes every deadline late by at most GS_TICK_MS.
 */
#include "daemon/connection.h"
#include "daemon/connection_io.h"
#include "daemon/stream_internal.h"

static bool passed(uint64_t now_ms, uint64_t since_ms, int64_t limit_ms)
{
	return now_ms > since_ms && now_ms - since_ms > (uint64_t)limit_ms;
}

/* Does the peer owe us body bytes of this stream? Not while the handler holds back the window. */
static bool waits_for_body(const GsStream *stream)
{
	return stream->state == GS_STREAM_RECEIVING && stream->unconsumed == 0;
}

/* Have we bytes for the peer which it does not take? */
static bool waits_for_room(const GsStream *stream)
{
	return stream->status != 0 && !stream->answer_sent && !stream->deferred && !stream->resetting;
}

static void tick_streams(GsConnection *connection, uint64_t now_ms)
{
	const int64_t limit = connection->server->settings->send_stall_timeout_ms;
	bool in = false, out = false;

	for (GsStream *stream = connection->streams, *next; stream != NULL; stream = next) {
		next = stream->next;
		gs_stream_tick(stream, now_ms);
		if (waits_for_body(stream))
			in = true;
		else if (waits_for_room(stream))
			out = true;
		else
			stream->moved_ms = now_ms;
		if (passed(now_ms, stream->moved_ms, limit))
			gs_stream_reset(stream);
	}
	connection->rate_waits_in = connection->rate_waits_in && in;
	connection->rate_waits_out = connection->rate_waits_out && out;
}

/* Judged per connection: with many streams on a slow line each one may rightly be slow. */
static void tick_rate(GsConnection *connection, uint64_t now_ms)
{
	const uint64_t least = (uint64_t)connection->server->settings->min_body_rate_bytes * (GS_RATE_WINDOW_MS / 1000);

	if (now_ms - connection->rate_ms < GS_RATE_WINDOW_MS)
		return;
	if ((connection->rate_waits_in && connection->rate_in < least) ||
		(connection->rate_waits_out && connection->rate_out < least))
		gs_connection_refuse(connection, NGHTTP2_ENHANCE_YOUR_CALM, "body too slow");
	connection->rate_ms = now_ms;
	connection->rate_in = connection->rate_out = 0;
	connection->rate_waits_in = connection->rate_waits_out = true;
}

static void tick_open(GsConnection *connection, uint64_t now_ms)
{
	const GsCommonSettings *settings = connection->server->settings;

	tick_streams(connection, now_ms);
	tick_rate(connection, now_ms);
	if (gs_connection_io_pending(connection) > 0 &&
		passed(now_ms, connection->stalled_ms, settings->send_stall_timeout_ms))
		gs_connection_close(connection, "send stalled");
	else if (!connection->preface_done && passed(now_ms, connection->opened_ms, settings->header_timeout_ms))
		gs_connection_refuse(connection, NGHTTP2_SETTINGS_TIMEOUT, "no preface");
	else if (connection->headers_ms != 0 && passed(now_ms, connection->headers_ms, settings->header_timeout_ms))
		gs_connection_refuse(connection, NGHTTP2_ENHANCE_YOUR_CALM, "header block too slow");
	else if (connection->streams == NULL && passed(now_ms, connection->idle_ms, settings->idle_timeout_ms))
		gs_connection_refuse(connection, NGHTTP2_NO_ERROR, "idle");
}

void gs_connection_tick(GsConnection *connection, uint64_t now_ms)
{
	const GsCommonSettings *settings = connection->server->settings;

	switch (connection->state) {
	case GS_CONNECTION_HANDSHAKE:
		if (passed(now_ms, connection->opened_ms, settings->handshake_timeout_ms))
			gs_connection_close(connection, "handshake too slow");
		break;
	case GS_CONNECTION_OPEN:
		tick_open(connection, now_ms);
		break;
	case GS_CONNECTION_REFUSED:
	case GS_CONNECTION_LINGER:
		if (now_ms >= connection->deadline_ms)
			gs_connection_close(connection, "refused");
		break;
	case GS_CONNECTION_CLOSED:
		break;
	}
}

void gs_connection_drain(GsConnection *connection, bool final)
{
	if (connection->state != GS_CONNECTION_OPEN)
		return;
	if (!final && !connection->notice_sent) {
		connection->notice_sent = true;
		if (nghttp2_submit_shutdown_notice(connection->session) != 0)
			connection->doomed = "out of memory";
	} else if (final && !connection->goaway_sent) {
		connection->goaway_sent = true;
		if (nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
								  nghttp2_session_get_last_proc_stream_id(connection->session), NGHTTP2_NO_ERROR, NULL,
								  0) != 0)
			connection->doomed = "out of memory";
	}
	gs_connection_wake(connection);
}
