/* SPDX-License-Identifier: PostgreSQL */
/* objects: daemon/settings.o daemon/settings_common.o daemon/cors.o */
/* libs: cmocka inih */
/* Settings: file, environment, defaults, repeated sections, errors with their lines, dump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/settings_common.h"

typedef struct Sample {
	GsCommonSettings common;
	char *text, *secret, *needed;
	int64_t number;
	bool flag;
	char seen[200]; /* what the repeated callback was given */
} Sample;

static const char *on_repeated(void *target, const char *section, const char *label, const char *name,
							   const char *value)
{
	Sample *sample = target;
	size_t used = strlen(sample->seen);

	if (strcmp(name, "conninfo") != 0)
		return "unknown";
	snprintf(sample->seen + used, sizeof(sample->seen) - used, "%s|%s|%s;", section, label, value);
	return NULL;
}

static const char *on_check(void *target)
{
	return ((Sample *)target)->number == 7 ? "seven is not wanted" : NULL;
}

static const GsSetting rows[] = {
	GS_COMMON_SETTINGS,
	{.section = "x", .name = "text", .type = GS_SETTING_STRING, .offset = offsetof(Sample, text), .fallback = "def"},
	{.section = "x", .name = "secret", .type = GS_SETTING_STRING, .offset = offsetof(Sample, secret), .secret = true},
	{.section = "x", .name = "needed", .type = GS_SETTING_STRING, .offset = offsetof(Sample, needed), .required = true},
	{.section = "x",
	 .name = "number",
	 .type = GS_SETTING_INT,
	 .offset = offsetof(Sample, number),
	 .fallback = "5",
	 .min = -10,
	 .max = 10},
	{.section = "x", .name = "flag", .type = GS_SETTING_BOOL, .offset = offsetof(Sample, flag)},
	{.section = "control.*", .name = "conninfo"},
	{.section = NULL}};
static const GsSettingsTable table = {
	.settings = rows, .env_prefix = "GS_TEST", .repeated = on_repeated, .check = on_check};

static char path[] = "/tmp/gs-settings.XXXXXX";
static char error[300];
static Sample sample;

static int load(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	gs_settings_free(&table, &sample);
	memset(&sample, 0, sizeof(sample));
	error[0] = '\0';
	return gs_settings_load(&table, path, &sample, error, sizeof(error));
}

static void values(void **state)
{
	(void)state;
	assert_int_equal(load("; comment\n[x]\nneeded = a b ; comment\n"), 0);
	assert_string_equal(sample.needed, "a b");
	assert_string_equal(sample.text, "def");
	assert_int_equal(sample.number, 5);
	assert_int_equal(sample.common.max_streams, 128);
	assert_false(sample.flag);
	assert_null(sample.secret);
	assert_int_equal(
		load("[x]\nneeded=1\nnumber=-10\nflag=On\ntext=\n[listen]\nport=9\n[control.a]\nconninfo = host=h\n"
			 "  user=u\n[control.b]\nconninfo=z\n"),
		0);
	assert_int_equal(sample.number, -10);
	assert_true(sample.flag);
	assert_null(sample.text);
	assert_int_equal(sample.common.listen_port, 9);
	assert_string_equal(sample.seen, "control|a|host=h user=u;control|b|z;");
}

static void environment(void **state)
{
	(void)state;
	assert_int_equal(setenv("GS_TEST_X_NUMBER", "3", 1), 0);
	assert_int_equal(setenv("GS_TEST_X_NEEDED", "env", 1), 0);
	assert_int_equal(load("[x]\nnumber = 4\n"), 0);
	assert_int_equal(sample.number, 3);
	assert_string_equal(sample.needed, "env");
	assert_int_equal(setenv("GS_TEST_X_NUMBER", "11", 1), 0);
	assert_true(load("") < 0);
	assert_non_null(strstr(error, "x.number: 11 is outside"));
	unsetenv("GS_TEST_X_NUMBER");
	gs_settings_free(&table, &sample);
	memset(&sample, 0, sizeof(sample));
	assert_int_equal(gs_settings_load(&table, NULL, &sample, error, sizeof(error)), 0); /* no file */
	assert_string_equal(sample.needed, "env");
	unsetenv("GS_TEST_X_NEEDED");
}

static void errors(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {{"", "x.needed is required"},
				 {"[x]\nneeded=\n", "x.needed is required"},
				 {"[x]\nneeded=1\nother=2\n", ":3: unknown setting x.other"},
				 {"[y]\nneeded=1\n", ":2: unknown setting y.needed"},
				 {"needed=1\n", ":1: unknown setting .needed"},
				 {"[x]\nnumber=11\n", ":2: x.number: 11 is outside -10 .. 10"},
				 {"[x]\nnumber=\n", ":2: x.number: \"\" is not a whole number"},
				 {"[x]\nnumber=1 2\n", "is not a whole number"},
				 {"[x]\nnumber=99999999999999999999\n", "is not a whole number"},
				 {"[x]\nflag=2\n", "neither true nor false"},
				 {"[x]\nneeded=1\n[x]\nneeded=2\n", ":4: x.needed is already set in line 2"},
				 {"[x]\nneeded\n", ":2: neither a [section]"},
				 {"[x\n", ":1: neither a [section]"},
				 {"[x]\nneeded=1\nnumber=7\n", "seven is not wanted"},
				 {"[control.a]\nuser=1\n", ":2: control.a.user: unknown"},
				 {"[control.]\nconninfo=1\n", ":2: unknown setting control..conninfo"},
				 {"[control]\nconninfo=1\n", ":2: unknown setting control.conninfo"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(load(cases[i].text) < 0);
		if (strstr(error, cases[i].error) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", error, cases[i].error);
	}
}

static void dump(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	assert_int_equal(load("[x]\nneeded = n\nsecret = canary\nnumber = 9\n"), 0);
	gs_settings_dump(&table, &sample, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "\n[x]\n"));
	assert_non_null(strstr(text, "\nnumber = 9\n"));
	assert_non_null(strstr(text, "\nsecret = ***\n"));
	assert_null(strstr(text, "canary"));
	free(text);
}

static void common(void **state)
{
	(void)state;
	assert_int_equal(load("[x]\nneeded=1\n"), 0);
	assert_non_null(strstr(gs_settings_check_common(&sample.common), "tls.certificate"));
	assert_int_equal(load("[x]\nneeded=1\n[listen]\ncleartext=yes\n"), 0);
	assert_null(gs_settings_check_common(&sample.common));
	assert_int_equal(load("[x]\nneeded=1\n[listen]\ncleartext=yes\n[log]\nlevel=loud\n"), 0);
	assert_non_null(strstr(gs_settings_check_common(&sample.common), "log.level"));
	assert_int_equal(load("[x]\nneeded=1\n[listen]\ncleartext=yes\n[limits]\nstream_window_bytes=33554432\n"), 0);
	assert_non_null(strstr(gs_settings_check_common(&sample.common), "stream_window_bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(environment),
									   cmocka_unit_test(errors), cmocka_unit_test(dump), cmocka_unit_test(common)};
	int fd = mkstemp(path), failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = fd < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	gs_settings_free(&table, &sample);
	if (fd >= 0)
		close(fd);
	unlink(path);
	return failed;
}
