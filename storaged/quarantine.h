/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where damaged objects go: quarantine/OBJECT and quarantine/OBJECT.json, out of every path that serves. They stay for
 * whoever wants to look until the control server orders the deletion. All functions block: pool threads and start-up
 * only; the object is claimed. 0 or -errno.
 */
#ifndef GS_QUARANTINE_H
#define GS_QUARANTINE_H

#include "storaged/disk.h"

/* -ENOENT: nothing is stored under the id any more. Data that is missing is no error. */
__attribute__((warn_unused_result)) int gs_quarantine_move(const GsDisk *disk, const GsUuid *object);
/*
 * By order of `server`. *freed_bytes: of the data that went. -ENOENT: nothing was there; -EPERM: it is another control
 * server's, as far as its sidecar can be read.
 */
__attribute__((warn_unused_result)) int gs_quarantine_remove(const GsDisk *disk, const GsUuid *server,
															 const GsUuid *object, uint64_t *freed_bytes);

#endif
