/* SPDX-License-Identifier: PostgreSQL */
/*
 * One request and its answer on one HTTP/2 stream. The session (session.h) owns it; a handler sees only this header.
 *
 * Life: begin -> data* -> end -> (the handler answers at any of these or later) -> closed. `closed` comes exactly once,
 * for finished and for broken streams; after it the pointer is dead. A handler that waits for something (SQL, disk)
 * keeps the pointer and drops it in `closed`. All calls are made on the loop's thread.
 *
 * Flow control: body bytes handed to `data` are counted against the stream's window until the handler returns them with
 * gs_stream_consume, so a slow disk slows the sender down and memory stays bounded by the window.
 */
#ifndef GS_STREAM_H
#define GS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

typedef struct GsStream GsStream;

typedef struct GsHeader {
	const char *name; /* lower case */
	const char *value;
} GsHeader;

/* What a route does with a stream. Any callback may be NULL. Each may answer by gs_stream_respond* or gs_problem_send.
 */
typedef struct GsHandler {
	void (*begin)(GsStream *stream);                                   /* headers are complete */
	void (*data)(GsStream *stream, const uint8_t *bytes, size_t size); /* valid during the call only */
	void (*end)(GsStream *stream);                                     /* request body complete */
	void (*closed)(GsStream *stream);                                  /* free what you hung on it */
	size_t max_body_bytes; /* 0: streamed by `data`, unbounded; else the body is collected (413 past it) and
							  gs_stream_body works in `end` */
} GsHandler;

/* Request -----------------------------------------------------------------------------------------------------------
 */
const char *gs_stream_method(const GsStream *stream);
const char *gs_stream_path(const GsStream *stream);                     /* without the query, still percent-encoded */
const char *gs_stream_header(const GsStream *stream, const char *name); /* NULL when absent; value of the first */
/* The values of all fields of that name with ", " between them, as RFC 9110 section 5.3 reads a list; NULL when absent.
 */
const char *gs_stream_header_joined(GsStream *stream, const char *name);
int64_t gs_stream_content_length(const GsStream *stream); /* -1 when absent */
/* Percent-decoded path parameter / query parameter by name; NULL when absent. Query parameters that occur twice were
 * refused before (400). */
const char *gs_stream_param(const GsStream *stream, const char *name);
const char *gs_stream_query(const GsStream *stream, const char *name);
size_t gs_stream_query_count(const GsStream *stream);
void gs_stream_query_at(const GsStream *stream, size_t i, const char **name, const char **value);
const char *gs_stream_bearer(const GsStream *stream); /* the Authorization: Bearer credential, NULL when none */
const char *gs_stream_request_id(
	const GsStream *stream); /* taken from X-Request-ID when well formed, else made; always returned to the client */
const char *gs_stream_peer(const GsStream *stream);                  /* numeric address without port */
const uint8_t *gs_stream_body(const GsStream *stream, size_t *size); /* collected body */
uv_loop_t *gs_stream_loop(const GsStream *stream);

/* The handler's own state and memory ------------------------------------------------------------------------------- */
void gs_stream_set_data(GsStream *stream, void *data);
void *gs_stream_data(const GsStream *stream);
const void *gs_stream_route_arg(const GsStream *stream); /* GsRoute.arg */
void *gs_stream_program(const GsStream *stream);         /* the worker's program state, from GsProgram.worker_start */
/* From the request's pool, freed after `closed`; NULL when out of memory. */
void *gs_stream_alloc(GsStream *stream, size_t size);

/* Return body bytes to the sender's window. */
void gs_stream_consume(GsStream *stream, size_t size);

/* Answer -------------------------------------------------------------------------------------------------------------
 */
bool gs_stream_answered(const GsStream *stream);
/* Header names and values and the body are copied. x-request-id, date and content-length are added. HEAD: body is not
 * sent, its length is. */
void gs_stream_respond(GsStream *stream, int status, const GsHeader *headers, size_t header_count, const void *body,
					   size_t body_size);

/* A header field that the answer gets in any case, whoever makes it; before it. Constant text. */
void gs_stream_promise_header(GsStream *stream, const char *name, const char *value);

/* An answer whose bytes come over time. */
typedef struct GsSource GsSource;
struct GsSource {
	/* Copy up to `size` bytes into buf; returns the count, sets *eof with the last; GS_SOURCE_DEFER when nothing is
	 * ready (then gs_stream_resume); GS_SOURCE_FAIL resets the stream. */
	ssize_t (*read)(GsSource *source, uint8_t *buf, size_t size, bool *eof);
};
#define GS_SOURCE_DEFER (-1)
#define GS_SOURCE_FAIL (-2)
/* content_length -1 = unknown (no header). The source is the handler's; it is not touched after `closed`. */
void gs_stream_respond_source(GsStream *stream, int status, const GsHeader *headers, size_t header_count,
							  int64_t content_length, GsSource *source);
void gs_stream_resume(GsStream *stream);
/* RST_STREAM; `closed` follows. */
void gs_stream_reset(GsStream *stream);

#endif
