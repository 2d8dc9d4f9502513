/* SPDX-License-Identifier: PostgreSQL */
/*
 * A connection to PostgreSQL that comes back by itself, and one call at a time on it. The owner embeds the GsLink and
 * gets three callbacks, none of which may free it. Loop thread only.
 */
#ifndef GS_LINK_H
#define GS_LINK_H

#include "storaged/call.h"
#include "storaged/conninfo.h"
#include "storaged/store.h"

typedef enum GsLinkState {
	GS_LINK_DOWN,       /* waits for the timer */
	GS_LINK_RESOLVING,  /* host names, on the pool */
	GS_LINK_CONNECTING, /* PQconnectPoll */
	GS_LINK_IDLE,
	GS_LINK_CALLING /* one call is on the wire */
} GsLinkState;

typedef struct GsAnswer {
	const char *value;    /* of the one row and column; "" of a command without rows; NULL on an error */
	const char *sqlstate; /* "" when there is none; valid during the callback, as the others */
	const char *message;
} GsAnswer;

struct GsLink;
typedef struct GsLinkOwner {
	void (*up)(void *owner);                               /* connected and idle */
	void (*answered)(void *owner, const GsAnswer *answer); /* idle again */
	void (*notified)(void *owner, const char *payload);    /* a notification on any channel listened to */
	void (*down)(void *owner); /* lost, also during a call, which is then without answer; it will come back */
} GsLinkOwner;

struct pg_conn;
struct pg_result;

typedef struct GsLink {
	GsStore *store;
	const GsLinkOwner *callbacks;
	void *owner;
	char name[GS_CONTROL_NAME_MAX + 1], conninfo[GS_CONNINFO_MAX + 1];
	GsLinkState state;
	unsigned failures; /* since gs_link_praise */
	struct pg_conn *conn;
	struct pg_result *result; /* first of the call on the wire */
	int64_t called_us;        /* gs_boot_us when the last call was sent */
	uv_poll_t *poll;  /* of its own allocation: libpq may change the socket, a closing handle lives on for a turn */
	uv_timer_t timer; /* pause, connect time-out, call time-out: whichever the state is waiting for */
	GsJob job;
	char resolving[GS_CONNINFO_MAX + 1]; /* the job's own: a reload may change `conninfo` meanwhile */
	GsConninfo resolved;
	int resolve_error;
} GsLink;

/* Name and conninfo within the limits of settings.h. */
void gs_link_start(GsLink *link, GsStore *store, const char *name, const char *conninfo, const GsLinkOwner *callbacks,
				   void *owner);
/* In state IDLE only. */
void gs_link_call(GsLink *link, const GsCall *call);
/* The server is of no use now: disconnect, pause, connect again. Calls `down`. */
void gs_link_drop(GsLink *link, const char *why);
/* It is of use: the next pause is short again. */
void gs_link_praise(GsLink *link);
/* Closes for good; its handles are closed by the loop, the timer with `closed`. No job of it may be running. */
void gs_link_stop(GsLink *link, uv_close_cb closed);

#endif
