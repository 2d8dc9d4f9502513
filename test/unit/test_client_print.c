/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/cli/print.o client/cli/progress.o client/name.o */
/* libs: cmocka jansson */
/*
 * What reaches a terminal: escaped names, sizes and durations, and the progress line at every width.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/print.h"
#include "client/cli/progress.h"

static void escapes(void **state)
{
	static const struct {
		const char *text;
		const char *shown;
	} vectors[] = {
		{"film \xc3\xa9.mkv", "film \xc3\xa9.mkv"},
		{"a\x1b]0;title\x07", "a\\x1b]0;title\\x07"},
		{"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"},
		{"\xc2\x9b"
		 "1m",
		 "\\u{9b}1m"},
		{"\xe2\x80\xae"
		 "cod",
		 "\\u{202e}cod"},
		{"\xff\xc3(", "\\xff\\xc3("},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char *escaped = cli_escape(vectors[i].text);

		assert_non_null(escaped);
		assert_string_equal(escaped, vectors[i].shown);
		free(escaped);
	}
}

static void numbers(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1.0 KiB"},
		{1536, "1.5 KiB"},
		{1048575, "1.0 MiB"},
		{(uint64_t)5 << 30, "5.0 GiB"},
		{((uint64_t)1 << 53) - 1, "8.0 PiB"},
		{UINT64_MAX, "16.0 EiB"},
	};
	char text[CLI_SIZE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		cli_format_size(text, sizes[i].bytes);
		assert_string_equal(text, sizes[i].text);
	}
	cli_format_duration(text, 7);
	assert_string_equal(text, "0:07");
	cli_format_duration(text, 3599);
	assert_string_equal(text, "59:59");
	cli_format_duration(text, 3600 * 30 + 61);
	assert_string_equal(text, "30:01:01");
	cli_format_time(text, "2026-01-31T12:34:56.789Z");
	assert_string_equal(text, "2026-01-31 12:34");
	cli_format_time(text, "nonsense");
	assert_string_equal(text, "-");
	cli_format_time(text, NULL);
	assert_string_equal(text, "-");
}

static void progress_line(void **state)
{
	char line[CLI_PROGRESS_LINE];

	(void)state;
	cli_progress_line(line, 80, "film.mkv", 512 << 20, 1 << 30, 64 << 20);
	assert_string_equal(line, "film.mkv  50% [===============>               ] 512.0 MiB   64.0 MiB/s     0:08");
	/* No rate yet: neither rate nor time. */
	cli_progress_line(line, 60, "f", 0, 100, 0);
	assert_non_null(strstr(line, "f   0% [>"));
	assert_null(strstr(line, "/s"));
	cli_progress_line(line, 80, "empty", 0, 0, 0);
	assert_non_null(strstr(line, "100%"));
	cli_progress_line(line, 80, "more than all", 200, 100, 1);
	assert_non_null(strstr(line, "100%"));
}

/* A line as wide as the terminal would wrap, and the next one would not overwrite it. */
static void progress_widths(void **state)
{
	char label[300];
	char line[CLI_PROGRESS_LINE];

	(void)state;
	memset(label, 'x', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	for (size_t width = 8; width < 400; width++) {
		cli_progress_line(line, width, label, ((uint64_t)1 << 52) - 1, (uint64_t)1 << 53, 1e9);
		assert_true(strlen(line) < width);
		cli_progress_line(line, width, "x", 1, UINT64_MAX, 1);
		assert_true(strlen(line) < width);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(progress_line),
		cmocka_unit_test(progress_widths),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
