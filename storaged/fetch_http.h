/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rest of an object by one GET from another device, the only place of this daemon that calls libcurl. It blocks: a
 * fetch's own thread only (fetch_run.c). HTTP/2, the peer's certificate is verified, no redirects, no proxy.
 */
#ifndef GS_FETCH_HTTP_H
#define GS_FETCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum GsFetchHttpResult {
	GS_FETCH_HTTP_OK = 0,
	GS_FETCH_HTTP_STOPPED = -1,     /* `stopped` said so */
	GS_FETCH_HTTP_TAKEN = -2,       /* `take` wants no more */
	GS_FETCH_HTTP_REFUSED = -3,     /* the ticket is not good (any more) */
	GS_FETCH_HTTP_MISSING = -4,     /* it has no such object */
	GS_FETCH_HTTP_OTHER = -5,       /* what it has is another object */
	GS_FETCH_HTTP_UNREACHABLE = -6, /* no answer, a broken or too slow one, or one that says: later */
	GS_FETCH_HTTP_NO_MEMORY = -7
} GsFetchHttpResult;

typedef struct GsFetchRequest {
	const char *url, *ticket;
	const char *etag;    /* quoted, strong: what the object must be */
	uint64_t from_bytes; /* of the object; sent as a range when it is not 0 */
	int64_t rate_bytes;  /* a second, at most; 0: no limit */
	int64_t min_rate_bytes, stall_ms;
	bool (*take)(void *owner, const uint8_t *bytes, size_t size); /* false: no more */
	bool (*stopped)(void *owner);                                 /* asked at least once a second */
	void *owner;
	char why[256]; /* filled when the source is to blame */
} GsFetchRequest;

typedef struct GsFetchHttp GsFetchHttp;

/* Once, before the first thread. False: libcurl lacks something that is needed; `why` says what. */
__attribute__((warn_unused_result)) bool gs_fetch_http_start(const char **why);
/* `ca`: file of certificates that are believed, NULL for the system's; NULL when out of memory. */
GsFetchHttp *gs_fetch_http_new(const char *ca);
void gs_fetch_http_free(GsFetchHttp *http);
__attribute__((warn_unused_result)) GsFetchHttpResult gs_fetch_http_get(GsFetchHttp *http, GsFetchRequest *request);

#endif
