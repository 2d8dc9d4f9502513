/* SPDX-License-Identifier: PostgreSQL */
/*
 * Fetching and forgetting events; writing them is in request.h. SPI must be open.
 */
#ifndef GS_EVENT_H
#define GS_EVENT_H

#include "postgres.h"

/* Removes at most `limit` events older than groupshare.event_retention; returns how many. */
uint64 gs_event_sweep(int64 limit);

#endif
