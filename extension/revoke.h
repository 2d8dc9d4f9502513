/* SPDX-License-Identifier: PostgreSQL */
/*
 * Terminals whose tickets die, on their way to the devices. SPI must be open.
 */
#ifndef GS_REVOKE_H
#define GS_REVOKE_H

#include "postgres.h"
#include "utils/uuid.h"

/*
 * The calling device hears of what it has not heard of: that becomes work of its own, no more than makes `page` items
 * of this kind that it has not done.
 */
void gs_revoke_hear(const pg_uuid_t *device, int64 page);

/* Marks so many as those that all devices are woken for, and returns how many there were. */
uint64 gs_revoke_wake(int64 limit);

/* Those of which no device need hear any more; returns how many. */
uint64 gs_revoke_sweep(int64 limit);

#endif
