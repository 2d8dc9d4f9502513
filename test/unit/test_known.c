/* SPDX-License-Identifier: PostgreSQL */
/* objects: gateway/known.o */
/* libs: cmocka */
/* Sessions accepted lately: found, forgotten, and which one makes room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gateway/known.h"

/* `place` chooses the set; static, valid until the next call. */
static const uint8_t *digest_of(uint64_t place, uint64_t key)
{
	static uint8_t digest[GS_KNOWN_DIGEST_SIZE];

	memcpy(digest, &place, sizeof place);
	memcpy(digest + sizeof place, &key, sizeof key);
	return digest;
}

static void only_what_was_added(void **state)
{
	GsKnown *known = gs_known_new(64);

	(void)state;
	assert_false(gs_known_has(known, digest_of(3, 7), 1));
	gs_known_add(known, digest_of(3, 7), 0);
	assert_true(gs_known_has(known, digest_of(3, 7), 1));
	assert_false(gs_known_has(known, digest_of(3, 8), 1));
	assert_false(gs_known_has(known, digest_of(4, 7), 1));
	assert_false(gs_known_has(known, digest_of(3, 0), 1));
	gs_known_remove(known, digest_of(3, 8));
	assert_true(gs_known_has(known, digest_of(3, 7), 1));
	gs_known_remove(known, digest_of(3, 7));
	assert_false(gs_known_has(known, digest_of(3, 7), 1));
	gs_known_free(known);
}

static void least_lately_used_makes_room(void **state)
{
	GsKnown *known = gs_known_new(4);

	(void)state;
	for (uint64_t key = 1; key <= 4; key++)
		gs_known_add(known, digest_of(0, key), key);
	/* Again: it takes no second place. */
	gs_known_add(known, digest_of(0, 1), 5);
	assert_true(gs_known_has(known, digest_of(0, 2), 6));
	gs_known_add(known, digest_of(0, 9), 7);
	assert_false(gs_known_has(known, digest_of(0, 3), 8));
	for (uint64_t key = 1; key <= 4; key += key == 2 ? 2 : 1)
		assert_true(gs_known_has(known, digest_of(0, key), 8));
	assert_true(gs_known_has(known, digest_of(0, 9), 8));
	gs_known_free(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(only_what_was_added),
									   cmocka_unit_test(least_lately_used_makes_room)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
