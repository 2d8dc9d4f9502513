/* SPDX-License-Identifier: PostgreSQL */
/*
 * What sidecars say, by their whole text: the same text says the same, and need not be parsed again. It is no copy of
 * what is on the disk: who asks has just read it there. A fixed number; a newer one takes an older one's place. Pure;
 * loop thread only.
 */
#ifndef GS_SIDECAR_CACHE_H
#define GS_SIDECAR_CACHE_H

#include "storaged/sidecar.h"

typedef struct GsSidecarCache GsSidecarCache;

/* NULL when out of memory. */
GsSidecarCache *gs_sidecar_cache_new(void);
void gs_sidecar_cache_free(GsSidecarCache *cache);

/* As gs_sidecar_decode, with the same answer; `object` is whose it should be. */
__attribute__((warn_unused_result)) int gs_sidecar_cache_decode(GsSidecarCache *cache, const GsUuid *object,
																const char *text, size_t size, GsSidecar *sidecar);

#endif
