/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sessions and challenges: tokens that this control server makes for itself, with the keys in groupshare.secret. SPI
 * must be open for all of them.
 */
#ifndef GS_SESSION_H
#define GS_SESSION_H

#include "request.h"

/* The terminal that the session names, read with the key in one query; GS002 unless valid, not revoked, permitted. */
GsTerminal *gs_session_verify(const char *token);

char *gs_session_issue(const GsTerminal *terminal, const GsSelf *self, TimestampTz *expires_at);

char *gs_challenge_issue(const char *identifier, const GsSelf *self, TimestampTz *expires_at);

/* True when this server made the challenge for this identifier and it has not expired. Sets its id and expiry. */
bool gs_challenge_verify(const char *token, const char *identifier, const GsSelf *self, char **jti,
						 TimestampTz *expires_at);

/* Signs claims by jansson into a palloc'd token, consuming `claims` also on error. For tickets too. */
struct json_t;
char *gs_session_sign(const char *typ, const char *kid, const bytea *key, struct json_t *claims);

#endif
