/* SPDX-License-Identifier: PostgreSQL */
/* nghttp2 for a connection: its options, its callbacks. The only file that hands bytes to and takes them from it. */
#ifndef GS_SESSION_H
#define GS_SESSION_H

#include "daemon/connection.h"

__attribute__((warn_unused_result)) int gs_session_open(GsConnection *connection);
/* Feed received plaintext. Negative: the connection is broken. */
__attribute__((warn_unused_result)) int gs_session_receive(GsConnection *connection, const uint8_t *bytes, size_t size);
/* Frames that wait to be sent into server->gather: their bytes, 0 = nothing now, negative = broken. */
__attribute__((warn_unused_result)) ssize_t gs_session_gather(GsConnection *connection);
void gs_session_close(GsConnection *connection);

/* The answer of a stream was handed over: headers as nghttp2 wants them, body from gs_stream_read. */
__attribute__((warn_unused_result)) int gs_session_respond(GsStream *stream, const nghttp2_nv *headers, size_t count,
														   bool with_body);

#endif
