/* SPDX-License-Identifier: PostgreSQL */
/*
 * base64url without padding. The decoder refuses whatever the encoder would not have written, so that a signed text
 * can't be changed without its bytes changing.
 */
#include "base64url.h"

#include <stdbool.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t gs_base64url_encode(const uint8_t *bytes, size_t size, char *text)
{
	size_t out = 0;
	size_t i = 0;

	for (; size - i >= 3; i += 3) {
		const uint32_t bits = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

		text[out++] = alphabet[bits >> 18];
		text[out++] = alphabet[bits >> 12 & 63];
		text[out++] = alphabet[bits >> 6 & 63];
		text[out++] = alphabet[bits & 63];
	}
	if (size > i) {
		const bool two = size - i == 2;
		const uint32_t bits = (uint32_t)bytes[i] << 16 | (two ? (uint32_t)bytes[i + 1] << 8 : 0);

		text[out++] = alphabet[bits >> 18];
		text[out++] = alphabet[bits >> 12 & 63];
		if (two)
			text[out++] = alphabet[bits >> 6 & 63];
	}
	text[out] = '\0';
	return out;
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

long gs_base64url_decode(const char *text, size_t length, uint8_t *bytes, size_t room)
{
	size_t out = 0;
	uint32_t bits = 0;
	int held = 0;

	if (length % 4 == 1 || length / 4 * 3 + length % 4 * 3 / 4 > room)
		return -1;
	for (size_t i = 0; i < length; i++) {
		int value = digit_value(text[i]);

		if (value < 0)
			return -1;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		held += 6;
		if (held >= 8) {
			held -= 8;
			bytes[out++] = (uint8_t)(bits >> held);
		}
	}
	return (bits & ((1u << held) - 1)) == 0 ? (long)out : -1;
}
