/* SPDX-License-Identifier: PostgreSQL */
/*
 * Body bytes on their way from the loop to a pool thread: a list of blocks of one size. The sender's window bounds what
 * is in it, since bytes go back to the window only when they are written; so memory does not depend on the object's
 * size.
 */
#ifndef GS_BLOCKS_H
#define GS_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

typedef struct GsBlock {
	struct GsBlock *next;
	size_t used, size;
	uint8_t bytes[];
} GsBlock;

typedef struct GsBlocks {
	GsBlock *first, *last;
	size_t bytes;
} GsBlocks;

/* Copies the bytes to the end, into new blocks of `block_size` where they are needed; returns how many, less than
 * `size` when out of memory. */
__attribute__((warn_unused_result)) size_t gs_blocks_append(GsBlocks *blocks, size_t block_size, const uint8_t *bytes,
															size_t size);
/* Moves everything from `from` into the empty `to`. */
void gs_blocks_move(GsBlocks *from, GsBlocks *to);
/* Frees everything; returns how many bytes were in it. */
size_t gs_blocks_clear(GsBlocks *blocks);

#endif
