/* SPDX-License-Identifier: PostgreSQL */
/*
 * All connections of one worker to one control server, and the queue before them. Bounded in each direction: at most
 * `size` connections, `depth` requests in flight on each, `queue_limit` waiting, each at most `queue_timeout_ms`.
 * Connection 0 is always wanted: it listens, and shows that the server is there; the others are opened on demand.
 */
#ifndef GS_PG_POOL_H
#define GS_PG_POOL_H

#include <uv.h>

#include "gateway/pg_request.h"

#define GS_PG_POOL_MAX 32 /* connections */

typedef struct GsPgPool GsPgPool;

typedef struct GsPgLimits {
	size_t size;
	size_t depth;
	size_t queue_limit;
	uint64_t queue_timeout_ms;
	uint64_t connect_timeout_ms;
	uint64_t statement_timeout_ms;
	uint64_t reconnect_min_ms;
	uint64_t reconnect_max_ms;
} GsPgLimits;

typedef struct GsPgPoolEvents {
	/* The listening connection is up (again): what was announced before it is unknown. */
	void (*listening)(void *owner);
	void (*notify)(void *owner, const char *channel, const char *payload);
	void (*freed)(void *owner); /* the last word after gs_pg_pool_close */
} GsPgPoolEvents;

/* NULL when out of memory. `server` and `conninfo` are copied. */
GsPgPool *gs_pg_pool_new(uv_loop_t *loop, const char *server, const char *conninfo, const GsPgLimits *limits,
						 const GsPgPoolEvents *events, void *owner);

/* New settings; connections made with another conninfo are replaced as they fall idle. */
__attribute__((warn_unused_result)) int gs_pg_pool_configure(GsPgPool *pool, const char *conninfo,
															 const GsPgLimits *limits);

/* The waiting get GS_PG_NOT_SENT, those in flight are waited for; then `freed`. */
void gs_pg_pool_close(GsPgPool *pool);

/* The same at once: those in flight get GS_PG_LOST. */
void gs_pg_pool_abort(GsPgPool *pool);

bool gs_pg_pool_live(const GsPgPool *pool); /* has a usable connection */
const char *gs_pg_pool_server(const GsPgPool *pool);

/* Takes the request in any case. A negative value: refused, the queue is full (or the pool closing); `done` does not
 * come and the request is freed. */
__attribute__((warn_unused_result)) int gs_pg_pool_submit(GsPgPool *pool, GsPgRequest *request);

/* The asker is gone: a queued request is forgotten, the result of a sent one discarded. `done` does not come. */
void gs_pg_pool_cancel(GsPgRequest *request);

void gs_pg_pool_register_metrics(void);

#endif
