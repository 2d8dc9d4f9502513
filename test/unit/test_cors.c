/* SPDX-License-Identifier: PostgreSQL */
/* objects: daemon/cors.o */
/* libs: cmocka */
/* Web pages of other origins: the setting, who is allowed, what is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cors.h"

static const GsCorsNames names = {.request = "authorization", .answer = "etag"};

static void test_setting(void **state)
{
	static const char *const right[] = {"*", "", "https://app.example.org",
										"https://a.example http://localhost:8080  capacitor://localhost",
										" https://[2001:db8::1]:8443 "};
	static const char *const wrong[] = {"https://app.example.org/",
										"app.example.org",
										"https://",
										"https://*.example.org",
										"* https://a",
										"https://a *",
										"null",
										"HTTPS://app.example.org",
										"https://App.example.org",
										"https://a,https://b",
										"https://a\thttps://b",
										"://a",
										"https://u@a",
										"https://a?b",
										"https://a/b"};

	(void)state;
	assert_null(gs_cors_check(NULL));
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_null(gs_cors_check(right[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(gs_cors_check(wrong[i]));
}

static GsCorsKind kind(const char *origins, const char *origin)
{
	return gs_cors_judge(origins, "GET", origin, NULL).kind;
}

static void test_judged(void **state)
{
	static const char *const others[] = {"https://a.example:8443",
										 "http://a.example",
										 "https://a.exampl",
										 "https://a.example.org",
										 "https://a.example https://b.example",
										 " https://a.example",
										 "https://A.example",
										 "",
										 "null",
										 "*"};
	const char *two = " https://a.example  https://b.example ";

	(void)state;
	assert_int_equal(kind(NULL, "https://a.example"), GS_CORS_OFF);
	assert_int_equal(kind(two, NULL), GS_CORS_OTHER);
	assert_int_equal(kind(two, "https://a.example"), GS_CORS_ALLOWED);
	assert_int_equal(kind(two, "https://b.example"), GS_CORS_ALLOWED);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(kind(two, others[i]), GS_CORS_OTHER);
	assert_int_equal(kind("*", NULL), GS_CORS_OTHER);
	assert_int_equal(kind("*", "null"), GS_CORS_ALLOWED);
	assert_int_equal(gs_cors_judge(two, "OPTIONS", "https://a.example", "PUT").kind, GS_CORS_PREFLIGHT);
	assert_int_equal(gs_cors_judge(two, "OPTIONS", "https://a.example", NULL).kind, GS_CORS_ALLOWED);
	assert_int_equal(gs_cors_judge(two, "OPTIONS", "https://c.example", "PUT").kind, GS_CORS_OTHER);
	assert_int_equal(gs_cors_judge(two, "GET", "https://a.example", "PUT").kind, GS_CORS_ALLOWED);
}

/* "name: value" of all fields, a line each. */
static const char *answered(const char *origins, const char *method, const char *origin)
{
	static char text[512];
	GsHeader fields[GS_CORS_MAX_FIELDS];
	GsCors cors = gs_cors_judge(origins, method, origin, "PUT");
	size_t count = gs_cors_fields(&cors, &names, "GET, PUT", fields);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s: %s\n", fields[i].name, fields[i].value);
	return text;
}

static void test_fields(void **state)
{
	(void)state;
	assert_string_equal(answered(NULL, "GET", "https://a"), "");
	assert_string_equal(answered("https://a", "GET", NULL), "vary: origin\n");
	assert_string_equal(answered("https://a", "OPTIONS", "https://b"), "vary: origin\n");
	assert_string_equal(answered("https://b https://a", "GET", "https://a"),
						"vary: origin\naccess-control-allow-origin: https://a\naccess-control-expose-headers: etag\n");
	assert_string_equal(answered("*", "OPTIONS", "https://a"),
						"vary: origin\naccess-control-allow-origin: *\naccess-control-allow-methods: GET, PUT\n"
						"access-control-allow-headers: authorization\naccess-control-max-age: 7200\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_setting), cmocka_unit_test(test_judged),
									   cmocka_unit_test(test_fields)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
