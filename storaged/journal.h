/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sidecars on disk. journal/OBJECT.json is the commit point of an upload: from its durable rename on, the object will
 * be there after any crash, and its receipt is sent until the control server acknowledges it. All functions block: pool
 * threads and start-up only. 0 or -errno.
 */
#ifndef GS_JOURNAL_H
#define GS_JOURNAL_H

#include "storaged/disk.h"
#include "storaged/sidecar.h"

/* Commit point: written in staging/, renamed into journal/, both durable. */
__attribute__((warn_unused_result)) int gs_journal_write(const GsDisk *disk, const GsSidecar *sidecar,
														 const GsOrigin *origin);
/*
 * The sidecar of a stored object, from journal/ or from beside the data; -ENOENT when there is none, -EBADMSG when it
 * is damaged. The journal is looked at first, since sidecars move from there to the object and never back.
 */
__attribute__((warn_unused_result)) int gs_journal_read(const GsDisk *disk, const GsUuid *object, GsSidecar *sidecar);
/* Acknowledged: the sidecar moves to its place beside the data. */
__attribute__((warn_unused_result)) int gs_journal_settle(const GsDisk *disk, const GsUuid *object);
/*
 * Removes every trace of an object, staged or stored: the data before the sidecar, so that a crash in between leaves a
 * sidecar without data (which the start-up sweep clears) and never data that nothing describes. *freed_bytes: of the
 * stored data that went, also when the rest failed.
 */
__attribute__((warn_unused_result)) int gs_journal_remove(const GsDisk *disk, const GsUuid *object,
														  uint64_t *freed_bytes);
/* Moves finished data from staging/ to objects/, durably. */
__attribute__((warn_unused_result)) int gs_journal_place(const GsDisk *disk, const GsUuid *object);

#endif
