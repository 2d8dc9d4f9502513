/* SPDX-License-Identifier: PostgreSQL */
/*
 * What session, headers and the answering side know of a stream.
 *
 * The only way to change `state` is gs_stream_set_state, which asserts the legal moves:
 *
 *   HEADERS -> RECEIVING -> WAITING -> ANSWERING -> CLOSED
 *                  \-> ANSWERING_EARLY -/             (any state -> CLOSED)
 */
#ifndef GS_STREAM_INTERNAL_H
#define GS_STREAM_INTERNAL_H

#include "daemon/connection.h"
#include "daemon/cors.h"
#include "daemon/limits.h"
#include "daemon/pool.h"
#include "daemon/route_match.h"
#include "daemon/stream.h"

typedef enum GsStreamState {
	GS_STREAM_HEADERS,         /* the header block is arriving */
	GS_STREAM_RECEIVING,       /* headers complete; the body may be arriving; not answered */
	GS_STREAM_WAITING,         /* request complete, not answered */
	GS_STREAM_ANSWERING_EARLY, /* answered before the body was complete: what arrives is dropped */
	GS_STREAM_ANSWERING,       /* answered, request complete */
	GS_STREAM_CLOSED           /* parked; the pointer is dead for handlers */
} GsStreamState;

struct GsStream {
	GsStreamState state;
	int32_t id;
	GsConnection *connection;
	GsStream *prev, *next; /* in the connection; next also links parked streams */
	GsPool pool;
	uint64_t began_ms;

	/* Request */
	const char *method, *path, *query_text, *authority;
	GsHeader headers[GS_MAX_HEADERS];
	size_t header_count, header_fields, header_bytes; /* fields, bytes: all that came, kept or not */
	int64_t content_length;
	const char *request_id;
	int refuse_status; /* a header check failed: answer this instead of routing */
	const char *refuse_code, *refuse_detail;
	GsRouteMatch match;
	GsCors cors;
	GsHeader query[GS_MAX_QUERY_PARAMS];
	int query_count;

	/* Request body */
	uint8_t *body; /* collected; malloc'd */
	size_t body_size, body_capacity;
	size_t unconsumed; /* given to `data`, not yet returned to the window */
	uint64_t received; /* body bytes */

	/* Handler */
	const GsHandler *handler; /* set once `begin` was called; `closed` is owed then */
	void *data;

	/* Answer */
	int status;
	bool is_head;
	GsHeader promised;     /* name NULL: none */
	const uint8_t *answer; /* body of gs_stream_respond, in the pool */
	size_t answer_size;
	GsSource *source;
	int64_t length;   /* declared; -1 unknown */
	uint64_t sent;    /* body bytes */
	bool deferred;    /* the source has nothing now */
	bool answer_sent; /* END_STREAM has left */
	bool resetting;   /* RST_STREAM is queued */
	uint64_t answer_sent_ms;
	uint64_t moved_ms; /* last progress of whichever body is under way */
};

GsStream *gs_stream_open(GsConnection *connection, int32_t id);
void gs_stream_set_state(GsStream *stream, GsStreamState state);
/* A header field of the request: stores it, or remembers why the request is refused. Negative: reset the stream. */
__attribute__((warn_unused_result)) int gs_headers_add(GsStream *stream, const char *name, size_t name_size,
													   const char *value, size_t value_size);
/* The header block is complete: checks, route, `begin`. */
void gs_headers_complete(GsStream *stream);
void gs_headers_refuse(GsStream *stream, int status, const char *code, const char *detail);

void gs_stream_receive_body(GsStream *stream, const uint8_t *bytes, size_t size);
void gs_stream_request_ended(GsStream *stream);
/* Up to `size` answer bytes into buf. Count, GS_SOURCE_DEFER or GS_SOURCE_FAIL. */
ssize_t gs_stream_read(GsStream *stream, uint8_t *buf, size_t size, bool *eof);
/* The last frame of the answer has been handed to the connection. */
void gs_stream_answer_sent(GsStream *stream);
/* Called every GS_TICK_MS: ends early answered requests whose body does not end. */
void gs_stream_tick(GsStream *stream, uint64_t now_ms);
/* nghttp2 closed it, or the connection ends: log, `closed`, park. */
void gs_stream_closed(GsStream *stream);
void gs_stream_free(GsStream *stream);

#endif
