/* SPDX-License-Identifier: PostgreSQL */
/*
 * A request's way in: its parts are checked and put into the five arguments that every API function has; then its
 * control server is found and it is handed to that one's pool. reply.c is its way out.
 */
#ifndef GS_GATEWAY_REQUEST_H
#define GS_GATEWAY_REQUEST_H

#include <jansson.h>

#include "gateway/pg_request.h"
#include "gateway/route_token.h"
#include "gateway/routes.h"

struct GsServer;

/* max_body_bytes is set from the settings before the first request. */
extern GsHandler gs_request_handler;

/* For handlers of their own (events.c). */

/* Path and query parameters and If-None-Match as a JSON object, the caller's; NULL: answered. */
json_t *gs_request_params(GsStream *stream, const GsApi *api);
/* The control server that the session names, when the session is within its budgets; NULL: answered. */
struct GsServer *gs_request_session(GsStream *stream, GsRouteToken *token, bool *unknown);
/* `body` is text or NULL; params are borrowed. NULL: out of memory. */
GsPgRequest *gs_request_new(GsStream *stream, const GsApi *api, const json_t *params, const char *body, GsPgDone *done,
							void *owner);

#endif
