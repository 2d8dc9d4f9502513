/* SPDX-License-Identifier: PostgreSQL */
/*
 * A stored copy that turns out bad, and one that comes back. SPI must be open, and the caller holds the share's row.
 */
#ifndef GS_COPY_H
#define GS_COPY_H

#include "postgres.h"
#include "utils/uuid.h"

/* Locks the share that the object is a copy of, when it is one on this device; `wait` false: only if nobody holds it.
 */
bool gs_copy_lock(const pg_uuid_t *device, const pg_uuid_t *object, bool wait);

/* A stored copy becomes "quarantined" or "missing"; its owner is told. `found` is the digest of the bytes that are
 * there instead, or NULL. False when it is not stored (any more). */
bool gs_copy_fail(const pg_uuid_t *object, const char *state, const bytea *found);

/* A missing copy is on its device after all, with the right digest. False when it is not missing. */
bool gs_copy_return(const pg_uuid_t *object);

#endif
