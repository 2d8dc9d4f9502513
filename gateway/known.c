/* SPDX-License-Identifier: PostgreSQL */
/* Sets of four slots, chosen by half of the digest and told apart by the other half; see known.h. */
#include "gateway/known.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 4

typedef struct Slot {
	uint64_t key;
	uint64_t used_ms; /* 0: free */
} Slot;

struct GsKnown {
	Slot *slots;
	size_t sets;
};

GsKnown *gs_known_new(size_t entries)
{
	GsKnown *known = calloc(1, sizeof *known);

	if (!known)
		return NULL;
	known->sets = (entries + WAYS - 1) / WAYS;
	known->slots = calloc(known->sets * WAYS, sizeof *known->slots);
	if (known->slots)
		return known;
	free(known);
	return NULL;
}

void gs_known_free(GsKnown *known)
{
	if (!known)
		return;
	free(known->slots);
	free(known);
}

static Slot *set_of(const GsKnown *known, const uint8_t *digest, uint64_t *key)
{
	uint64_t place;

	memcpy(&place, digest, sizeof place);
	memcpy(key, digest + sizeof place, sizeof *key);
	return known->slots + place % known->sets * WAYS;
}

static Slot *find(const GsKnown *known, const uint8_t *digest)
{
	uint64_t key;
	Slot *set = set_of(known, digest, &key);

	for (Slot *slot = set; slot < set + WAYS; slot++)
		if (slot->used_ms && slot->key == key)
			return slot;
	return NULL;
}

void gs_known_add(GsKnown *known, const uint8_t digest[GS_KNOWN_DIGEST_SIZE], uint64_t now_ms)
{
	uint64_t key;
	Slot *set = set_of(known, digest, &key);
	Slot *slot = find(known, digest);

	if (!slot) {
		slot = set;
		for (Slot *other = set + 1; other < set + WAYS; other++)
			if (other->used_ms < slot->used_ms)
				slot = other;
	}
	*slot = (Slot){.key = key, .used_ms = now_ms ? now_ms : 1};
}

bool gs_known_has(GsKnown *known, const uint8_t digest[GS_KNOWN_DIGEST_SIZE], uint64_t now_ms)
{
	Slot *slot = find(known, digest);

	if (slot)
		slot->used_ms = now_ms ? now_ms : 1;
	return slot;
}

void gs_known_remove(GsKnown *known, const uint8_t digest[GS_KNOWN_DIGEST_SIZE])
{
	Slot *slot = find(known, digest);

	if (slot)
		*slot = (Slot){0};
}
