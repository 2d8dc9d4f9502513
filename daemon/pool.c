/* SPDX-License-Identifier: PostgreSQL */
/*
 * Request pool: blocks of GS_POOL_BLOCK_BYTES filled from the front; what is larger than a quarter of a block gets a
 * block of its own, linked behind the first so that the first stays the one being filled.
 */
#include "daemon/pool.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/limits.h"

struct GsPoolBlock {
	GsPoolBlock *next;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

static GsPoolBlock *block_add(GsPool *pool, size_t size, bool first)
{
	GsPoolBlock *block = malloc(sizeof(GsPoolBlock) + size);

	if (block == NULL)
		return NULL;
	block->used = 0;
	block->size = size;
	if (first || pool->blocks == NULL) {
		block->next = pool->blocks;
		pool->blocks = block;
	} else {
		block->next = pool->blocks->next;
		pool->blocks->next = block;
	}
	pool->bytes += size;
	return block;
}

void *gs_pool_alloc(GsPool *pool, size_t size)
{
	const size_t align = alignof(max_align_t);
	GsPoolBlock *block = pool->blocks;
	void *result;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) / align * align;
	if (size > GS_POOL_BLOCK_BYTES / 4)
		block = block_add(pool, size, false);
	else if (block == NULL || block->size - block->used < size)
		block = block_add(pool, GS_POOL_BLOCK_BYTES, true);
	if (block == NULL) {
		pool->exhausted = true;
		return NULL;
	}
	result = block->bytes + block->used;
	block->used += size;
	return result;
}

char *gs_pool_copy(GsPool *pool, const void *bytes, size_t size)
{
	char *copy = gs_pool_alloc(pool, size + 1);

	if (copy == NULL)
		return NULL;
	if (size > 0)
		memcpy(copy, bytes, size);
	copy[size] = '\0';
	return copy;
}

void gs_pool_clear(GsPool *pool)
{
	while (pool->blocks != NULL) {
		GsPoolBlock *block = pool->blocks;

		pool->blocks = block->next;
		free(block);
	}
	pool->bytes = 0;
	pool->exhausted = false;
}
