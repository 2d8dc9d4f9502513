/* SPDX-License-Identifier: PostgreSQL */
/* A list of blocks; see blocks.h. */
#include "storaged/blocks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static GsBlock *new_block(GsBlocks *spare, size_t block_size)
{
	GsBlock *block = spare->first;

	if (block != NULL) {
		spare->first = block->next;
		if (spare->first == NULL)
			spare->last = NULL;
	} else {
		block = malloc(sizeof(*block) + block_size);
		if (block == NULL)
			return NULL;
		block->size = block_size;
	}
	block->next = NULL;
	block->used = 0;
	return block;
}

static GsBlock *add_block(GsBlocks *blocks, GsBlocks *spare, size_t block_size, uint64_t at)
{
	GsBlock *block = new_block(spare, block_size);
	size_t to_boundary = block_size - (size_t)(at % block_size);

	if (block == NULL)
		return NULL;
	block->limit = block->size < to_boundary ? block->size : to_boundary;
	if (blocks->last != NULL)
		blocks->last->next = block;
	else
		blocks->first = block;
	blocks->last = block;
	return block;
}

size_t gs_blocks_append(GsBlocks *blocks, GsBlocks *spare, size_t block_size, uint64_t at, const uint8_t *bytes,
						size_t size)
{
	size_t left = size;

	while (left > 0) {
		GsBlock *block = blocks->last;
		size_t part;

		if (block == NULL || block->used == block->limit)
			block = add_block(blocks, spare, block_size, at + (size - left));
		if (block == NULL)
			break;
		part = block->limit - block->used < left ? block->limit - block->used : left;
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
	GsBlock *last = from->last;

	assert(to->first == NULL);
	*to = *from;
	*from = (GsBlocks){0};
	if (last == NULL || last->used == last->limit || to->first == last)
		return;
	to->last = to->first;
	while (to->last->next != last)
		to->last = to->last->next;
	to->last->next = NULL;
	to->bytes -= last->used;
	*from = (GsBlocks){.first = last, .last = last, .bytes = last->used};
}

/* In front, so that what the processor may still have in its cache is taken first. */
size_t gs_blocks_recycle(GsBlocks *blocks, GsBlocks *spare)
{
	size_t bytes = blocks->bytes;

	if (blocks->first != NULL) {
		blocks->last->next = spare->first;
		if (spare->first == NULL)
			spare->last = blocks->last;
		spare->first = blocks->first;
	}
	*blocks = (GsBlocks){0};
	return bytes;
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
