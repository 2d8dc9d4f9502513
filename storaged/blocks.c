/* SPDX-License-Identifier: PostgreSQL */
/* A list of blocks; see blocks.h. */
#include "storaged/blocks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static GsBlock *add_block(GsBlocks *blocks, size_t block_size)
{
	GsBlock *block = malloc(sizeof(*block) + block_size);

	if (block == NULL)
		return NULL;
	block->next = NULL;
	block->used = 0;
	block->size = block_size;
	if (blocks->last != NULL)
		blocks->last->next = block;
	else
		blocks->first = block;
	blocks->last = block;
	return block;
}

size_t gs_blocks_append(GsBlocks *blocks, size_t block_size, const uint8_t *bytes, size_t size)
{
	size_t left = size;

	while (left > 0) {
		GsBlock *block = blocks->last;
		size_t part;

		if (block == NULL || block->used == block->size)
			block = add_block(blocks, block_size);
		if (block == NULL)
			break;
		part = block->size - block->used < left ? block->size - block->used : left;
		memcpy(block->bytes + block->used, bytes, part);
		block->used += part;
		blocks->bytes += part;
		bytes += part;
		left -= part;
	}
	return size - left;
}

void gs_blocks_move(GsBlocks *from, GsBlocks *to)
{
	assert(to->first == NULL);
	*to = *from;
	*from = (GsBlocks){0};
}

size_t gs_blocks_clear(GsBlocks *blocks)
{
	size_t bytes = blocks->bytes;
	GsBlock *block = blocks->first;

	while (block != NULL) {
		GsBlock *next = block->next;

		free(block);
		block = next;
	}
	*blocks = (GsBlocks){0};
	return bytes;
}
