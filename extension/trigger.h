/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a trigger in C reads of its event.
 */
#ifndef GS_TRIGGER_H
#define GS_TRIGGER_H

#include "postgres.h"
#include "commands/trigger.h"
#include "fmgr.h"

TriggerData *gs_trigger_data(FunctionCallInfo fcinfo);

/* The row that the event is about: the new one where there is one. */
HeapTuple gs_trigger_row(const TriggerData *data);

/* A column of the row; none of those asked for can be NULL. */
Datum gs_trigger_field(const TriggerData *data, HeapTuple row, const char *name);

/* The new row of a BEFORE UPDATE with this timestamptz column set to the clock's time, never before the old row's. */
HeapTuple gs_trigger_now(const TriggerData *data, const char *name);

#endif
