/* SPDX-License-Identifier: PostgreSQL */
/* Hexadecimal and base64; see codec.h. Pure: no state, no I/O. */
#include "storaged/codec.h"

#include <string.h>

void gs_hex_encode(const uint8_t *bytes, size_t size, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * size] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool gs_hex_decode(const char *hex, uint8_t *bytes, size_t size)
{
	if (hex == NULL || strnlen(hex, 2 * size + 1) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* `plus` and `slash` are the alphabet's two variable characters. */
static int base64_value(char c, char plus, char slash)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == plus)
		return 62;
	if (c == slash)
		return 63;
	return -1;
}

static ssize_t base64_decode(const char *text, size_t text_size, char plus, char slash, uint8_t *bytes, size_t max)
{
	uint32_t held = 0;
	int held_bits = 0;
	size_t count = 0;

	if (text_size % 4 == 1)
		return -1;
	for (size_t i = 0; i < text_size; i++) {
		int value = base64_value(text[i], plus, slash);

		if (value < 0)
			return -1;
		held = held << 6 | (uint32_t)value;
		held_bits += 6;
		if (held_bits >= 8) {
			held_bits -= 8;
			if (count == max)
				return -1;
			bytes[count++] = (uint8_t)(held >> held_bits);
			held &= (1u << held_bits) - 1;
		}
	}
	return held == 0 ? (ssize_t)count : -1;
}

ssize_t gs_base64url_decode(const char *text, size_t text_size, uint8_t *bytes, size_t max)
{
	return base64_decode(text, text_size, '-', '_', bytes, max);
}

ssize_t gs_base64_decode(const char *text, uint8_t *bytes, size_t max)
{
	size_t size = strlen(text), padding = 0;

	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	return size % 4 == 0 ? base64_decode(text, size - padding, '+', '/', bytes, max) : -1;
}
