/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where a terminal is. SPI must be open.
 */
#ifndef GS_ORIGIN_H
#define GS_ORIGIN_H

#include "fmgr.h"

#include "request.h"

typedef struct GsOrigin {
	const char *location; /* "" is the root */
	bool has_point;
	double latitude;
	double longitude;
} GsOrigin;

/* The terminal's own setting, else the longest network prefix that holds `peer` (may be NULL), else the root. */
GsOrigin gs_origin_find(const GsTerminal *terminal, const inet *peer);

/* Raises GS010 unless it is a location. */
void gs_origin_check_location(const char *location);

/* Raises GS010 unless both arguments, `at` and the next, are null or both are degrees. */
void gs_origin_check_point(FunctionCallInfo fcinfo, int at);

#endif
