/* SPDX-License-Identifier: PostgreSQL */
/*
 * Routes. A pattern is ranked by which of its segments are literal, the leftmost counting most, so that
 * "/v1/groups/mine" is chosen before "/v1/groups/{group}" whatever their order in the table. The tables have a few
 * dozen rows: a walk costs less than the hash that would save it.
 */
#include "daemon/route_match.h"

#include <stdio.h>
#include <string.h>

#include "daemon/query.h"

/*
 * Does the pattern match the path? Returns 0 when it does not, else its rank: a leading 1 bit, then a bit a segment,
 * set for a literal one. Equal ranks that match the same path are the same pattern up to parameter names.
 */
static unsigned pattern_rank(const char *pattern, const char *path)
{
	unsigned rank = 1;

	while (*pattern == '/' && *path == '/') {
		size_t pattern_size = strcspn(++pattern, "/"), path_size = strcspn(++path, "/");

		if (pattern_size > 0 && *pattern == '{') {
			if (path_size == 0)
				return 0;
			rank = rank << 1;
		} else {
			if (pattern_size != path_size || memcmp(pattern, path, path_size) != 0)
				return 0;
			rank = rank << 1 | 1;
		}
		pattern += pattern_size;
		path += path_size;
	}
	return *pattern == '\0' && *path == '\0' ? rank : 0;
}

static unsigned best_rank(const GsRoute *const *tables, const char *path)
{
	unsigned best = 0;

	for (; *tables != NULL; tables++)
		for (const GsRoute *r = *tables; r->method != NULL; r++) {
			unsigned rank = pattern_rank(r->pattern, path);

			if (rank > best)
				best = rank;
		}
	return best;
}

static void allow_add(GsRouteMatch *match, const char *method)
{
	size_t used = strlen(match->allow);

	snprintf(match->allow + used, sizeof(match->allow) - used, "%s%s", used > 0 ? ", " : "", method);
}

static bool bind_params(GsRouteMatch *match, const char *path, GsPool *pool)
{
	const char *pattern = match->route->pattern;

	while (*pattern == '/') {
		size_t pattern_size = strcspn(++pattern, "/"), path_size = strcspn(++path, "/");

		if (*pattern == '{' && match->param_count < GS_MAX_PATH_PARAMS) {
			GsHeader *param = &match->params[match->param_count++];

			param->name = gs_pool_copy(pool, pattern + 1, pattern_size - 2);
			param->value = gs_query_decode(pool, path, path_size);
			if (param->name == NULL || param->value == NULL)
				return false;
		}
		pattern += pattern_size;
		path += path_size;
	}
	return true;
}

GsRouteResult gs_route_match(const GsRoute *const *tables, const char *method, const char *path, GsPool *pool,
							 GsRouteMatch *match)
{
	unsigned best = best_rank(tables, path);
	const GsRoute *get = NULL;

	memset(match, 0, sizeof(*match));
	if (best == 0)
		return GS_ROUTE_NOT_FOUND;
	for (; *tables != NULL; tables++)
		for (const GsRoute *r = *tables; r->method != NULL; r++) {
			if (pattern_rank(r->pattern, path) != best)
				continue;
			if (strcmp(r->method, method) == 0)
				match->route = r;
			if (strcmp(r->method, "GET") == 0)
				get = r;
			if (strcmp(r->method, "HEAD") != 0 && strcmp(r->method, "OPTIONS") != 0)
				allow_add(match, r->method);
			if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0)
				if (strstr(match->allow, "HEAD") == NULL)
					allow_add(match, "HEAD");
		}
	allow_add(match, "OPTIONS");
	if (match->route == NULL && get != NULL && strcmp(method, "HEAD") == 0)
		match->route = get;
	if (match->route == NULL)
		return strcmp(method, "OPTIONS") == 0 ? GS_ROUTE_OPTIONS : GS_ROUTE_METHOD;
	return bind_params(match, path, pool) ? GS_ROUTE_FOUND : GS_ROUTE_MALFORMED;
}
