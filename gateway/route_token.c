/* SPDX-License-Identifier: PostgreSQL */
/*
 * JWS compact: HEADER.PAYLOAD.SIGNATURE; only the payload is decoded, strictly, and bounded by the token's largest
 * size. Pure: no state, safe on any bytes.
 */
#include "gateway/route_token.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon/json_text.h"

static int base64url_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Without padding. Returns the number of bytes, negative when malformed. `out` has room for size * 3 / 4. */
static int base64url_decode(const char *text, size_t size, char *out)
{
	uint32_t bits = 0;
	int held = 0, used = 0;

	if (size % 4 == 1)
		return -1;
	for (size_t i = 0; i < size; i++) {
		int digit = base64url_digit(text[i]);

		if (digit < 0)
			return -1;
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[used++] = (char)(bits >> held & 0xff);
		}
	}
	return used;
}

static int is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return 0;
		} else if (!isdigit((unsigned char)text[i]) && !(text[i] >= 'a' && text[i] <= 'f')) {
			return 0;
		}
	}
	return text[36] == '\0';
}

int gs_route_token_read(const char *session, GsRouteToken *token)
{
	const char *payload = strchr(session, '.');
	const char *end = payload ? strchr(payload + 1, '.') : NULL;
	char claims_text[GS_ROUTE_TOKEN_MAX_BYTES];
	json_t *claims;
	const char *server, *terminal;
	int size, result = -1;

	if (!end || strlen(session) > GS_ROUTE_TOKEN_MAX_BYTES)
		return -1;
	size = base64url_decode(payload + 1, (size_t)(end - payload - 1), claims_text);
	claims = size > 0 ? gs_json_text_read(claims_text, (size_t)size, NULL) : NULL;
	server = json_string_value(json_object_get(claims, "iss"));
	terminal = json_string_value(json_object_get(claims, "sub"));
	if (server && *server && strlen(server) < sizeof token->server) {
		snprintf(token->server, sizeof token->server, "%s", server);
		snprintf(token->terminal, sizeof token->terminal, "%s", terminal && is_uuid(terminal) ? terminal : "");
		result = 0;
	}
	json_decref(claims);
	return result;
}
