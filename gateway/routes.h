/* SPDX-License-Identifier: PostgreSQL */
/*
 * The API as a table: method and path -> SQL function, which parameters it has, and how its control server is found.
 * doc/contracts.md section 3 in C; openapi.json says the same to others, and a test holds the two together.
 */
#ifndef GS_GATEWAY_ROUTES_H
#define GS_GATEWAY_ROUTES_H

#include <stdbool.h>

#include "daemon/cors.h"
#include "daemon/route.h"
#include "gateway/pg_request.h"

#define GS_API_MAX_NAMES 6

typedef enum GsApiBody {
	GS_API_NO_BODY,       /* one is refused */
	GS_API_OPTIONAL_BODY, /* absent: NULL */
	GS_API_NEEDS_BODY
} GsApiBody;

typedef struct GsApi {
	GsPgStatement statement;
	const char *path[GS_API_MAX_NAMES];  /* parameters from the path, ended by NULL */
	const char *query[GS_API_MAX_NAMES]; /* parameters from the query, likewise; any other is refused */
	bool session;                        /* needed, and names the control server; else body.terminal does */
	bool tagged;                         /* has an ETag: takes params.if_none_match */
	bool search;                         /* looks for groups: has budgets of its own */
	bool secret;                         /* the answer holds a session, a ticket or a challenge */
	GsApiBody body;
} GsApi;

/* /openapi.json is among them; /healthz, /readyz and /metrics are the daemon's. */
extern const GsRoute gs_gateway_routes[];
extern const GsCorsNames gs_gateway_cors;

#endif
