/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rate that a plan grants a terminal, kept over all of its transfers here: those under tickets of one control
 * server with one `sub` share one bucket of bytes that fills with time. One process serves a disk, so the promise is
 * per terminal and device. A download reads what the bucket has; an upload gives back window by it, and is not finished
 * before all of its bytes are paid. The last ticket's rate counts for all. Loop thread only.
 */
#ifndef GS_PACE_H
#define GS_PACE_H

#include "storaged/store.h"

/* Embedded in a transfer. */
typedef struct GsPaced {
	struct GsPace *pace; /* NULL: no limit */
	bool waiting;
	void (*go)(struct GsPaced *paced); /* there is room again; may end the transfer */
	TAILQ_ENTRY(GsPaced) link;
} GsPaced;

/* False: out of memory. Without a rate in the ticket there is no limit. */
__attribute__((warn_unused_result)) bool gs_pace_join(GsStore *store, GsPaced *paced, const GsTicket *ticket,
													  void (*go)(GsPaced *paced));
/* `owed`: bytes that came and were not paid. */
void gs_pace_leave(GsPaced *paced, uint64_t owed);
/* Bytes that may move now. 0: `go` is called when there are some. */
uint64_t gs_pace_room(GsPaced *paced);
void gs_pace_spend(GsPaced *paced, uint64_t bytes);

/* At the end of the process: no transfer is left. */
void gs_pace_stop(GsStore *store, size_t *open_handles);
void gs_pace_start(GsStore *store);

#endif
