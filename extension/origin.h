/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where a terminal is. SPI must be open.
 */
#ifndef GS_ORIGIN_H
#define GS_ORIGIN_H

#include "request.h"

typedef struct GsOrigin {
	const char *location; /* "" is the root */
	bool has_point;
	double latitude;
	double longitude;
} GsOrigin;

/* The terminal's own setting, else the longest network prefix that holds `peer` (may be NULL), else the root. */
GsOrigin gs_origin_find(const GsTerminal *terminal, const inet *peer);

#endif
