/* SPDX-License-Identifier: PostgreSQL */
/*
 * One HTTP exchange, over HTTP/2 and TLS. The only door to libcurl. Connections are kept between exchanges. Nothing is
 * repeated here and no redirect followed: what to do with a failure is the caller's decision.
 */
#ifndef GS_CLIENT_HTTP_H
#define GS_CLIENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/error.h"

#define GS_HTTP_CONNECT_TIMEOUT_S 10
#define GS_HTTP_REQUEST_TIMEOUT_S 30 /* a whole API request */
#define GS_HTTP_STALL_S 120          /* a transfer without a byte either way; a device syncs a large file meanwhile */
#define GS_HTTP_REPLY_MAX_BYTES (32u << 20)
#define GS_HTTP_HEADERS_MAX 8

typedef struct GsHttp GsHttp;

/* Takes `size` bytes of a 200 or 206 answer; non-zero ends the exchange (the sink has said why in the box). */
typedef struct GsHttpReply GsHttpReply;
typedef int (*GsHttpSink)(void *arg, const GsHttpReply *reply, const void *data, size_t size);

/* Called often; non-zero cancels. `sent` is the number of body bytes sent so far. */
typedef int (*GsHttpTick)(void *arg, uint64_t sent);

typedef struct GsHttpRequest {
	const char *method;
	const char *url;
	const char *bearer;                       /* session or ticket; NULL: none */
	const char *headers[GS_HTTP_HEADERS_MAX]; /* "Name: value", ended by NULL */
	const char *body;                         /* JSON text; NULL: none */
	int64_t upload_bytes;                     /* of the body that is uploaded; -1: no upload */
	int64_t upload_from;                      /* the body is this file's bytes from here ... */
	int upload_fd;
	const char *upload_data; /* ... or, when not NULL, these */
	const char *upload_type; /* its media type; NULL: application/octet-stream */
	GsHttpSink sink;         /* NULL: the body is kept in the reply */
	void *sink_arg;
	GsHttpTick tick; /* may be NULL */
	void *tick_arg;
	int wait_s; /* how much longer than usual the answer may take (long poll); -1: a transfer, only stalls end it */
	bool status_suffices; /* a success counts also when its body breaks off */
} GsHttpRequest;

struct GsHttpReply {
	int status; /* 0: no answer came, or not all of its header */
	bool cut;   /* the body broke off, or may have */
	char *body; /* NUL-terminated, at most GS_HTTP_REPLY_MAX_BYTES; NULL when empty or given to the sink */
	size_t body_size;
	int retry_after_s;     /* -1: not said */
	int64_t date_s;        /* Date, of the server's clock; -1: not said */
	int64_t range_start;   /* of Content-Range; -1: none */
	int64_t upload_offset; /* Upload-Offset; -1: none */
	bool upload_complete;  /* Upload-Complete: ?1 */
	char etag[80];         /* with its quotes */
	char request_id[80];   /* X-Request-ID */
	bool perhaps_received; /* no whole answer, but the server may have got the request */
	bool upload_short;     /* the file ended before upload_from + upload_bytes */
	uint64_t sent;         /* body bytes handed to the connection */
};

/* ca NULL: the system's authorities. */
__attribute__((warn_unused_result)) int gs_http_open(GsHttp **http, const char *ca, GsErrorBox *box);
void gs_http_close(GsHttp *http);

/*
 * 0 when an answer came, whatever its status. An answer whose stream breaks after its header came if nothing of it is
 * missing, if it is a refusal, or if its status suffices; what goes to a sink has to come to its regular end. Else
 * NETWORK (unreachable, broken off, stalled, TLS), CANCELLED, PROTOCOL (answer too large), LOCAL (CA file), or what the
 * sink returned. gs_http_reply_clear(reply) after either.
 */
__attribute__((warn_unused_result)) int gs_http_send(GsHttp *http, const GsHttpRequest *request, GsHttpReply *reply,
													 GsErrorBox *box);
void gs_http_reply_clear(GsHttpReply *reply);

/*
 * A base URL as the user gave it -> malloc'd, without a trailing slash. INVALID unless https with a host and no user,
 * query or fragment; plain http is for this same machine only, since sessions and tickets would travel in clear.
 */
__attribute__((warn_unused_result)) int gs_http_base_url(const char *text, char **url, GsErrorBox *box);

#endif
