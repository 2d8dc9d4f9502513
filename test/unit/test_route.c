/* SPDX-License-Identifier: PostgreSQL */
/* objects: daemon/route.o daemon/query.o daemon/pool.o */
/* libs: cmocka */
/* Routes: which one is chosen, what is allowed, path parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "daemon/route_match.h"

static const GsRoute first[] = {{"GET", "/v1/groups/{group}", NULL, "one"},
								{"GET", "/v1/groups/mine", NULL, "mine"},
								{"GET", "/v1/groups", NULL, "all"},
								{"POST", "/v1/groups", NULL, "create"},
								{"PUT", "/v1/groups/{group}/members/{terminal}", NULL, "set"},
								{"DELETE", "/v1/groups/{group}/members/{terminal}", NULL, "remove"},
								{"GET", "/{a}/x/y", NULL, "axy"},
								{"GET", "/p/{b}/y", NULL, "pby"},
								{"HEAD", "/both", NULL, "head"},
								{"GET", "/both", NULL, "get"},
								{"OPTIONS", "/asked", NULL, "asked"},
								{"PATCH", "/asked", NULL, "patch"},
								{"PATCH", "/{longer}/{yet}", NULL, "worse"},
								{"PATCH", "/long/{yet}", NULL, "better"},
								{"GET", "/{longer}/{yet}", NULL, "worse"},
								{NULL, NULL, NULL, NULL}};
static const GsRoute second[] = {{"GET", "/healthz", NULL, "health"}, {NULL, NULL, NULL, NULL}};
static const GsRoute *const tables[] = {first, second, NULL};

static GsPool pool;
static GsRouteMatch match;

static GsRouteResult find(const char *method, const char *path)
{
	return gs_route_match(tables, method, path, &pool, &match);
}

static void check_found(const char *method, const char *path, const char *arg)
{
	assert_int_equal(find(method, path), GS_ROUTE_FOUND);
	assert_string_equal(match.route->arg, arg);
}

static void choose(void **state)
{
	(void)state;
	check_found("GET", "/v1/groups/mine", "mine");
	check_found("GET", "/v1/groups/mine2", "one");
	check_found("GET", "/v1/groups", "all");
	check_found("POST", "/v1/groups", "create");
	check_found("GET", "/healthz", "health");
	check_found("GET", "/p/x/y", "pby"); /* the leftmost literal counts most */
	check_found("GET", "/q/x/y", "axy");
	check_found("HEAD", "/both", "head");
	check_found("HEAD", "/v1/groups", "all");
	check_found("PATCH", "/long/x", "better");
	check_found("GET", "/longs/x", "worse");
	check_found("GET", "/lon/x", "worse");
	/* the better pattern has no such method, and a worse one's is not taken instead */
	assert_int_equal(find("GET", "/long/x"), GS_ROUTE_METHOD);
	assert_int_equal(find("HEAD", "/long/x"), GS_ROUTE_METHOD);
	assert_string_equal(match.allow, "PATCH, OPTIONS");
	for (const char *const *path = (const char *const[]){"/", "", "/v1", "/v1/groups/", "/v1/groups//members/x", "//",
														 "/v1/groups/a/members", "/healthz/", "v1/groups", "*", NULL};
		 *path != NULL; path++)
		assert_int_equal(find("GET", *path), GS_ROUTE_NOT_FOUND);
}

static void params(void **state)
{
	(void)state;
	check_found("DELETE", "/v1/groups/g%20%C3%A4/members/%2B1%2F2", "remove");
	assert_int_equal(match.param_count, 2);
	assert_string_equal(match.params[0].name, "group");
	assert_string_equal(match.params[0].value, "g \xc3\xa4");
	assert_string_equal(match.params[1].name, "terminal");
	assert_string_equal(match.params[1].value, "+1/2");
	assert_int_equal(find("GET", "/v1/groups/%"), GS_ROUTE_MALFORMED);
	assert_int_equal(find("GET", "/v1/groups/%00"), GS_ROUTE_MALFORMED);
}

static void methods(void **state)
{
	(void)state;
	assert_int_equal(find("DELETE", "/v1/groups"), GS_ROUTE_METHOD);
	assert_string_equal(match.allow, "GET, HEAD, POST, OPTIONS");
	assert_int_equal(find("OPTIONS", "/v1/groups/a/members/b"), GS_ROUTE_OPTIONS);
	assert_string_equal(match.allow, "PUT, DELETE, OPTIONS");
	assert_int_equal(find("HEAD", "/v1/groups/a/members/b"), GS_ROUTE_METHOD);
	assert_int_equal(find("POST", "/v1/groups/mine"), GS_ROUTE_METHOD);
	assert_int_equal(find("OPTIONS", "/both"), GS_ROUTE_OPTIONS);
	assert_string_equal(match.allow, "HEAD, GET, OPTIONS");
	assert_int_equal(find("OPTIONS", "/none"), GS_ROUTE_NOT_FOUND);
	assert_int_equal(find("get", "/v1/groups"), GS_ROUTE_METHOD);
	check_found("OPTIONS", "/asked", "asked"); /* a preflight is told the methods even so */
	assert_string_equal(match.allow, "PATCH, OPTIONS");
	check_found("PATCH", "/asked", "patch");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(choose), cmocka_unit_test(params), cmocka_unit_test(methods)};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	gs_pool_clear(&pool);
	return failed;
}
