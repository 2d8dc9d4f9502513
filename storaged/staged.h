/* SPDX-License-Identifier: PostgreSQL */
/*
 * Unfinished uploads that wait for their next part: their bytes are in staging/, counted as used and as staged, nobody
 * is at work on them. Whoever goes on with one takes it out and claims the object (active.h). They end by that, by
 * DELETE, by an order of the control server, or when their time is up. Loop thread only.
 */
#ifndef GS_STAGED_H
#define GS_STAGED_H

#include "storaged/progress.h"
#include "storaged/stage.h"
#include "storaged/store.h"

typedef struct GsStaged {
	GsActive entry; /* in the store's table `staged`; while being discarded, the claim */
	GsStore *store;
	GsServer *server;
	GsStage stage; /* paused */
	GsJob job;
	bool discarded;
} GsStaged;

GsStaged *gs_staged_find(const GsStore *store, const GsUuid *object);
/* `staged` has server and stage; the object must be neither staged nor claimed by another than the caller. */
void gs_staged_add(GsStore *store, GsStaged *staged);
/* Out of the table; the caller owns it and its counted bytes. */
void gs_staged_take(GsStaged *staged);
/* Taken out before, its bytes no longer wanted: uncounts and frees; what is on disk is the caller's business. */
void gs_staged_drop(GsStore *store, GsStaged *staged);
/* In the table, its object not claimed: removes it with its bytes. */
void gs_staged_discard(GsStore *store, GsStaged *staged);
/* Found by the start of the daemon. 0 or -errno. */
__attribute__((warn_unused_result)) int gs_staged_recall(GsStore *store, const GsProgress *progress);

void gs_staged_start(GsStore *store);
/* At the end of the process: memory only, the disk keeps them. */
void gs_staged_free_all(GsStore *store);

#endif
