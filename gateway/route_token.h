/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the gateway reads of a session without being able to verify it: `iss`, the control server to ask, and `sub`,
 * whose wake-ups to wait for. Neither decides anything: the control server verifies the session with each request.
 */
#ifndef GS_ROUTE_TOKEN_H
#define GS_ROUTE_TOKEN_H

#define GS_ROUTE_TOKEN_MAX_BYTES 4096

typedef struct GsRouteToken {
	char server[256];
	char terminal[37]; /* UUID, lower case; empty when there is none */
} GsRouteToken;

__attribute__((warn_unused_result)) int gs_route_token_read(const char *session, GsRouteToken *token);

#endif
