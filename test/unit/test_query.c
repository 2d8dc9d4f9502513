/* SPDX-License-Identifier: PostgreSQL */
/* objects: daemon/query.o daemon/pool.o */
/* libs: cmocka */
/* Texts of request targets: UTF-8, percent-encoding, query strings; the request pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "daemon/limits.h"
#include "daemon/query.h"

static void utf8(void **state)
{
	static const char *const good[] = {"",
									   "a",
									   "\xc2\x80",
									   "\xdf\xbf",
									   "\xe0\xa0\x80",
									   "\xed\x9f\xbf",
									   "\xee\x80\x80",
									   "\xef\xbf\xbf",
									   "\xf0\x90\x80\x80",
									   "\xf4\x8f\xbf\xbf",
									   "a\xc3\xa4z"};
	static const char *const bad[] = {"\x80",
									  "\xbf",
									  "\xc0\xaf",
									  "\xc1\xbf",
									  "\xc2",
									  "\xc2\x41",
									  "\xe0\x9f\xbf",
									  "\xe0\xa0",
									  "\xed\xa0\x80",
									  "\xed\xbf\xbf",
									  "\xf0\x8f\xbf\xbf",
									  "\xf4\x90\x80\x80",
									  "\xf5\x80\x80\x80",
									  "\xf0\x90\x80",
									  "\xff",
									  "\xfe",
									  "a\xe2\x82"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(gs_query_valid_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(gs_query_valid_utf8(bad[i], strlen(bad[i])));
}

static void decode(void **state)
{
	static const struct {
		const char *text, *decoded;
	} cases[] = {{"", ""},         {"abc", "abc"},         {"%41%62", "Ab"}, {"+", "+"},
				 {"%2F%2f", "//"}, {"%C3%A4", "\xc3\xa4"}, {"%25%32", "%2"}, {"%", NULL},
				 {"a%4", NULL},    {"%g0", NULL},          {"%0g", NULL},    {"%00", NULL},
				 {"%c3", NULL},    {"%-1", NULL},          {"% 1", NULL},    {"\xff", NULL}};
	GsPool pool = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *decoded = gs_query_decode(&pool, cases[i].text, strlen(cases[i].text));

		if (cases[i].decoded == NULL)
			assert_null(decoded);
		else
			assert_string_equal(decoded, cases[i].decoded);
	}
	gs_pool_clear(&pool);
}

static void parse(void **state)
{
	static const char *const bad[] = {"=1", "a&", "&a", "a&&b", "a=1&a=2", "a=%", "%zz=1", "a&%61", "a&b&c&d&e"};
	GsHeader params[4];
	GsPool pool = {0};

	(void)state;
	assert_int_equal(gs_query_parse(&pool, "", params, 4), 0);
	assert_int_equal(gs_query_parse(&pool, "a=1&b&c=&%64=x%3D=y", params, 4), 4);
	assert_string_equal(params[0].name, "a");
	assert_string_equal(params[0].value, "1");
	assert_string_equal(params[1].value, "");
	assert_string_equal(params[2].value, "");
	assert_string_equal(params[3].name, "d");
	assert_string_equal(params[3].value, "x==y");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(gs_query_parse(&pool, bad[i], params, 4), -1);
	gs_pool_clear(&pool);
}

static void pool_alloc(void **state)
{
	GsPool pool = {0};
	char *kept[200];

	(void)state;
	assert_null(gs_pool_alloc(&pool, SIZE_MAX));
	assert_non_null(gs_pool_alloc(&pool, 0));
	for (int i = 0; i < 200; i++) {
		size_t size = i % 7 == 0 ? 10000 : (size_t)i;

		kept[i] = gs_pool_alloc(&pool, size);
		assert_non_null(kept[i]);
		assert_int_equal((uintptr_t)kept[i] % _Alignof(max_align_t), 0);
		memset(kept[i], i, size);
	}
	for (int i = 1; i < 200; i++) /* nothing was given out twice */
		for (size_t j = 0; j < (i % 7 == 0 ? 10000 : (size_t)i); j++)
			assert_int_equal((unsigned char)kept[i][j], i);
	/* large ones do not end the block that small ones share */
	assert_true(pool.bytes < 29 * 10016 + 8 * GS_POOL_BLOCK_BYTES);
	gs_pool_clear(&pool);
	assert_null(pool.blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(utf8), cmocka_unit_test(decode), cmocka_unit_test(parse),
									   cmocka_unit_test(pool_alloc)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
