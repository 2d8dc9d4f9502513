/* SPDX-License-Identifier: PostgreSQL */
/*
 * The conversation with one control server, and what its two halves tell each other: control.c says things, in their
 * order, and control_answer.c takes the answers. No other file includes this.
 */
#ifndef GS_CONTROL_STATE_H
#define GS_CONTROL_STATE_H

#include "storaged/control.h"
#include "storaged/damage.h"
#include "storaged/fetch.h"
#include "storaged/link.h"
#include "storaged/receipt.h"

typedef enum GsCallKind {
	CALL_LIMIT,
	CALL_LISTEN,
	CALL_ANNOUNCE,
	CALL_REPORT,
	CALL_RECEIPTS,
	CALL_DAMAGED,
	CALL_WORK_DONE,
	CALL_INVENTORY,
	CALL_FETCH_FAILED,
	CALL_KINDS
} GsCallKind;

struct GsControl {
	GsStore *store;
	GsLink link;
	GsServer *server;                   /* who it announced as; kept over reconnects */
	bool limited, listening, announced; /* on this connection */
	bool keyed;                         /* the ticket keys of `server` have come; kept over reconnects */
	uv_timer_t report_timer;
	size_t *open_handles; /* while stopping */
	size_t own_handles;

	GsJob measure_job;
	bool measuring, measured, report_due;
	GsDiskSpace disk_space;
	int measure_error;
	uint64_t said_ms; /* when a report or announcement was sent last, by the loop's clock */

	GsCallKind kind; /* of the call on the wire */
	GsCall call;
	size_t receipts;        /* on the wire: so many, the first of the queue */
	size_t lonely;          /* so many next ones go one by one: they failed together, and the others are not to wait */
	GsDamage *damage;       /* on the wire */
	GsFetch *fetch;         /* given up; on the wire */
	bool later[CALL_KINDS]; /* a row was locked: not before the next report */
	int64_t work_done[GS_WORK_MAX];
	size_t work_done_count, work_done_sent; /* to be told; of them on the wire */
	GsReply reply;
};

/* The only setter of `announced`. */
void gs_control_set_announced(GsControl *control, bool announced);
/* What the answer to the call on the wire means. NULL, or why the connection is of no use now. */
__attribute__((warn_unused_result)) const char *gs_control_take(GsControl *control, const GsAnswer *answer);

#endif
