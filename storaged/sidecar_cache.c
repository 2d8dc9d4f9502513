/* SPDX-License-Identifier: PostgreSQL */
/* Parsed sidecars; see sidecar_cache.h. */
#include "storaged/sidecar_cache.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 1024

typedef struct Slot {
	size_t size; /* of the text; 0: free */
	char text[GS_SIDECAR_MAX_BYTES];
	GsSidecar sidecar;
} Slot;

struct GsSidecarCache {
	Slot slots[SLOTS]; /* memory that nobody has used yet costs none */
};

GsSidecarCache *gs_sidecar_cache_new(void)
{
	return calloc(1, sizeof(GsSidecarCache));
}

void gs_sidecar_cache_free(GsSidecarCache *cache)
{
	free(cache);
}

int gs_sidecar_cache_decode(GsSidecarCache *cache, const GsUuid *object, const char *text, size_t size,
							GsSidecar *sidecar)
{
	Slot *slot = &cache->slots[gs_uuid_place(object) % SLOTS];
	int error;

	if (size > 0 && slot->size == size && memcmp(slot->text, text, size) == 0) {
		*sidecar = slot->sidecar;
		return 0;
	}
	error = gs_sidecar_decode(text, size, sidecar);
	if (error != 0)
		return error;
	if (size <= sizeof(slot->text)) {
		memcpy(slot->text, text, size);
		slot->size = size;
		slot->sidecar = *sidecar;
	}
	return 0;
}
