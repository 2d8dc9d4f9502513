/* SPDX-License-Identifier: PostgreSQL */
/*
 * The scrub: reads every stored object, no faster than scrub_rate_bytes a second, and compares it with its sidecar. Its
 * place is kept in root/scrub, so that restarts don't begin it anew; when it is through it rests until
 * scrub_interval_ms after its beginning.
 */
#ifndef GS_SCRUB_H
#define GS_SCRUB_H

#include "storaged/store.h"

typedef struct GsScrub GsScrub;

/* NULL when out of memory. */
GsScrub *gs_scrub_start(GsStore *store);
/* Starts nothing more. */
void gs_scrub_rest(GsScrub *scrub);
/* No job of it may be running. *open_handles goes back by one when it is closed and freed. */
void gs_scrub_stop(GsScrub *scrub, size_t *open_handles);

#endif
