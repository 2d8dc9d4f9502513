/* SPDX-License-Identifier: PostgreSQL */
/*
 * Fetching and forgetting events; writing them is in request.h. SPI must be open.
 */
#ifndef GS_EVENT_H
#define GS_EVENT_H

#include "postgres.h"
#include "utils/uuid.h"

/* Removes at most `limit` events older than groupshare.event_retention; returns how many. */
uint64 gs_event_sweep(int64 limit);

/* The same with events of whole groups, which may have a row for each of many groups. */
uint64 gs_event_sweep_groups(int64 limit);

/*
 * The next members that are to be woken for events of their groups, each once, at most 10,000: copies, `*count` of
 * them. They count as woken when the transaction commits. True when there are more.
 */
bool gs_event_wake_members(pg_uuid_t ***members, uint64 *count);

#endif
