/* SPDX-License-Identifier: PostgreSQL */
/*
 * One connection to a control server, on the loop: connecting (in the thread pool, since libpq looks names up and
 * derives SCRAM keys while it blocks), the check that it is the server we meant, then requests in pipeline mode, each
 * with a sync of its own, so that each is a transaction of its own.
 */
#ifndef GS_PG_CONN_H
#define GS_PG_CONN_H

#include <uv.h>

#include "gateway/pg_request.h"

typedef struct GsPgConn GsPgConn;

typedef struct GsPgConnOptions {
	const char *server;   /* the name that the control server must give itself */
	const char *conninfo; /* both are copied */
	uint64_t connect_timeout_ms;
	uint64_t statement_timeout_ms;
	bool listen; /* also LISTEN for the service list and for events */
} GsPgConnOptions;

typedef struct GsPgConnEvents {
	void (*ready)(void *owner); /* usable from now on */
	void (*room)(void *owner);  /* a request has been answered */
	void (*notify)(void *owner, const char *channel, const char *payload);
	/* It is gone, whoever ended it; the handle is dead after this. `why` is a text for the log. Requests in flight get
	 * GS_PG_LOST right after. */
	void (*closed)(void *owner, const char *why);
} GsPgConnEvents;

/* NULL when out of memory; every other failure comes by `closed`. */
GsPgConn *gs_pg_conn_open(uv_loop_t *loop, const GsPgConnOptions *options, const GsPgConnEvents *events, void *owner);

bool gs_pg_conn_ready(const GsPgConn *conn);
size_t gs_pg_conn_depth(const GsPgConn *conn); /* requests in flight */

/* Takes the request over and returns 0; or a negative value when it was not sent: then it is the caller's still, and
 * the connection is of no more use (gs_pg_conn_close). */
__attribute__((warn_unused_result)) int gs_pg_conn_send(GsPgConn *conn, GsPgRequest *request);

/* `closed` comes from inside this call. */
void gs_pg_conn_close(GsPgConn *conn, const char *why);

#endif
