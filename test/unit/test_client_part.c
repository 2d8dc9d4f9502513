/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/part.o client/name.o */
/* libs: cmocka */
/*
 * Part files: what is continued, what is begun anew, what is not touched; and their names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/part.h"

static const char SHA256[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static GsPartPlan plan(mode_t mode, uid_t owner, nlink_t links, off_t held, int64_t size)
{
	struct stat st = {.st_mode = mode, .st_uid = owner, .st_nlink = links, .st_size = held};

	return gs_part_plan(&st, 1000, size, 25);
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 0, 100), GS_PART_START);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 1, 100), GS_PART_RESUME);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 99, 100), GS_PART_RESUME);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 100, 100), GS_PART_WHOLE);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 101, 100), GS_PART_START);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 0, 0), GS_PART_WHOLE);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 1, 0), GS_PART_START);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, (off_t)1 << 40, ((int64_t)1 << 40) + 1), GS_PART_RESUME);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 125, 100), GS_PART_MAP);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 1, 126, 100), GS_PART_START);
}

static void planted(void **state)
{
	(void)state;
	assert_int_equal(plan(S_IFREG | 0600, 1001, 1, 5, 100), GS_PART_REFUSE);
	assert_int_equal(plan(S_IFREG | 0600, 1000, 2, 5, 100), GS_PART_REFUSE);
	assert_int_equal(plan(S_IFREG | 0620, 1000, 1, 5, 100), GS_PART_REFUSE);
	assert_int_equal(plan(S_IFIFO | 0600, 1000, 1, 0, 100), GS_PART_REFUSE);
	assert_int_equal(plan(S_IFLNK | 0600, 1000, 1, 0, 100), GS_PART_REFUSE);
}

static void check_path(const char *output, const char *expected)
{
	char *path = gs_part_path(output, SHA256);

	assert_non_null(path);
	assert_string_equal(path, expected);
	free(path);
}

static void names(void **state)
{
	char output[700];
	char *path;

	(void)state;
	check_path("film.mkv", "film.mkv.0123456789abcdef.part");
	check_path("/a/b.c/film", "/a/b.c/film.0123456789abcdef.part");
	/* The longest name there is, of two-byte characters: 255 bytes at most, no character cut. */
	strcpy(output, "dir/");
	for (size_t i = 0; i < 127; i++)
		strcat(output, "\xc3\xa9");
	strcat(output, "x");
	path = gs_part_path(output, SHA256);
	assert_non_null(path);
	assert_in_range(strlen(path) - 4, 250, 255);
	assert_memory_equal(path, "dir/\xc3\xa9", 6);
	assert_string_equal(path + strlen(path) - 24, "\xc3\xa9.0123456789abcdef.part");
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(planted),
		cmocka_unit_test(names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
