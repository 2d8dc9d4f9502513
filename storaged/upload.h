/* SPDX-License-Identifier: PostgreSQL */
/*
 * An upload's state and what put.c (the path of a new object), put_compare.c (an object that is stored already) and
 * put_answer.c (how an upload ends) tell each other. Loop thread, but for the functions said to be for the pool.
 */
#ifndef GS_UPLOAD_H
#define GS_UPLOAD_H

#include "daemon/stream.h"
#include "storaged/blocks.h"
#include "storaged/offset.h"
#include "storaged/receipt.h"
#include "storaged/stage.h"

typedef enum GsPutState {
	PUT_OPENING,    /* pool: is it stored already? if not, preallocate */
	PUT_RECEIVING,  /* bytes arrive; pool: write or hash */
	PUT_COMMITTING, /* pool: make durable */
	PUT_CONFIRMING, /* pool: identical bytes were sent; is the stored object still there? */
	PUT_WAITING,    /* for the control server */
	PUT_DISCARDING, /* pool: remove what was staged */
	PUT_ANSWERED,   /* lives on until the stream closes */
	PUT_STATES
} GsPutState;

typedef struct GsProblem {
	int status;
	const char *code, *detail, *hint;
	int retry_after_s;
} GsProblem;

typedef enum GsPutLook { LOOK_NEW, LOOK_STORED, LOOK_FAILED } GsPutLook;

typedef struct GsPut {
	GsStore *store;
	GsStream *stream; /* NULL once closed */
	GsServer *server;
	GsTicket ticket;
	GsPutState state;
	const GsProblem *problem; /* the first that came up */
	bool running;             /* a job is on the pool */
	bool claimed;             /* `active` is in the table */
	bool ended;               /* the body is complete */
	GsActive active;
	GsJob job;
	GsOffset offset;
	GsBlocks filling, writing;
	bool expects; /* a digest was promised */
	uint8_t expected[GS_SHA256_BYTES];
	bool staged;    /* `stage` was opened, its bytes are counted */
	bool comparing; /* the object is stored: `stored` tells what it is */
	GsStage stage;
	GsSidecar stored;
	EVP_MD_CTX *digest; /* of the compared bytes */
	GsPutLook look;
	GsStageResult result;
	int error;
	uint64_t commit_start_ns;
	GsReceiptWait wait;
} GsPut;

extern const GsProblem gs_put_size_mismatch, gs_put_digest_mismatch, gs_put_busy, gs_put_different, gs_put_unwanted,
	gs_put_cancelled, gs_put_no_room, gs_put_read_only, gs_put_overloaded, gs_put_behind, gs_put_internal, gs_put_gone;

/* put.c -------------------------------------------------------------------------------------------------------------
 */

/* RECEIVING, nothing on the pool: what comes next? */
void gs_put_pump(GsPut *put);

/* put_answer.c: the only setter of `state` --------------------------------------------------------------------------
 */

void gs_put_set_state(GsPut *put, GsPutState state);
void gs_put_submit(GsPut *put, GsJobKind kind, void (*run)(void *), void (*done)(void *));
void gs_put_claim(GsPut *put);
void gs_put_unclaim(GsPut *put);
void gs_put_free(GsPut *put);
/* The last step of every upload; `put` is gone after either when the stream is. */
void gs_put_answer_problem(GsPut *put, const GsProblem *problem);
void gs_put_answer_stored(GsPut *put, int status);
void gs_put_receipt_done(GsReceiptWait *wait, GsReceiptOutcome outcome);
/* Takes note of a problem; what follows from it is gs_put_pump's business. Unwritten bytes go back to the window. */
void gs_put_fail(GsPut *put, const GsProblem *problem);
/* Nothing is on the pool: answers the noted problem, after what was staged is removed. */
void gs_put_fail_now(GsPut *put);
/* What put->result means; NULL when it is fine. */
const GsProblem *gs_put_stage_problem(GsPut *put);

/* put_compare.c -----------------------------------------------------------------------------------------------------
 */

/* Pool: what is stored, and is it whole? A sidecar without its data counts as not stored. */
GsPutLook gs_put_look(GsPut *put);
/* The object is stored: decides by what is known without the bytes, else has them hashed. */
void gs_put_compare_start(GsPut *put);
/* All bytes are hashed. */
void gs_put_compare_finish(GsPut *put);

#endif
