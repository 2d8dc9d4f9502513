/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/map.o */
/* libs: cmocka */
/*
 * The map of a part file: each piece is given to one taker, what did not come is given again, and what is saved is what
 * is had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/map.h"

#define MIB ((int64_t)1 << 20)

static void pieces(void **state)
{
	GsMap map;
	size_t first;
	size_t count;

	(void)state;
	assert_true(gs_map_open(&map, 10 * MIB + 1));
	assert_int_equal(map.pieces, 11);
	assert_true(gs_map_take(&map, 4, &first, &count));
	assert_int_equal(first, 0);
	assert_int_equal(count, 4);
	assert_true(gs_map_take(&map, 100, &first, &count));
	assert_int_equal(first, 4);
	assert_int_equal(count, 7);
	assert_false(gs_map_take(&map, 1, &first, &count));
	/* The first taker brings pieces 0 and 2, and fails. */
	gs_map_put(&map, 0);
	gs_map_put(&map, 2);
	gs_map_put(&map, 2);
	gs_map_give_back(&map, 1, 3);
	assert_int_equal(gs_map_had_bytes(&map), 2 * MIB);
	assert_int_equal(gs_map_prefix_bytes(&map), MIB);
	assert_true(gs_map_take(&map, 4, &first, &count));
	assert_int_equal(first, 1);
	assert_int_equal(count, 1);
	assert_true(gs_map_take(&map, 4, &first, &count));
	assert_int_equal(first, 3);
	assert_int_equal(count, 1);
	for (size_t i = 0; i < 11; i++)
		gs_map_put(&map, i);
	assert_int_equal(gs_map_had_bytes(&map), 10 * MIB + 1);
	assert_int_equal(gs_map_prefix_bytes(&map), 10 * MIB + 1);
	gs_map_close(&map);
}

static void last_piece(void **state)
{
	GsMap map;

	(void)state;
	assert_true(gs_map_open(&map, 2 * MIB + 5));
	gs_map_put(&map, 2);
	assert_int_equal(gs_map_had_bytes(&map), 5);
	assert_int_equal(gs_map_prefix_bytes(&map), 0);
	gs_map_close(&map);
	assert_true(gs_map_open(&map, 2 * MIB));
	assert_int_equal(map.pieces, 2);
	gs_map_put(&map, 1);
	assert_int_equal(gs_map_had_bytes(&map), MIB);
	gs_map_close(&map);
	assert_true(gs_map_open(&map, 0));
	assert_int_equal(gs_map_had_bytes(&map), 0);
	assert_int_equal(gs_map_prefix_bytes(&map), 0);
	gs_map_close(&map);
}

static void saved(void **state)
{
	const int64_t size = 100 * MIB - 3;
	uint8_t *bytes = malloc(gs_map_bytes(size));
	GsMap map;
	GsMap other;

	(void)state;
	assert_non_null(bytes);
	assert_true(gs_map_open(&map, size));
	for (size_t i = 0; i < map.pieces; i += 3)
		gs_map_put(&map, i);
	gs_map_save(&map, bytes);
	assert_true(gs_map_open(&other, size));
	assert_true(gs_map_load(&other, bytes));
	assert_int_equal(other.had, map.had);
	assert_int_equal(gs_map_had_bytes(&other), gs_map_had_bytes(&map));
	assert_memory_equal(other.have, map.have, (map.pieces + 7) / 8);
	gs_map_close(&other);
	/* Another content's, or none. */
	assert_true(gs_map_open(&other, size - 1));
	assert_false(gs_map_load(&other, bytes));
	gs_map_close(&other);
	memset(bytes, 0, gs_map_bytes(size));
	assert_true(gs_map_open(&other, size));
	assert_false(gs_map_load(&other, bytes));
	assert_int_equal(other.had, 0);
	gs_map_close(&other);
	gs_map_close(&map);
	free(bytes);
}

/* Whatever the size, the map stays small. */
static void bounded(void **state)
{
	(void)state;
	for (int64_t size = 1; size < ((int64_t)1 << 53); size *= 2) {
		GsMap map;

		assert_in_range(gs_map_bytes(size), 1, (128 << 10) + 64);
		assert_true(gs_map_open(&map, size + 1));
		assert_true((int64_t)(map.pieces - 1) * map.piece < size + 1);
		assert_true((int64_t)map.pieces * map.piece >= size + 1);
		assert_int_equal(gs_map_offset(&map, map.pieces), size + 1);
		gs_map_close(&map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces),
		cmocka_unit_test(last_piece),
		cmocka_unit_test(saved),
		cmocka_unit_test(bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
