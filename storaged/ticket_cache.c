/* SPDX-License-Identifier: PostgreSQL */
/* Genuine tickets; see ticket_cache.h. */
#include "storaged/ticket_cache.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 1024
#define TOKEN_BYTES 1024 /* a longer one, of a long name, is verified each time */

typedef struct Slot {
	size_t size;         /* of the token; 0: free */
	uint64_t generation; /* of the keys that found it genuine */
	char token[TOKEN_BYTES];
	GsTicket ticket;
} Slot;

struct GsTicketCache {
	Slot slots[SLOTS]; /* memory that nobody has used yet costs none */
};

GsTicketCache *gs_ticket_cache_new(void)
{
	return calloc(1, sizeof(GsTicketCache));
}

void gs_ticket_cache_free(GsTicketCache *cache)
{
	free(cache);
}

/* By the signature's last characters, which are as good as random. The very last has two bits only. */
static Slot *slot_of(GsTicketCache *cache, const char *token, size_t size)
{
	uint32_t hash = 0;

	for (size_t i = size > 5 ? size - 5 : 0; i < size; i++)
		hash = hash * 61 + (unsigned char)token[i];
	return &cache->slots[hash % SLOTS];
}

GsTicketError gs_ticket_cache_verify(GsTicketCache *cache, const GsTicketKeys *keys, const char *token, int64_t boot_us,
									 GsTicket *ticket)
{
	size_t size = strnlen(token, TOKEN_BYTES + 1);
	Slot *slot = slot_of(cache, token, size);
	GsTicketError error;

	if (size > 0 && slot->size == size && slot->generation == keys->generation &&
		CRYPTO_memcmp(slot->token, token, size) == 0) {
		error = gs_ticket_judge(keys, &slot->ticket, boot_us);
		if (error == GS_TICKET_OK)
			*ticket = slot->ticket;
		return error;
	}
	error = gs_ticket_verify(keys, token, boot_us, ticket);
	if (error == GS_TICKET_OK && size <= TOKEN_BYTES) {
		memcpy(slot->token, token, size);
		slot->size = size;
		slot->generation = keys->generation;
		slot->ticket = *ticket;
	}
	return error;
}
