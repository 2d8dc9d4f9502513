/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signed tokens (JWS compact, HS256), doc/contracts.md section 2. Pure C: no PostgreSQL header, no allocation by
 * palloc, so that it is also built and tested outside the server; for one thread. Claims travel as jansson objects.
 */
#ifndef GS_TICKET_H
#define GS_TICKET_H

/*
 * The server has a function json_object of another type, and at run time the server's would be called: jansson's is put
 * out of reach here. json_pack makes objects.
 */
#define json_object gs_jansson_object_is_out_of_reach
#include <jansson.h>
#undef json_object
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_TOKEN_MAX_BYTES 4096
#define GS_TOKEN_KEY_BYTES 32

typedef enum GsTokenError {
	GS_TOKEN_OK = 0,
	GS_TOKEN_MALFORMED = -1,
	GS_TOKEN_WRONG_TYPE = -2,
	GS_TOKEN_BAD_SIGNATURE = -3,
	GS_TOKEN_EXPIRED = -4,
	GS_TOKEN_NO_MEMORY = -5
} GsTokenError;

/* Signs `claims` (borrowed). *token is malloc'd, the caller frees. */
__attribute__((warn_unused_result)) int
gs_token_issue(const char *typ, const char *kid, const uint8_t key[GS_TOKEN_KEY_BYTES], json_t *claims, char **token);

/* The `kid` and unverified claims of a token, to find the key by. kid_size >= 64. *claims is owned by the caller. */
__attribute__((warn_unused_result)) int gs_token_peek(const char *token, const char *typ, char *kid, size_t kid_size,
													  json_t **claims);

/* Verifies the signature in constant time, typ, alg and `exp` (now_s > exp = expired). */
__attribute__((warn_unused_result)) int gs_token_verify(const char *token, const char *typ,
														const uint8_t key[GS_TOKEN_KEY_BYTES], int64_t now_s);

#endif
