/* SPDX-License-Identifier: PostgreSQL */
/*
 * What speaks against a device, in one place for every search and statement that asks.
 */
#ifndef GS_OBJECTION_H
#define GS_OBJECTION_H

#include "candidates.h"

/* What is known of a device: columns of groupshare.device and device_ledger. */
typedef struct GsStanding {
	const char *state;
	const char *name;
	bool announced;
	TimestampTz reported_at; /* DT_NOEND: has not reported */
	int32 report_interval_ms;
	bool read_only;
	int64 capacity;
	int64 capacity_limit; /* PG_INT64_MAX: none */
	int64 available;
	int32 high_water_percent; /* 0: the setting's */
	int64 headroom;           /* < 0: the setting's */
} GsStanding;

/* The reason, constant text or the device's state; NULL: nothing speaks against it. `avoid` is text[] of names. */
const char *gs_objection(const GsStanding *standing, int64 size, ArrayType *avoid);

/* The same in a statement over d (groupshare.device) and l (groupshare.device_ledger); $2 is the size, $3 avoid. */
#define OBJECTION_TYPES INT8OID, TEXTARRAYOID
#define OBJECTION                                                                                                 \
	" groupshare.placement_objection(d.state, d.name, l.epoch, l.reported_at, l.report_interval_ms, l.read_only," \
	" l.capacity_bytes, l.capacity_limit_bytes, l.available_bytes, l.high_water_percent, l.headroom_bytes, $2, $3) "

/* Sets values[0] to the statement's own first parameter, values[1] and values[2] to those of OBJECTION. */
void gs_objection_parameters(Datum *values, Datum subject, const GsQuestion *question);

#endif
