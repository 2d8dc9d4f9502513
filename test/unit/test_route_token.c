/* SPDX-License-Identifier: PostgreSQL */
/* objects: gateway/route_token.o daemon/json_text.o */
/* libs: cmocka jansson */
/* What the gateway reads of a session that it can't verify: only well-formed ones, and never out of bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/route_token.h"

#define TERMINAL "0b1c2d3e-4f50-4172-8a3b-4c5d6e7f8091"

/* HEADER.PAYLOAD.SIGNATURE; static, valid until the next call. */
static const char *session_of(const char *payload, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static char session[16384];
	char *at = session + sprintf(session, "e30.");

	for (size_t i = 0; i < size; i += 3) {
		uint32_t bits = (uint32_t)(unsigned char)payload[i] << 16;

		if (i + 1 < size)
			bits |= (uint32_t)(unsigned char)payload[i + 1] << 8;
		if (i + 2 < size)
			bits |= (unsigned char)payload[i + 2];
		*at++ = digits[bits >> 18];
		*at++ = digits[bits >> 12 & 63];
		if (i + 1 < size)
			*at++ = digits[bits >> 6 & 63];
		if (i + 2 < size)
			*at++ = digits[bits & 63];
	}
	strcpy(at, ".c2ln");
	return session;
}

static int read_claims(const char *payload, GsRouteToken *token)
{
	return gs_route_token_read(session_of(payload, strlen(payload)), token);
}

static void good(void **state)
{
	GsRouteToken token;

	(void)state;
	assert_int_equal(read_claims("{\"iss\":\"cs1\",\"sub\":\"" TERMINAL "\",\"exp\":1}", &token), 0);
	assert_string_equal(token.server, "cs1");
	assert_string_equal(token.terminal, TERMINAL);
	assert_int_equal(read_claims("{\"iss\":\"\xc3\xa9\"}", &token), 0);
	assert_string_equal(token.server, "\xc3\xa9");
	assert_string_equal(token.terminal, "");
}

static void not_a_terminal(void **state)
{
	GsRouteToken token;

	(void)state;
	assert_int_equal(read_claims("{\"iss\":\"cs1\",\"sub\":\"0b1c2d3e-4f50-4172-8a3b-4c5d6e7f809\"}", &token), 0);
	assert_string_equal(token.terminal, "");
	assert_int_equal(read_claims("{\"iss\":\"cs1\",\"sub\":\"" TERMINAL "0\"}", &token), 0);
	assert_string_equal(token.terminal, "");
	assert_int_equal(read_claims("{\"iss\":\"cs1\",\"sub\":7}", &token), 0);
	assert_string_equal(token.terminal, "");
}

static void bad(void **state)
{
	static const char *const payloads[] = {"",
										   "{}",
										   "[]",
										   "7",
										   "{\"iss\":7}",
										   "{\"iss\":\"\"}",
										   "{\"iss\":null}",
										   "{\"iss\":\"a\"",
										   "{\"iss\":\"a\",\"iss\":\"b\"}",
										   "{\"iss\":\"\xff\"}",
										   "{\"iss\":\"a\"}x"};
	static const char *const sessions[] = {"", ".", "..", "a", "a.b", "a.e30", "a.!!!!.c", "a.e30=.c", "a.e.c", "a..c"};
	GsRouteToken token;

	(void)state;
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
		assert_true(read_claims(payloads[i], &token) < 0);
	for (size_t i = 0; i < sizeof sessions / sizeof *sessions; i++)
		assert_true(gs_route_token_read(sessions[i], &token) < 0);
}

/* A name of 255 bytes is a name, one of 256 is not; a token of 4097 bytes is none. */
static void limits(void **state)
{
	char payload[8192];
	GsRouteToken token;

	(void)state;
	sprintf(payload, "{\"iss\":\"%0255d\"}", 0);
	assert_int_equal(read_claims(payload, &token), 0);
	assert_int_equal(strlen(token.server), 255);
	sprintf(payload, "{\"iss\":\"%0256d\"}", 0);
	assert_true(read_claims(payload, &token) < 0);
	sprintf(payload, "{\"iss\":\"a\",\"x\":\"%03047d\"}", 0);
	assert_int_equal(strlen(session_of(payload, strlen(payload))), 4096);
	assert_int_equal(read_claims(payload, &token), 0);
	sprintf(payload, "{\"iss\":\"a\",\"x\":\"%03048d\"}", 0);
	assert_true(read_claims(payload, &token) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(not_a_terminal), cmocka_unit_test(bad),
									   cmocka_unit_test(limits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
