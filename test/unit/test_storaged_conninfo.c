/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/conninfo.o */
/* libs: cmocka libpq */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "storaged/conninfo.h"

static GsConninfo conninfo;

static const char *value_of(const char *keyword)
{
	for (size_t i = 0; conninfo.keywords[i] != NULL; i++)
		if (strcmp(conninfo.keywords[i], keyword) == 0)
			return conninfo.values[i];
	return NULL;
}

static void test_no_secret_in_errors(void **state)
{
	static const char *const malformed[] = {"host=x password=my secret", "host=x password='my secret",
											"password=secret secret=secret", "postgresql://u:my%secret@x/y"};

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		assert_int_equal(gs_conninfo_resolve(&conninfo, malformed[i]), -1);
		assert_non_null(strstr(conninfo.error, "malformed"));
		assert_null(strstr(conninfo.error, "secret"));
		gs_conninfo_clear(&conninfo);
	}
}

static void test_targets(void **state)
{
	(void)state;
	assert_int_equal(gs_conninfo_resolve(&conninfo, "host=127.0.0.1,/run/x port=1,2 user=u"), 0);
	assert_string_equal(value_of("host"), "127.0.0.1,/run/x");
	assert_string_equal(value_of("hostaddr"), "127.0.0.1,");
	assert_string_equal(value_of("port"), "1,2");
	assert_string_equal(value_of("user"), "u");
	gs_conninfo_clear(&conninfo);
	assert_int_equal(gs_conninfo_resolve(&conninfo, "hostaddr=127.0.0.1 host=name.invalid"), 0);
	assert_string_equal(value_of("hostaddr"), "127.0.0.1");
	gs_conninfo_clear(&conninfo);
}

static void test_too_many(void **state)
{
	char text[GS_CONNINFO_LIST_MAX * 2] = "host=127.0.0.1";

	(void)state;
	for (size_t i = 0; i <= GS_CONNINFO_HOSTS_MAX; i++)
		strcat(text, ",127.0.0.1");
	assert_int_equal(gs_conninfo_resolve(&conninfo, text), -1);
	assert_string_equal(conninfo.error, "too many hosts or addresses");
	gs_conninfo_clear(&conninfo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_secret_in_errors), cmocka_unit_test(test_targets),
									   cmocka_unit_test(test_too_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
