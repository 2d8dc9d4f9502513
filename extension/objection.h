/* SPDX-License-Identifier: PostgreSQL */
/*
 * What speaks against a device: one SQL expression over d (groupshare.device) and l (groupshare.device_ledger), NULL
 * when nothing does, for every statement that asks.
 */
#ifndef GS_OBJECTION_H
#define GS_OBJECTION_H

#include "candidates.h"

/* It reads $2 size, $3 avoid, $4 silent intervals, $5 headroom bytes, $6 high water percent. */
#define OBJECTION_TYPES INT8OID, TEXTARRAYOID, INT8OID, INT8OID, INT4OID
#define OBJECTION                                                                                       \
	" CASE WHEN d.state <> 'active' THEN d.state"                                                       \
	" WHEN d.name = ANY ($3) THEN 'avoided'"                                                            \
	" WHEN l.epoch IS NULL THEN 'not announced'"                                                        \
	" WHEN l.reported_at < now() - $4 * l.report_interval_ms * interval '1 millisecond' THEN 'silent'"  \
	" WHEN l.read_only THEN 'read-only'"                                                                \
	" WHEN (least(l.capacity_bytes, l.capacity_limit_bytes) - l.available_bytes) * 100::float8"         \
	"   > least(l.capacity_bytes, l.capacity_limit_bytes) * coalesce(l.high_water_percent, $6)::float8" \
	"   THEN 'over high water'"                                                                         \
	" WHEN l.available_bytes - coalesce(l.headroom_bytes, $5) <= $2 THEN 'too little room'"             \
	" END "

/* Sets values[0] to the statement's own first parameter and values[1] to values[5] to those of OBJECTION. */
void gs_objection_parameters(Datum *values, Datum subject, const GsQuestion *question);

#endif
