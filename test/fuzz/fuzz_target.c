/* SPDX-License-Identifier: PostgreSQL */
/* objects: daemon/route.o daemon/query.o daemon/pool.o */
/* Request targets: UTF-8, percent-encoding, routes, query strings. The first line is the path, the second the query. */
#include "daemon/query.h"
#include "daemon/route_match.h"
#include "test/fuzz/fuzz.h"

static const GsRoute routes[] = {{"GET", "/v1/groups/{group}", NULL, NULL},
								 {"GET", "/v1/groups/mine", NULL, NULL},
								 {"PUT", "/v1/groups/{group}/members/{terminal}", NULL, NULL},
								 {"GET", "/{a}/{b}/{c}/{d}", NULL, NULL},
								 {NULL, NULL, NULL, NULL}};
static const GsRoute *const tables[] = {routes, NULL};

static void check_text(const GsHeader *header)
{
	FUZZ_CHECK(header->name != NULL && header->value != NULL &&
			   gs_query_valid_utf8(header->value, strlen(header->value)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *path = fuzz_line(&bytes, &size), *query = fuzz_line(&bytes, &size);
	GsHeader params[GS_MAX_QUERY_PARAMS];
	GsRouteMatch match;
	GsPool pool = {0};
	int count;

	if (gs_query_valid_utf8(path, strlen(path)) && gs_query_valid_utf8(query, strlen(query))) {
		if (gs_route_match(tables, "GET", path, &pool, &match) == GS_ROUTE_FOUND)
			for (int i = 0; i < match.param_count; i++)
				check_text(&match.params[i]);
		count = gs_query_parse(&pool, query, params, GS_MAX_QUERY_PARAMS);
		FUZZ_CHECK(count <= GS_MAX_QUERY_PARAMS);
		for (int i = 0; i < count; i++)
			check_text(&params[i]);
	}
	gs_pool_clear(&pool);
	free(path);
	free(query);
	return 0;
}
