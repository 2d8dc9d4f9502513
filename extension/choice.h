/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rule by which placement chooses among devices that have room. Pure C without PostgreSQL, so that
 * bench/placement_sim runs the very same rule.
 */
#ifndef GS_CHOICE_H
#define GS_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_CHOICE_CLOSED (-1)
#define GS_CHOICE_RING 4294967296.0 /* devices stand on a ring of 2^32 places */

/* Uniform in [0, 1). */
typedef double (*GsDraw)(void *state);

typedef struct GsOption {
	double preference; /* the highest is tried first; by default gs_choice_preference() */
	double weight;     /* equally preferred ones are drawn by it; > 0 */
	double key;        /* set by gs_choice_order() */
	bool refused;      /* it refused bytes since its last report: tried after all others */
	double score;      /* the chance of being tried first, set by gs_choice_order() */
	void *subject;     /* the caller's */
} GsOption;

/* The octave of the room: k when 2^k <= bytes < 2^(k+1), GS_CHOICE_CLOSED when there is none. */
int gs_choice_class(int64_t room_bytes);

/* The class to keep for a device whose room changed: `kept` as long as it is at most one too high, which only costs a
 * look, so that a room that swings about a power of two changes nothing. */
int gs_choice_next_class(int kept, int64_t room_bytes);

/*
 * How many devices a ring of them probably has when the first `count` after `start` were found at `places`, of at most
 * `most` asked for. Exact when fewer than `most` were found: then the whole ring was walked.
 */
double gs_choice_population(const int32_t *places, int count, int most, int32_t start);

/* Kilometres on the great circle between two points in degrees. */
double gs_choice_kilometres(double latitude_a, double longitude_a, double latitude_b, double longitude_b);

/* Fewer hops are preferred; among equal hops fewer kilometres, in steps that double from 10 km on. km < 0: unknown,
 * after all known ones. */
double gs_choice_preference(int hops, double km);

/*
 * Puts the options in the order in which they are tried: preference, then an order drawn without replacement by weight.
 * `most`: how many of them will be tried; scores sum up to 1 over those.
 */
void gs_choice_order(GsOption *options, size_t count, size_t most, GsDraw draw, void *state);

#endif
