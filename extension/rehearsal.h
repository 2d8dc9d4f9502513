/* SPDX-License-Identifier: PostgreSQL */
/*
 * A drain that is only rehearsed: which copies would leave a device, and what would stay for want of room. SPI must be
 * open.
 */
#ifndef GS_REHEARSAL_H
#define GS_REHEARSAL_H

#include "postgres.h"
#include "utils/uuid.h"

#include "rebalance.h"

typedef struct GsRehearsal {
	GsExtent all;
	GsExtent leaving;
	char *problem; /* of the largest copy that stays; NULL: none does */
} GsRehearsal;

/* Changes nothing and locks nothing. */
GsRehearsal gs_rehearsal_drain(const pg_uuid_t *device);

#endif
