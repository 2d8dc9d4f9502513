/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/encode.o */
/* libs: cmocka libcrypto */
/*
 * Text forms of bytes: base64url as RFC 4648 has it, digests, percent-encoding, UUIDs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/encode.h"

static void base64(void **state)
{
	/* RFC 4648 section 10, and bytes whose digits differ between the two alphabets. */
	static const struct {
		const char *bytes;
		const char *padded;
		const char *url;
	} vectors[] = {
		{"", "", ""},
		{"f", "Zg==", "Zg"},
		{"fo", "Zm8=", "Zm8"},
		{"foo", "Zm9v", "Zm9v"},
		{"foobar", "Zm9vYmFy", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "+//+", "-__-"},
		{"\xfb\xff", "+/8=", "-_8"},
	};
	char text[GS_BASE64_SIZE(8)];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t n = strlen(vectors[i].bytes);

		gs_base64_encode(text, (const uint8_t *)vectors[i].bytes, n);
		assert_string_equal(text, vectors[i].padded);
		gs_base64url_encode(text, (const uint8_t *)vectors[i].bytes, n);
		assert_string_equal(text, vectors[i].url);
	}
}

static void sizes(void **state)
{
	uint8_t bytes[64];
	char text[GS_BASE64_SIZE(64)];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	gs_base64url_encode(text, bytes, 32);
	assert_int_equal(strlen(text), 43);
	gs_base64url_encode(text, bytes, 64);
	assert_int_equal(strlen(text), 86);
}

static void digest(void **state)
{
	static const char *const bad[] = {
		"",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
		"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		"0123456789abcdefg123456789abcdef0123456789abcdef0123456789abcdef",
	};
	uint8_t bytes[GS_SHA256_BYTES];
	char text[GS_SHA256_HEX];
	const char *good = "00ff56789abcdef0123456789abcdef0123456789abcdef0123456789abcdef1";

	(void)state;
	assert_true(gs_sha256_decode(bytes, good));
	assert_int_equal(bytes[0], 0x00);
	assert_int_equal(bytes[1], 0xff);
	assert_int_equal(bytes[31], 0xf1);
	gs_hex_encode(text, bytes, sizeof(bytes));
	assert_string_equal(text, good);
	assert_false(gs_sha256_decode(bytes, NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(gs_sha256_decode(bytes, bad[i]));
}

static void percent(void **state)
{
	static const struct {
		const char *text;
		const char *encoded;
	} vectors[] = {
		{"", ""},
		{"aZ09-._~", "aZ09-._~"},
		{"+4915112345678", "%2B4915112345678"},
		{"a@b.c", "a%40b.c"},
		{"a/b?c=d&e#f %", "a%2Fb%3Fc%3Dd%26e%23f%20%25"},
		{"\xc3\xa9\x7f\x01", "%C3%A9%7F%01"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char *encoded = gs_percent_encode(vectors[i].text);

		assert_non_null(encoded);
		assert_string_equal(encoded, vectors[i].encoded);
		free(encoded);
	}
}

static void uuid(void **state)
{
	(void)state;
	assert_true(gs_is_uuid("0b5e1c9a-8f00-4d5e-9b1a-0123456789ab"));
	assert_true(gs_is_uuid("0B5E1C9A-8F00-4D5E-9B1A-0123456789AB"));
	assert_false(gs_is_uuid(""));
	assert_false(gs_is_uuid("0b5e1c9a-8f00-4d5e-9b1a-0123456789a"));
	assert_false(gs_is_uuid("0b5e1c9a-8f00-4d5e-9b1a-0123456789abc"));
	assert_false(gs_is_uuid("0b5e1c9a08f00-4d5e-9b1a-0123456789ab"));
	assert_false(gs_is_uuid("0b5e1c9a-8f00-4d5e-9b1a-0123456789ag"));
}

static void time_of_day(void **state)
{
	(void)state;
	assert_int_equal(gs_time_decode("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(gs_time_decode("2026-01-31T12:00:00Z"), 1769860800);
	assert_int_equal(gs_time_decode("2026-01-31T12:00:00.123456Z"), 1769860800);
	assert_int_equal(gs_time_decode(NULL), -1);
	assert_int_equal(gs_time_decode(""), -1);
	assert_int_equal(gs_time_decode("2026-01-31 12:00:00Z"), -1);
	assert_int_equal(gs_time_decode("2026-01-31T12:00:00"), -1);
	assert_int_equal(gs_time_decode("2026-01-31T12:00:00+01:00"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64),  cmocka_unit_test(sizes), cmocka_unit_test(digest),
		cmocka_unit_test(percent), cmocka_unit_test(uuid),  cmocka_unit_test(time_of_day),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
