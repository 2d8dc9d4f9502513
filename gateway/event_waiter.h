/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files behind events.h tell each other of a waiter: events.c (who waits, wakes, and asks next),
 * event_answer.c (what an answer does to it), event_request.c (its HTTP request). Loop thread only.
 */
#ifndef GS_EVENT_WAITER_H
#define GS_EVENT_WAITER_H

#include <sys/queue.h>

#include "gateway/event_stream.h"
#include "gateway/gateway.h"

#define GS_EVENT_BUCKETS 1024
#define GS_EVENT_TERMINAL_BYTES 36 /* a UUID's text */

typedef enum GsWaiterState {
	WAITER_ASKING, /* its request is with the pool */
	WAITER_PARKED, /* nothing new */
	WAITER_DUE,    /* in line to ask */
	WAITER_TAKING, /* its stream has not taken all yet; then it asks */
	WAITER_ENDED   /* answered, ending, or closed */
} GsWaiterState;

typedef struct GsWaiter {
	GsEvents *events;
	GsStream *stream;
	const GsApi *api;
	GsServer *server;
	GsWaiterState state;
	bool live;    /* server-sent events, else a long poll */
	bool woken;   /* a notification came while it asked */
	bool last;    /* its time is up: the next answer is sent whatever it is */
	bool in_line; /* asks by the line, so it counts in `asking` */
	bool unknown; /* the session, to admission.c */
	int beats;
	char terminal[GS_EVENT_TERMINAL_BYTES + 1];
	json_t *params;
	GsPgRequest *request;
	GsEventStream out;
	uv_timer_t timer;
	TAILQ_ENTRY(GsWaiter) due_link;
	TAILQ_ENTRY(GsWaiter) link;
} GsWaiter;

typedef TAILQ_HEAD(GsWaiterList, GsWaiter) GsWaiterList;

struct GsEvents {
	GsGateway *gateway;
	GsWaiterList buckets[GS_EVENT_BUCKETS]; /* by terminal */
	GsWaiterList due;
	size_t waiters;
	size_t asking;
	bool draining;
};

/* events.c ----------------------------------------------------------------------------------------------------------
 */

/* The only setter of `state`; who is DUE stands in the line. */
void gs_waiter_set_state(GsWaiter *waiter, GsWaiterState state);
/* To the end of the line; gs_waiters_move is the caller's to call. */
void gs_waiter_due(GsWaiter *waiter);
/* The request that asks for it is forgotten. */
void gs_waiter_stop_asking(GsWaiter *waiter);
/* Lets ask who is due, as many as may at a time. */
void gs_waiters_move(GsEvents *events);
/* NULL when out of memory. In the table, ASKING, the stream's data; `server` and `params` are the caller's to set. */
GsWaiter *gs_waiter_new(GsEvents *events, GsStream *stream, const char *terminal, bool live);
/* Asks for the first time. `wait_s` counts for a long poll only. */
void gs_waiter_start(GsWaiter *waiter, int wait_s);
/* Its stream is closed. */
void gs_waiter_close(GsWaiter *waiter);

/* event_answer.c ----------------------------------------------------------------------------------------------------
 */

/* What the control server said to ASKING. */
void gs_waiter_answered(GsWaiter *waiter, const GsPgReply *reply);
/* Answers with whatever the control server said; or it could not be asked (NULL). Not for a stream that has begun. */
void gs_waiter_answer(GsWaiter *waiter, const GsPgReply *reply);
/* Ends a stream that has begun. */
void gs_waiter_end_stream(GsWaiter *waiter);

#endif
