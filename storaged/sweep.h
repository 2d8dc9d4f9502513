/* SPDX-License-Identifier: PostgreSQL */
/* Puts the disk in order at the start, before the first request: replays the journal, empties staging/, counts. */
#ifndef GS_SWEEP_H
#define GS_SWEEP_H

#include "storaged/store.h"

/* Blocks. Queues a receipt for every journal entry and sets store->used_bytes. 0 or -errno (logged). */
__attribute__((warn_unused_result)) int gs_sweep_start(GsStore *store);

#endif
