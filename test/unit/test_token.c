/* SPDX-License-Identifier: PostgreSQL */
/* objects: extension/ticket.o extension/base64url.o */
/* libs: cmocka jansson libcrypto */
/*
 * The token core against test/vectors/ticket.json (made by other code), and against itself: what it issues it verifies,
 * and no single changed bit passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extension/base64url.h"
#include "extension/ticket.h"

static const char vectors_path[] = "test/vectors/ticket.json";

static void read_key(const char *hex, uint8_t key[GS_TOKEN_KEY_BYTES])
{
	assert_int_equal(strlen(hex), GS_TOKEN_KEY_BYTES * 2);
	for (int i = 0; i < GS_TOKEN_KEY_BYTES; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &key[i]), 1);
}

/* What the core has to say; kid, device and further claims are the caller's to check, so there it says OK. */
static int expected(const char *reason)
{
	static const struct {
		const char *reason;
		int result;
	} table[] = {
		{"ok", GS_TOKEN_OK},
		{"malformed", GS_TOKEN_MALFORMED},
		{"wrong_type", GS_TOKEN_WRONG_TYPE},
		{"bad_signature", GS_TOKEN_BAD_SIGNATURE},
		{"expired", GS_TOKEN_EXPIRED},
		{"unknown_kid", GS_TOKEN_OK},
		{"wrong_device", GS_TOKEN_OK},
		{"missing_claim", GS_TOKEN_OK},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].reason, reason) == 0)
			return table[i].result;
	fail_msg("unknown reason %s", reason);
	return 1;
}

static void check_vector(json_t *vector)
{
	const char *name = json_string_value(json_object_get(vector, "name"));
	const char *token = json_string_value(json_object_get(vector, "token"));
	const char *reason = json_string_value(json_object_get(vector, "reason"));
	const char *kid = json_string_value(json_object_get(vector, "kid"));
	json_int_t now =
		json_integer_value(json_object_get(vector, "now")) - json_integer_value(json_object_get(vector, "leeway_s"));
	json_t *want = json_object_get(vector, "claims"), *claims = NULL;
	uint8_t key[GS_TOKEN_KEY_BYTES];
	char found[64] = "";
	int result, peeked;

	read_key(json_string_value(json_object_get(vector, "key_hex")), key);
	result = gs_token_verify(token, "gs-ticket", key, now);
	if (result != expected(reason))
		fail_msg("%s: verify says %d, wanted %d", name, result, expected(reason));
	peeked = gs_token_peek(token, "gs-ticket", found, sizeof(found), &claims);
	if (strcmp(reason, "unknown_kid") == 0 && strcmp(found, kid) == 0)
		fail_msg("%s: the kid is the known one", name);
	if (json_is_object(want) && (peeked != GS_TOKEN_OK || !json_equal(want, claims) || strcmp(found, kid) != 0))
		fail_msg("%s: peek says %d and other claims", name, peeked);
	json_decref(claims);
}

static void vectors_have_their_verdict(void **state)
{
	json_error_t error;
	json_t *vectors = json_load_file(vectors_path, 0, &error);

	(void)state;
	if (vectors == NULL)
		fail_msg("%s: %s", vectors_path, error.text);
	assert_true(json_array_size(vectors) >= 25);
	for (size_t i = 0; i < json_array_size(vectors); i++)
		check_vector(json_array_get(vectors, i));
	json_decref(vectors);
}

static const uint8_t own_key[GS_TOKEN_KEY_BYTES] = {1, 2, 3};

static char *issue_own(void)
{
	json_t *claims = json_pack("{s:s, s:i}", "sub", "x", "exp", 100);
	char *token = NULL;

	assert_int_equal(gs_token_issue("gs-session", "k1", own_key, claims, &token), GS_TOKEN_OK);
	json_decref(claims);
	return token;
}

static void issued_verifies_until_it_expires(void **state)
{
	char *token = issue_own();
	char kid[64];
	json_t *claims;

	(void)state;
	assert_int_equal(gs_token_verify(token, "gs-session", own_key, 100), GS_TOKEN_OK);
	assert_int_equal(gs_token_verify(token, "gs-session", own_key, 101), GS_TOKEN_EXPIRED);
	assert_int_equal(gs_token_verify(token, "gs-ticket", own_key, 100), GS_TOKEN_WRONG_TYPE);
	assert_int_equal(gs_token_peek(token, "gs-session", kid, sizeof(kid), &claims), GS_TOKEN_OK);
	assert_string_equal(kid, "k1");
	assert_string_equal(json_string_value(json_object_get(claims, "sub")), "x");
	json_decref(claims);
	assert_int_equal(gs_token_peek(token, "gs-session", kid, 2, &claims), GS_TOKEN_MALFORMED);
	free(token);
}

static void no_changed_bit_passes(void **state)
{
	char *token = issue_own();
	size_t size = strlen(token);

	(void)state;
	for (size_t i = 0; i < size * 8; i++) {
		token[i / 8] ^= 1 << i % 8;
		if (gs_token_verify(token, "gs-session", own_key, 50) == GS_TOKEN_OK)
			fail_msg("bit %zu can be changed", i);
		token[i / 8] ^= 1 << i % 8;
	}
	assert_int_equal(gs_token_verify(token, "gs-session", own_key, 50), GS_TOKEN_OK);
	free(token);
}

static void too_large_is_not_issued(void **state)
{
	char name[GS_TOKEN_MAX_BYTES];
	json_t *claims;
	char *token = NULL;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	claims = json_pack("{s:s, s:i}", "name", name, "exp", 1);
	assert_int_equal(gs_token_issue("gs-ticket", "k", own_key, claims, &token), GS_TOKEN_MALFORMED);
	assert_null(token);
	json_decref(claims);
	claims = json_pack("{s:s, s:i}", "name", "ok", "exp", 1);
	assert_int_equal(gs_token_issue("gs-ticket", name, own_key, claims, &token), GS_TOKEN_MALFORMED);
	assert_null(token);
	json_decref(claims);
}

static void base64url_is_strict(void **state)
{
	static const char *const bad[] = {"A", "AB", "AAB", "AA==", "AA=", "A A", "A+", "A/", "\x80\x80"};
	uint8_t bytes[8];

	(void)state;
	assert_int_equal(gs_base64url_decode("", 0, bytes, 0), 0);
	assert_int_equal(gs_base64url_decode("-_8", 3, bytes, sizeof(bytes)), 2);
	assert_int_equal(bytes[0], 0xfb);
	assert_int_equal(bytes[1], 0xff);
	assert_int_equal(gs_base64url_decode("AAAA", 4, bytes, 2), -1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (gs_base64url_decode(bad[i], strlen(bad[i]), bytes, sizeof(bytes)) != -1)
			fail_msg("\"%s\" is taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_have_their_verdict), cmocka_unit_test(issued_verifies_until_it_expires),
		cmocka_unit_test(no_changed_bit_passes),      cmocka_unit_test(too_large_is_not_issued),
		cmocka_unit_test(base64url_is_strict),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
