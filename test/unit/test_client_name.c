/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/name.o */
/* libs: cmocka */
/*
 * Names of shares made safe for a directory, and the UTF-8 reader under it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/name.h"

static void utf8(void **state)
{
	static const char *const good[] = {"a",
									   "\x7f",
									   "\xc2\x80",
									   "\xdf\xbf",
									   "\xe0\xa0\x80",
									   "\xed\x9f\xbf",
									   "\xef\xbf\xbf",
									   "\xf0\x90\x80\x80",
									   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"",
									  "\x80",
									  "\xc0\xaf",
									  "\xc1\xbf",
									  "\xc3",
									  "\xe0\x80\xaf",
									  "\xed\xa0\x80",
									  "\xe2\x82",
									  "\xf0\x80\x80\x80",
									  "\xf4\x90\x80\x80",
									  "\xf5\x80\x80\x80",
									  "\xff",
									  "\xc3(",
									  "\xf0\x9f\x98"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(gs_utf8_length(good[i]), strlen(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(gs_utf8_length(bad[i]), 0);
	assert_int_equal(gs_utf8_code("\xc2\x80"), 0x80);
	assert_int_equal(gs_utf8_code("\xe2\x80\xae"), 0x202e);
	assert_int_equal(gs_utf8_code("\xf0\x9f\x98\x80"), 0x1f600);
}

static void safe_names(void **state)
{
	static const struct {
		const char *name;
		const char *safe;
	} vectors[] = {
		{"film.mkv", "film.mkv"},
		{"\xc3\xa9t\xc3\xa9 2026.jpg", "\xc3\xa9t\xc3\xa9 2026.jpg"},
		{"", "_"},
		{".", "_"},
		{"..", "_."},
		{"../../etc/passwd", "_._.._etc_passwd"},
		{"/etc/passwd", "_etc_passwd"},
		{".bashrc", "_bashrc"},
		{"-rf", "_rf"},
		{" x", "_x"},
		{"a-b.c", "a-b.c"},
		{"a\\b", "a_b"},
		{"a\x1b[31mb\n", "a_[31mb_"},
		{"a\x7f", "a_"},
		{"a\xc2\x9b"
		 "31m",
		 "a_31m"},
		{"gpj.\xe2\x80\xae"
		 "exe",
		 "gpj._exe"},
		{"a\xff\xc3", "a__"},
	};
	char safe[GS_NAME_MAX_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		gs_name_make_safe(safe, vectors[i].name);
		assert_string_equal(safe, vectors[i].safe);
	}
}

/* Cut at a character's boundary: 127 characters of two bytes are 254, the next one does not fit. */
static void long_names(void **state)
{
	char name[601];
	char safe[GS_NAME_MAX_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < 300; i++)
		memcpy(name + 2 * i, "\xc3\xa9", 2);
	name[600] = '\0';
	gs_name_make_safe(safe, name);
	assert_int_equal(strlen(safe), 254);
	memset(name, 'a', 600);
	gs_name_make_safe(safe, name);
	assert_int_equal(strlen(safe), GS_NAME_MAX_BYTES);
}

static void of_path(void **state)
{
	(void)state;
	assert_string_equal(gs_name_of_path("film.mkv"), "film.mkv");
	assert_string_equal(gs_name_of_path("/a/b/film.mkv"), "film.mkv");
	assert_string_equal(gs_name_of_path("a/"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8),
		cmocka_unit_test(safe_names),
		cmocka_unit_test(long_names),
		cmocka_unit_test(of_path),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
