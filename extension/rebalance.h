/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which copies leave a device only because it is fuller than others. SPI must be open.
 */
#ifndef GS_REBALANCE_H
#define GS_REBALANCE_H

#include "postgres.h"

typedef struct GsExtent {
	int64 copies;
	int64 bytes;
} GsExtent;

/* What lies above the average, on all devices that are too full, and could lie elsewhere. */
GsExtent gs_rebalance_extent(void);

/* Marks copies of the fullest device that shall leave it, `pace` at most; returns how many. Never waits for a lock. */
uint64 gs_rebalance_step(int64 pace);

/* Some that were marked are still where they were. */
bool gs_rebalance_under_way(void);

#endif
