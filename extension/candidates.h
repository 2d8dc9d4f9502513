/* SPDX-License-Identifier: PostgreSQL */
/*
 * The devices that a placement chooses from. SPI must be open.
 */
#ifndef GS_CANDIDATES_H
#define GS_CANDIDATES_H

#include "postgres.h"
#include "utils/array.h"
#include "utils/uuid.h"

typedef struct GsQuestion {
	const char *location;
	int64 size;
	ArrayType *avoid; /* text[] of device names */
} GsQuestion;

typedef struct GsCandidate {
	pg_uuid_t device;
	char *name;
	int32 distance;
	int64 available;
	double score;        /* the chance of being tried first: 0 unless among the nearest; all sum up to 1 */
	const char *outcome; /* constant text; NULL: not tried */
} GsCandidate;

typedef struct GsCandidates {
	int count;
	GsCandidate *list; /* the nearest first */
} GsCandidates;

/* At most groupshare.placement_candidates devices, the nearest with room. */
GsCandidates gs_candidates_find(const GsQuestion *question);

/* Locks the device's ledger row when no other transaction holds it and the device still has room. */
bool gs_candidates_lock(const GsQuestion *question, const pg_uuid_t *device);

/* How many devices there are and why each kind of them is no candidate, for an error's detail: counts, no names. */
char *gs_candidates_tally(const GsQuestion *question);

#endif
