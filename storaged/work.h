/* SPDX-License-Identifier: PostgreSQL */
/* Work that a control server orders in its answers: deletions and revocations. Loop thread only. */
#ifndef GS_WORK_H
#define GS_WORK_H

#include "storaged/call.h"

/*
 * Does what can be done now and tells the server by device_work_done; the server repeats the rest in its next answers.
 * An object that an upload or a receipt has claimed is left alone until they are through. An object of another control
 * server is not touched. Revocations hold when it returns.
 */
void gs_work_take(GsStore *store, GsServer *server, const GsWorkItem *items, size_t count);

#endif
