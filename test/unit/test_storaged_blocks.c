/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/blocks.o */
/* libs: cmocka */
/* An upload's blocks: their boundaries, what goes to the disk, memory that is filled again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "storaged/blocks.h"

/* A setting that changes during an upload: blocks stay as large as they were made, and end at the new boundaries. */
static void test_blocks_resized(void **state)
{
	static const size_t sizes[] = {64, 256, 16, 100};
	GsBlocks blocks = {0}, spare = {0};
	uint8_t bytes[40];
	size_t seen = 0;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(gs_blocks_append(&blocks, &spare, sizes[i], i * sizeof(bytes), bytes, sizeof(bytes)),
						 sizeof(bytes));
	for (const GsBlock *block = blocks.first; block != NULL; block = block->next) {
		assert_true(block->used <= block->limit && block->limit <= block->size);
		seen += block->used;
	}
	assert_int_equal(blocks.first->used, 64);
	assert_int_equal(seen, 4 * sizeof(bytes));
	assert_int_equal(gs_blocks_recycle(&blocks, &spare), 4 * sizeof(bytes));
	/* A spare block that is smaller than what is asked for is filled as far as it goes. */
	assert_int_equal(gs_blocks_append(&blocks, &spare, 4096, 0, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(blocks.first->size, 64);
	assert_int_equal(gs_blocks_clear(&blocks), sizeof(bytes));
	gs_blocks_clear(&spare);
}

static size_t count_blocks(const GsBlocks *blocks)
{
	size_t count = 0;

	for (const GsBlock *block = blocks->first; block != NULL; block = block->next)
		count++;
	return count;
}

static void test_blocks(void **state)
{
	GsBlocks blocks = {0}, moved = {0}, spare = {0};
	uint8_t bytes[1000], *at = bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	assert_int_equal(gs_blocks_append(&blocks, &spare, 64, 10, bytes, 1), 1);
	assert_int_equal(gs_blocks_append(&blocks, &spare, 64, 11, bytes + 1, 999), 999);
	assert_int_equal(gs_blocks_append(&blocks, &spare, 64, 1010, bytes, 0), 0);
	assert_int_equal(blocks.bytes, 1000);
	/* 54 to the first boundary, 14 of 64, and 50 that are not full and stay. */
	gs_blocks_move(&blocks, &moved);
	assert_int_equal(blocks.bytes, 50);
	assert_int_equal(moved.bytes, 950);
	assert_int_equal(moved.first->used, 54);
	assert_int_equal(count_blocks(&moved), 15);
	for (const GsBlock *block = moved.first; block != NULL; block = block->next) {
		assert_memory_equal(block->bytes, at, block->used);
		at += block->used;
	}
	assert_memory_equal(blocks.first->bytes, at, blocks.first->used);
	assert_int_equal(gs_blocks_recycle(&moved, &spare), 950);
	assert_int_equal(gs_blocks_recycle(&moved, &spare), 0);
	/* Nothing is full: what there is goes, since nobody knows when more will come. */
	gs_blocks_move(&blocks, &moved);
	assert_int_equal(moved.bytes, 50);
	assert_null(blocks.first);
	assert_int_equal(gs_blocks_recycle(&moved, &spare), 50);
	assert_int_equal(count_blocks(&spare), 16);
	/* Exactly full; and no block is made as long as there are spare ones. */
	assert_int_equal(gs_blocks_append(&blocks, &spare, 64, 0, bytes, 1000), 1000);
	assert_null(spare.first);
	assert_null(spare.last);
	assert_int_equal(gs_blocks_append(&blocks, &spare, 64, 1000, bytes, 24), 24);
	gs_blocks_move(&blocks, &moved);
	assert_null(blocks.first);
	assert_int_equal(gs_blocks_clear(&moved), 1024);
	assert_int_equal(gs_blocks_clear(&moved), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks), cmocka_unit_test(test_blocks_resized)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
