/* SPDX-License-Identifier: PostgreSQL */
/* Texts of a request target: UTF-8, percent-encoding, query parameters. Pure functions. */
#ifndef GS_QUERY_H
#define GS_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/pool.h"
#include "daemon/stream.h"

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF)? */
bool gs_query_valid_utf8(const char *text, size_t size);

/*
 * Percent-decoded copy of `size` bytes from the pool. Strict: a % without two hex digits, an encoded NUL and what is
 * no UTF-8 after decoding are refused. "+" stays "+" (RFC 3986; a terminal's phone number starts with one).
 * Returns NULL when refused or out of memory.
 */
char *gs_query_decode(GsPool *pool, const char *text, size_t size);

/*
 * "a=1&b=2" into at most `max` pairs. Returns their number, or -1 when malformed: a name that is empty or occurs
 * twice, more than `max`, bad encoding.
 */
int gs_query_parse(GsPool *pool, const char *query, GsHeader *params, int max);

#endif
