/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which device takes the bytes of a notice (spec rows U2, U6). SPI must be open.
 */
#ifndef GS_PLACEMENT_H
#define GS_PLACEMENT_H

#include "policy.h"

/* What was decided, and from what; palloc'd. */
typedef struct GsPlace {
	pg_uuid_t device;
	char *device_name;
	int32 distance;
	Datum candidates; /* as gs_decision_record makes them */
	GsPolicy policy;
} GsPlace;

/* The candidates in the order in which they are tried, at most groupshare.placement_candidates; `policy` becomes the
 * one that decided. */
GsCandidates gs_placement_candidates(const GsQuestion *question, GsPolicy *policy);

/*
 * Chooses a device and reserves the bytes in its ledger, whose row stays locked until the transaction ends. Waits at
 * most groupshare.placement_wait for other notices, a moment only if the transaction holds a ledger row. GS022 when no
 * device has room, GS023 when others held all that have.
 */
GsPlace *gs_placement_reserve(const GsQuestion *question);

/* The same without waiting; NULL and a reason when the notice would be refused. */
GsPlace *gs_placement_try(const GsQuestion *question, char **refusal);

/* Where the first of the candidates would take the bytes; nothing is reserved. False and a reason when there is none.
 */
bool gs_placement_rehearse(const GsQuestion *question, GsCandidate *first, char **refusal);

#endif
