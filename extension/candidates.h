/* SPDX-License-Identifier: PostgreSQL */
/*
 * The devices that a placement chooses from. SPI must be open.
 */
#ifndef GS_CANDIDATES_H
#define GS_CANDIDATES_H

#include "postgres.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/uuid.h"

#include "choice.h"
#include "origin.h"

typedef struct GsQuestion {
	const char *terminal;   /* its identifier */
	const char *plan;       /* its plan, whose policy decides; NULL: no policy */
	const pg_uuid_t *share; /* whose groups' policy decides; NULL: none */
	GsOrigin origin;
	int64 size;
	ArrayType *avoid;        /* text[] of device names */
	const char *left_device; /* the one that a moved upload leaves; NULL: none */
	const char *left_for;    /* why, constant text */
	HTAB *rehearsed;         /* of GsRehearsed: what is taken for promised too; NULL: nothing */
} GsQuestion;

/* What a rehearsal (rehearsal.c) has put on a device. */
typedef struct GsRehearsed {
	pg_uuid_t device; /* the key */
	int64 bytes;
} GsRehearsed;

typedef struct GsCandidate {
	pg_uuid_t device;
	char *name;
	char *location;
	int32 distance;
	double km; /* < 0: not known */
	int64 available;
	double weight;       /* its free space, times the number of equally near devices that it stands for */
	bool refused;        /* it refused bytes since its last report */
	double preference;   /* gs_choice_preference, or what a policy made of it */
	double score;        /* the chance of being tried first; all sum up to 1 */
	const char *outcome; /* constant text; NULL: not tried */
} GsCandidate;

typedef struct GsCandidates {
	int count;
	GsCandidate *list;
} GsCandidates;

/*
 * The nearest `most` devices with room, and all or a sample of those that are as far as the last of them, in no order.
 * Empty only when no device has room.
 */
GsCandidates gs_candidates_find(const GsQuestion *question, int most);

/* What speaks against each kind of the nearest devices, for an error's detail: counts, no names. `with_room` is said of
 * those that nothing speaks against. */
char *gs_candidates_tally(const GsQuestion *question, const char *with_room);

/* All devices, the nearest first, as the columns of explain_placement up to available_bytes and what speaks against
 * each (NULL: nothing); the result stays readable as after gs_plan_run. */
uint64 gs_candidates_survey(const GsQuestion *question);

#endif
