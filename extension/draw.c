/* SPDX-License-Identifier: PostgreSQL */
/*
 * One generator a backend, seeded at its first draw and again whenever groupshare.placement_seed changes.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "draw.h"
#include "settings.h"

double gs_draw(void *unused)
{
	static pg_prng_state state;
	static bool seeded = false;
	static int seeded_by = 0;

	if (!seeded || seeded_by != gs_placement_seed) {
		if (gs_placement_seed != 0)
			pg_prng_seed(&state, gs_placement_seed);
		else if (!pg_prng_strong_seed(&state))
			pg_prng_seed(&state, (uint64)MyProcPid ^ (uint64)GetCurrentTimestamp());
		seeded = true;
		seeded_by = gs_placement_seed;
	}
	return pg_prng_double(&state);
}
