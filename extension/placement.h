/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which device takes the bytes of a notice (spec rows U2, U6). SPI must be open.
 */
#ifndef GS_PLACEMENT_H
#define GS_PLACEMENT_H

#include "request.h"
#include "utils/array.h"

/* What was decided, and from what; palloc'd. */
typedef struct GsPlace {
	pg_uuid_t device;
	char *device_name;
	int32 distance;
	Jsonb *candidates; /* [{device, distance, available, score, outcome}...], the nearest first */
} GsPlace;

/* Where the terminal is: its own setting, else the longest network prefix that holds `peer` (may be NULL), else the
 * root. */
char *gs_placement_location(const GsTerminal *terminal, const inet *peer);

/*
 * Chooses a device near `location` that has room for `size` bytes and is not named in `avoid` (text[]), and reserves
 * the bytes in its ledger, whose row stays locked until the transaction ends. Waits at most `wait_ms` for other
 * notices. GS022 when no device has room, GS023 when others held all that have.
 */
GsPlace *gs_placement_reserve(const char *location, int64 size, ArrayType *avoid, int wait_ms);

#endif
