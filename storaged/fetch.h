/* SPDX-License-Identifier: PostgreSQL */
/*
 * Copies from device to device: a control server orders an object to be fetched from another device. Each fetch is a
 * blocking walk (fetch_run.c) on a thread of its own, so that backpressure is nothing but a socket that is not read; it
 * holds the object's claim, and shares with the loop nothing but what stands below `lock`. Fetches are bounded by
 * max_fetches. What a fetch has when it ends before its time is an unfinished upload like any other (staged.h), and the
 * next order goes on with it.
 */
#ifndef GS_FETCH_H
#define GS_FETCH_H

#include <stdatomic.h>

#include "storaged/call.h"
#include "storaged/staged.h"

typedef enum GsFetchEnd {
	GS_FETCH_GOING,  /* it has not ended */
	GS_FETCH_STORED, /* durable; the receipt follows */
	GS_FETCH_THERE,  /* was stored already; a receipt again */
	GS_FETCH_PAUSED, /* withdrawn, or the daemon ends; what came is kept */
	/* Given up, what came is removed; told by gs_fetch_reason: */
	GS_FETCH_SOURCE_MISSING,
	GS_FETCH_SOURCE_DAMAGED,
	GS_FETCH_SOURCE_UNREACHABLE,
	GS_FETCH_NO_ROOM,
	GS_FETCH_FAILED,
	GS_FETCH_ENDS
} GsFetchEnd;

typedef enum GsFetchState {
	GS_FETCH_RUNNING, /* its thread is, and holds the claim */
	GS_FETCH_CLOSING, /* the thread has ended, its handle has not */
	GS_FETCH_GIVEN_UP /* its control server is to be told */
} GsFetchState;

typedef struct GsFetch {
	GsActive active;
	GsFetchState state;
	TAILQ_ENTRY(GsFetch) link;
	GsStore *store;
	GsServer *server;
	uint64_t size_bytes;
	uint8_t sha256[GS_SHA256_BYTES];
	bool listed;            /* in the newest report's answer */
	uint64_t counted_bytes; /* of `fetched_bytes`, in the metrics */
	uv_thread_t thread;
	uv_async_t ended; /* from the thread, once, as its last act */

	/* Both sides: */
	uv_mutex_t lock;
	uv_cond_t changed; /* url, ticket, `stop` */
	char url[GS_FETCH_URL_MAX + 1], ticket[GS_TICKET_MAX_BYTES + 1];
	atomic_bool stop;
	atomic_uint_fast64_t fetched_bytes;

	/* The thread's until it has ended: */
	char *ca;
	int64_t rate_bytes, min_rate_bytes, stall_ms;
	int64_t until_s; /* by the server's clock: what is paused is kept until then */
	GsStaged *place; /* what `stage` goes back into when it is paused */
	GsStage stage;
	GsStageResult disk; /* of the last step on disk */
	GsSidecar stored;
	GsOrigin origin;
	GsFetchEnd end;
	bool resumed;   /* `stage` came from `place` */
	bool opened;    /* `stage` may have left something on disk */
	bool discarded; /* after a failure: nothing is left on disk */
	char why[256];
} GsFetch;

/* The answer to a report: all that this server wants fetched. Starts, renews, and stops what is not wanted any more. */
void gs_fetch_take(GsStore *store, GsServer *server, const GsFetchOrder *orders, size_t count);
/* The object is to be deleted: the claim is let go within seconds. */
void gs_fetch_stop(GsStore *store, const GsServer *server, const GsUuid *object);
/* The daemon is to end. */
void gs_fetch_stop_all(GsStore *store);
/* For control.c: the next that was given up, NULL when there is none; it has been told. */
GsFetch *gs_fetch_next_failed(const GsStore *store, const GsServer *server);
const char *gs_fetch_reason(const GsFetch *fetch);
void gs_fetch_told(GsFetch *fetch);
/* At the end of the process, no thread runs any more. */
void gs_fetch_free_all(GsStore *store);

/* fetch_run.c: the thread's way, from the disk's state to fetch->end. */
void gs_fetch_run(GsFetch *fetch);

#endif
