/* SPDX-License-Identifier: PostgreSQL */
/* Finding a request's route in the const tables. Pure but for the pool. */
#ifndef GS_ROUTE_MATCH_H
#define GS_ROUTE_MATCH_H

#include "daemon/limits.h"
#include "daemon/pool.h"
#include "daemon/route.h"

typedef enum GsRouteResult {
	GS_ROUTE_FOUND,
	GS_ROUTE_NOT_FOUND, /* 404 */
	GS_ROUTE_METHOD,    /* 405: the path is known, `allow` says with which methods */
	GS_ROUTE_OPTIONS,   /* the request asks for `allow` */
	GS_ROUTE_MALFORMED  /* 400: a path parameter is badly encoded */
} GsRouteResult;

typedef struct GsRouteMatch {
	const GsRoute *route;
	GsHeader params[GS_MAX_PATH_PARAMS]; /* name without braces, decoded value */
	int param_count;
	char allow[128]; /* "" when a route was found and the method is not OPTIONS */
} GsRouteMatch;

/* `tables` ends with NULL. `path` has no query. */
GsRouteResult gs_route_match(const GsRoute *const *tables, const char *method, const char *path, GsPool *pool,
							 GsRouteMatch *match);

#endif
