/* SPDX-License-Identifier: PostgreSQL */
/* objects: extension/location.o */
/* libs: cmocka */
/*
 * Location paths: what is one, how far two are apart, the way up to the root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "extension/location.h"

static void syntax(void **state)
{
	static const char *const good[] = {"", "cn", "cn/east/shanghai/z1", "a-b_9", "1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g"};
	static const char *const bad[] = {"/",   "/cn",         "cn/",     "cn//east", "CN",
									  "c n", "cn/\xc3\xa9", "cn.east", "..",       "1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h"};
	char text[GS_LOCATION_MAX_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!gs_location_valid(good[i], strlen(good[i])))
			fail_msg("\"%s\" is refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (gs_location_valid(bad[i], strlen(bad[i])))
			fail_msg("\"%s\" is taken", bad[i]);
	memset(text, 'a', sizeof(text));
	assert_true(gs_location_valid(text, GS_LOCATION_MAX_BYTES));
	assert_false(gs_location_valid(text, GS_LOCATION_MAX_BYTES + 1));
	assert_false(gs_location_valid("a\0b", 3));
}

static void distance(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		int hops;
	} rows[] = {
		{"", "", 0},
		{"", "cn", 1},
		{"cn", "cn", 0},
		{"cn", "us", 2},
		{"cn/east", "cn", 1},
		{"cn/east", "cn/eas", 2},
		{"cn/east", "cn/easter", 2},
		{"cn/east/z1", "cn/east/z2", 2},
		{"cn/east/z1", "cn/west/z1", 4},
		{"cn/east/z1", "us/east/z1", 6},
		{"cn/east/z1", "", 3},
		{"cne/ast", "cn/east", 4},
		{"a/b", "a/b/c/d", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *a = rows[i].a, *b = rows[i].b;
		int there = gs_location_hops(a, strlen(a), b, strlen(b));

		if (there != rows[i].hops || there != gs_location_hops(b, strlen(b), a, strlen(a)))
			fail_msg("\"%s\" to \"%s\": %d, wanted %d both ways", a, b, there, rows[i].hops);
	}
}

static void way_up(void **state)
{
	static const char path[] = "cn/east/z1";
	size_t size = strlen(path);

	(void)state;
	assert_int_equal(gs_location_depth(path, size), 3);
	size = gs_location_parent(path, size);
	assert_int_equal(size, strlen("cn/east"));
	size = gs_location_parent(path, size);
	assert_int_equal(size, strlen("cn"));
	assert_int_equal(gs_location_depth(path, size), 1);
	size = gs_location_parent(path, size);
	assert_int_equal(size, 0);
	assert_int_equal(gs_location_depth(path, size), 0);
	assert_int_equal(gs_location_parent(path, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(syntax), cmocka_unit_test(distance), cmocka_unit_test(way_up)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
