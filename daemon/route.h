/* SPDX-License-Identifier: PostgreSQL */
/*
 * method + path pattern -> handler, by one const table a program. A pattern's segments are literal or "{name}". Longest
 * literal match wins ("/v1/groups/mine" before "/v1/groups/{group}"). Known path, other method: 405 with Allow;
 * OPTIONS: 204 with Allow; HEAD falls back to GET's handler. Both answers come from the route table itself.
 */
#ifndef GS_ROUTE_H
#define GS_ROUTE_H

#include "stream.h"

typedef struct GsRoute {
	const char *method;
	const char *pattern;
	const GsHandler *handler;
	const void *arg; /* gs_stream_route_arg */
} GsRoute;           /* a table ends with method == NULL */

#endif
