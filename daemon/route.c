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

static bool at_end(const char *segment)
{
	return *segment == '/' || *segment == '\0';
}

/*
 * Does the pattern match the path? Returns 0 when it does not, else its rank: a leading 1 bit, then a bit a segment,
 * set for a literal one. Equal ranks that match the same path are the same pattern up to parameter names. Ends at the
 * first byte that differs: it is asked of every row for every request.
 */
static unsigned pattern_rank(const char *pattern, const char *path)
{
	unsigned rank = 1;

	while (*pattern == '/' && *path == '/') {
		bool literal = *++pattern != '{', empty = at_end(++path);

		if (literal) {
			for (; *pattern == *path && !at_end(pattern); pattern++)
				path++;
			if (!at_end(pattern) || !at_end(path))
				return 0;
		} else if (empty) {
			return 0;
		} else {
			pattern += strcspn(pattern, "/");
			path += strcspn(path, "/");
		}
		rank = rank << 1 | literal;
	}
	return *pattern == '\0' && *path == '\0' ? rank : 0;
}

static void allow_add(GsRouteMatch *match, const char *method)
{
	size_t used = strlen(match->allow);

	snprintf(match->allow + used, sizeof(match->allow) - used, "%s%s", used > 0 ? ", " : "", method);
}

static void allow_all(GsRouteMatch *match, const GsRoute *const *tables, const char *path, unsigned rank)
{
	for (; *tables != NULL; tables++)
		for (const GsRoute *r = *tables; r->method != NULL; r++) {
			if (pattern_rank(r->pattern, path) != rank)
				continue;
			if (strcmp(r->method, "HEAD") != 0 && strcmp(r->method, "OPTIONS") != 0)
				allow_add(match, r->method);
			if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0)
				if (strstr(match->allow, "HEAD") == NULL)
					allow_add(match, "HEAD");
		}
	allow_add(match, "OPTIONS");
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

/* The route of the method among the best patterns for the path; returns their rank, 0 when there is none. */
static unsigned find(GsRouteMatch *match, const GsRoute *const *tables, const char *method, const char *path)
{
	const GsRoute *get = NULL;
	unsigned best = 0;

	for (; *tables != NULL; tables++)
		for (const GsRoute *r = *tables; r->method != NULL; r++) {
			unsigned rank = pattern_rank(r->pattern, path);

			if (rank == 0 || rank < best)
				continue;
			if (rank > best)
				match->route = get = NULL;
			best = rank;
			if (strcmp(r->method, method) == 0)
				match->route = r;
			if (strcmp(r->method, "GET") == 0)
				get = r;
		}
	if (match->route == NULL && strcmp(method, "HEAD") == 0)
		match->route = get;
	return best;
}

GsRouteResult gs_route_match(const GsRoute *const *tables, const char *method, const char *path, GsPool *pool,
							 GsRouteMatch *match)
{
	bool options = strcmp(method, "OPTIONS") == 0;
	unsigned rank;

	memset(match, 0, sizeof(*match));
	rank = find(match, tables, method, path);
	if (rank == 0)
		return GS_ROUTE_NOT_FOUND;
	if (match->route == NULL || options)
		allow_all(match, tables, path, rank);
	if (match->route == NULL)
		return options ? GS_ROUTE_OPTIONS : GS_ROUTE_METHOD;
	return bind_params(match, path, pool) ? GS_ROUTE_FOUND : GS_ROUTE_MALFORMED;
}
