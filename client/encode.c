/* SPDX-License-Identifier: PostgreSQL */
/*
 * Text forms of bytes. base64 is OpenSSL's, the URL alphabet is derived from it, so that there is one encoder only.
 */
#include "client/encode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

static const char HEX[] = "0123456789abcdef";

void gs_base64_encode(char *to, const uint8_t *from, size_t n)
{
	EVP_EncodeBlock((unsigned char *)to, from, (int)n);
}

void gs_base64url_encode(char *to, const uint8_t *from, size_t n)
{
	gs_base64_encode(to, from, n);
	for (; *to != '\0' && *to != '='; to++) {
		if (*to == '+')
			*to = '-';
		else if (*to == '/')
			*to = '_';
	}
	*to = '\0';
}

void gs_hex_encode(char *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = HEX[from[i] >> 4];
		to[2 * i + 1] = HEX[from[i] & 15];
	}
	to[2 * n] = '\0';
}

bool gs_sha256_decode(uint8_t to[GS_SHA256_BYTES], const char *text)
{
	if (text == NULL || strlen(text) != 2 * GS_SHA256_BYTES || strspn(text, HEX) != 2 * GS_SHA256_BYTES)
		return false;
	for (size_t i = 0; i < GS_SHA256_BYTES; i++) {
		size_t high = (size_t)(strchr(HEX, text[2 * i]) - HEX);
		size_t low = (size_t)(strchr(HEX, text[2 * i + 1]) - HEX);

		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int64_t gs_time_decode(const char *text)
{
	struct tm time = {0};
	const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &time) : NULL;

	if (rest == NULL)
		return -1;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return strcmp(rest, "Z") == 0 ? (int64_t)timegm(&time) : -1;
}

char *gs_percent_encode(const char *text)
{
	char *encoded = malloc(3 * strlen(text) + 1);
	char *to = encoded;

	if (encoded == NULL)
		return NULL;
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL)) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = (char)toupper(HEX[c >> 4]);
		*to++ = (char)toupper(HEX[c & 15]);
	}
	*to = '\0';
	return encoded;
}

bool gs_is_uuid(const char *text)
{
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return text[36] == '\0';
}
