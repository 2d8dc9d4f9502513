/* SPDX-License-Identifier: PostgreSQL */
/*
 * Body bytes on their way from the loop to a pool thread: a list of blocks of one size. The sender's window bounds what
 * is in it, since bytes go back to the window only when they are written; so memory does not depend on the object's
 * size. What was written is filled again: fresh memory is a page fault every 4 KiB, which cost an upload a fifth of its
 * CPU.
 */
#ifndef GS_BLOCKS_H
#define GS_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

typedef struct GsBlock {
	struct GsBlock *next;
	size_t used, limit, size; /* used <= limit <= size; full at the limit */
	uint8_t bytes[];
} GsBlock;

typedef struct GsBlocks {
	GsBlock *first, *last;
	size_t bytes;
} GsBlocks;

/*
 * Copies the bytes, whose place in the object begins at `at`, to the end, into blocks of `spare` or new ones where they
 * are needed; returns how many, less than `size` when out of memory. Blocks end at multiples of `block_size`: large
 * aligned writes are the cheap ones, the kernel keeps them in large pieces.
 */
__attribute__((warn_unused_result)) size_t gs_blocks_append(GsBlocks *blocks, GsBlocks *spare, size_t block_size,
															uint64_t at, const uint8_t *bytes, size_t size);
/* Moves the full blocks from `from` into the empty `to`; when there are none, what there is. */
void gs_blocks_move(GsBlocks *from, GsBlocks *to);
/* Empties all blocks into `spare`, whose number so never exceeds what was in use at a time; returns how many bytes were
 * in them. */
size_t gs_blocks_recycle(GsBlocks *blocks, GsBlocks *spare);
/* Frees everything; returns how many bytes were in it. */
size_t gs_blocks_clear(GsBlocks *blocks);

#endif
