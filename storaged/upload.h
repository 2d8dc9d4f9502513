/* SPDX-License-Identifier: PostgreSQL */
/*
 * An upload's state and what its files tell each other: put_open.c (admission, what is there already), put.c (the path
 * of the bytes), put_part.c (uploads that come in parts), put_compare.c (an object that is stored already),
 * put_answer.c and patch_answer.c (how it ends). Loop thread, but for the functions said to be for the pool.
 */
#ifndef GS_UPLOAD_H
#define GS_UPLOAD_H

#include <jansson.h>

#include "storaged/blocks.h"
#include "storaged/offset.h"
#include "storaged/patch_head.h"
#include "storaged/receipt.h"
#include "storaged/staged.h"
#include "storaged/transfer.h"

typedef enum GsPutKind {
	GS_PUT_WHOLE, /* PUT */
	GS_PUT_PART,  /* PATCH */
	GS_PUT_ASK    /* HEAD with an upload ticket: only asks how far it has come */
} GsPutKind;

typedef enum GsPutState {
	PUT_QUEUED,     /* new; or waits for the upload that it has cut to let the object go */
	PUT_OPENING,    /* pool: is it stored already? if not, preallocate, or open what is staged */
	PUT_HASHING,    /* pool: a digest lost with an earlier daemon is made again */
	PUT_RECEIVING,  /* bytes arrive; pool: write, hash or record */
	PUT_COMMITTING, /* pool: make durable */
	PUT_CONFIRMING, /* pool: identical bytes were sent; is the stored object still there? */
	PUT_WAITING,    /* for the control server */
	PUT_PAUSING,    /* pool: record how far it has come */
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
	GsTransfer transfer; /* its stream is NULL once closed */
	GsStore *store;
	GsServer *server;
	GsPutKind kind;
	GsPutState state;
	const GsProblem *problem; /* the first that came up */
	bool running;             /* a job is on the pool */
	bool claimed;             /* `active` is in the table */
	bool ended;               /* the body is complete */
	bool counted;             /* among store->uploads */
	bool whole;               /* all bytes are here: from now on an answer is about the object */
	GsActive active;
	/* QUEUED behind `predecessor`, whose `successor` it is: started as soon as that one lets the object go. */
	struct GsPut *successor, *predecessor;
	GsJob job;
	GsOffset offset;
	GsBlocks filling, writing, spare;
	bool expects; /* a digest was promised */
	uint8_t expected[GS_SHA256_BYTES];
	bool staged;    /* `stage` was opened, its bytes are counted */
	bool comparing; /* the object is stored: `stored` tells what it is */
	GsStage stage;
	GsSidecar stored;
	EVP_MD_CTX *digest; /* of the compared bytes */
	GsPatchHead head;   /* PART, ASK */
	EVP_MD_CTX *sum;    /* PART with a checksum: of this body */
	GsStaged *place;    /* PART: what `stage` goes back into */
	GsPutLook look;
	GsStageResult result;
	int error;
	uint64_t commit_start_ns;
	GsReceipt *receipt; /* from before the commit until it is queued */
	GsReceiptWait wait;
} GsPut;

extern const GsProblem gs_put_size_mismatch, gs_put_digest_mismatch, gs_put_busy, gs_put_different, gs_put_unwanted,
	gs_put_cancelled, gs_put_no_room, gs_put_read_only, gs_put_overloaded, gs_put_behind, gs_put_internal,
	gs_put_no_memory, gs_put_gone, gs_put_cut, gs_put_mismatch, gs_put_inconsistent, gs_put_checksum,
	gs_put_content_digest, gs_put_encoded, gs_put_precondition;

extern const GsHeader gs_put_identity; /* of gs_put_encoded */

/* put.c -------------------------------------------------------------------------------------------------------------
 */

/* HASHING or RECEIVING, nothing on the pool: what comes next? */
void gs_put_pump(GsPut *put);
/* For GsHandler, PUT and PATCH. */
void gs_put_data(GsStream *stream, const uint8_t *bytes, size_t size);
void gs_put_end(GsStream *stream);

/* The pace has room again: returns what is owed to the sender's window, as far as it goes, and goes on. */
void gs_put_paid(GsPaced *paced);

/* put_open.c -------------------------------------------------------------------------------------------------------
 */

/* NULL: answered. The stream's transfer from here on, QUEUED. */
GsPut *gs_put_new(GsStream *stream, const GsTicket *ticket, GsPutKind kind);
/* NULL, or what is wrong with Content-Encoding or Repr-Digest; with a PUT, Content-Digest too. */
const GsProblem *gs_put_read_content(GsPut *put);
/* QUEUED: decides by what is known of the object; goes on, is queued, or is answered. */
void gs_put_start(GsPut *put);

/* put_part.c -------------------------------------------------------------------------------------------------------
 */

/* `put` is to go on with what is staged. */
void gs_part_resume(GsPut *put, GsStaged *staged);
/* Opened, no problem so far: the checksum begins. May note a problem. */
void gs_part_begin(GsPut *put);
/* HASHING: one more step. */
void gs_part_hash(GsPut *put);
void gs_part_record(GsPut *put);
/* All bytes of the body are written. True: it was the last, commit; false: pauses. */
__attribute__((warn_unused_result)) bool gs_part_finish(GsPut *put);
/* Keeps what came, then answers: put->problem, or that more may come. */
void gs_part_pause(GsPut *put);
/* Does the problem leave what came in its place? */
bool gs_part_survives(const GsPut *put, const GsProblem *problem);
/* The claim's owner is a PATCH that can be cut: it is, and `successor` started after it. False: it can't. */
__attribute__((warn_unused_result)) bool gs_part_cut(GsActive *entry, GsPut *successor);
void gs_part_leave_queue(GsPut *put);

/* patch_answer.c ---------------------------------------------------------------------------------------------------
 */

/* PATCH and HEAD: the stream is open. */
void gs_patch_send_problem(GsPut *put, const GsProblem *problem);
void gs_patch_send_stored(GsPut *put, int status, json_t *body);
/* More may come; or, to HEAD, how far it has come. */
void gs_patch_send_offset(GsPut *put, uint64_t offset, int64_t until_s);

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
/* PATCH and HEAD: how far it has come. */
void gs_put_answer_offset(GsPut *put, uint64_t offset, int64_t until_s);
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
/* LOOK_FAILED: logs why, and says what it is to the client. */
const GsProblem *gs_put_look_problem(const GsPut *put);
/* The object is stored: decides by what is known without the bytes, else has them hashed. */
void gs_put_compare_start(GsPut *put);
/* A PUT's If-Match and If-None-Match (RFC 9110, 13.1), by `look` and `stored`. What is not stored has no tag. */
__attribute__((warn_unused_result)) bool gs_put_conditions_hold(const GsPut *put);
/* All bytes are hashed. */
void gs_put_compare_finish(GsPut *put);

#endif
