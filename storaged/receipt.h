/* SPDX-License-Identifier: PostgreSQL */
/*
 * Receipts: objects that are durably stored and not yet acknowledged by their control server. Each has an entry in
 * journal/ and a place in its server's queue, from which control.c sends them in order. Uploads may wait for the
 * outcome. Loop thread only.
 */
#ifndef GS_RECEIPT_H
#define GS_RECEIPT_H

#include "storaged/sidecar.h"
#include "storaged/store.h"

typedef enum GsReceiptOutcome {
	GS_RECEIPT_STORED,   /* acknowledged: the sidecar moves beside the data */
	GS_RECEIPT_UNWANTED, /* the control server no longer wants it: removed */
	GS_RECEIPT_MISMATCH, /* not what the notice said: removed */
	GS_RECEIPT_LATE      /* to a waiter only: no answer within receipt_wait_ms; the receipt stays queued */
} GsReceiptOutcome;

typedef enum GsReceiptState {
	GS_RECEIPT_QUEUED,    /* waits for its server */
	GS_RECEIPT_SENT,      /* on the wire, with others; they are still the first of the queue */
	GS_RECEIPT_FINISHING, /* out of the queue, disk work for the outcome is running */
} GsReceiptState;

typedef struct GsReceipt {
	GsActive active;
	GsSidecar sidecar;
	GsServer *server;
	GsReceiptState state;
	bool staged; /* never sent: still counts into server->staged_bytes */
	GsReceiptOutcome outcome;
	struct GsReceiptWaits waits;
	TAILQ_ENTRY(GsReceipt) link;
	GsJob job;
	uint64_t freed_bytes;
	int error;
} GsReceipt;

/* Embedded in whoever waits. `done` is called once, never from within gs_receipt_wait. */
typedef struct GsReceiptWait {
	void (*done)(struct GsReceiptWait *wait, GsReceiptOutcome outcome);
	GsReceipt *receipt; /* NULL when not waiting */
	uint64_t deadline_ms;
	TAILQ_ENTRY(GsReceiptWait) link;     /* of the receipt */
	TAILQ_ENTRY(GsReceiptWait) all_link; /* of the store */
} GsReceiptWait;

/* Made before the object is committed, so that what is stored is told. NULL when out of memory; else for
 * gs_receipt_add, or for free(). */
GsReceipt *gs_receipt_new(void);
/* Takes over `receipt`. The object must not be claimed. `staged`: its bytes are counted as staged. */
void gs_receipt_add(GsStore *store, GsServer *server, GsReceipt *receipt, const GsSidecar *sidecar, bool staged);

void gs_receipt_wait(GsStore *store, GsReceipt *receipt, GsReceiptWait *wait,
					 void (*done)(GsReceiptWait *wait, GsReceiptOutcome outcome));
void gs_receipt_forget(GsStore *store, GsReceiptWait *wait);

/* For the conversation with its server: the first of the queue, NULL when there is none. */
GsReceipt *gs_receipt_next(GsServer *server);
/* The first of the queue go on the wire, `most` at most, none of them there yet; returns how many. */
__attribute__((warn_unused_result)) size_t gs_receipt_send(GsServer *server, size_t most);
/* The first `count`, on the wire, were not taken: again, first. */
void gs_receipt_unsent(GsServer *server, size_t count);
/* The server failed on it: set aside, so that the others go on, until gs_receipt_retry. */
void gs_receipt_postpone(GsReceipt *receipt);
void gs_receipt_retry(GsServer *server);
void gs_receipt_finish(GsStore *store, GsReceipt *receipt, GsReceiptOutcome outcome);

/* At the end of the process: memory only, the journal keeps them. */
void gs_receipt_free_all(GsStore *store);

#endif
