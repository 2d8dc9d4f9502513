/* SPDX-License-Identifier: PostgreSQL */
/*
 * One SQL statement on its way to a control server: who asks, with what, and who is told. A request belongs to the pool
 * from gs_pg_pool_submit on; the asker keeps a pointer only to be able to cancel, and drops it in `done`, which comes
 * at most once and never from inside submit or cancel.
 */
#ifndef GS_PG_REQUEST_H
#define GS_PG_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define GS_PG_MAX_PARAMS 5
#define GS_PG_MAX_COLUMNS 3

/* Constant text with bound parameters; prepared once on each connection under `name`. */
typedef struct GsPgStatement {
	const char *name;
	const char *sql;
	int params;
} GsPgStatement;

typedef enum GsPgOutcome {
	GS_PG_ROW,      /* committed; the first row's columns are in value[] */
	GS_PG_ERROR,    /* the server said no: sqlstate and texts; rolled back */
	GS_PG_NOT_SENT, /* never left the queue: nothing happened */
	GS_PG_LOST      /* the connection broke after it was sent: it may have committed */
} GsPgOutcome;

/* Valid during `done` only. Texts may be NULL. */
typedef struct GsPgReply {
	GsPgOutcome outcome;
	const char *value[GS_PG_MAX_COLUMNS];
	size_t size[GS_PG_MAX_COLUMNS];
	char sqlstate[6];
	const char *message;
	const char *detail;
	const char *hint;
} GsPgReply;

typedef void GsPgDone(void *owner, const GsPgReply *reply);

typedef enum GsPgRequestState {
	GS_PG_REQUEST_NEW,    /* the asker's */
	GS_PG_REQUEST_QUEUED, /* in the pool's queue */
	GS_PG_REQUEST_SENT    /* in a connection's list; the result is awaited */
} GsPgRequestState;

typedef struct GsPgRequest {
	const GsPgStatement *statement;
	GsPgDone *done; /* NULL: cancelled after it was sent, the result is discarded */
	void *owner;
	GsPgRequestState state;
	bool prepares; /* on this connection its own PREPARE goes ahead of it */
	uint64_t queued_ms;
	uint64_t sent_ms;
	struct GsPgPool *pool;
	TAILQ_ENTRY(GsPgRequest) link;
	const char *value[GS_PG_MAX_PARAMS];
	char text[]; /* what value[] points into */
} GsPgRequest;

typedef TAILQ_HEAD(GsPgQueue, GsPgRequest) GsPgQueue;

/* Copies `values` (statement->params of them, NULL = SQL NULL). NULL when out of memory. */
GsPgRequest *gs_pg_request_new(const GsPgStatement *statement, const char *const *values, GsPgDone *done, void *owner);

/* Only for a request that was never submitted, or by its pool. */
void gs_pg_request_free(GsPgRequest *request);

#endif
