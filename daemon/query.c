/* SPDX-License-Identifier: PostgreSQL */
/* UTF-8, percent-encoding and query strings. No state. */
#include "daemon/query.h"

#include <stdint.h>
#include <string.h>

/* Length of the sequence that starts at p, 0 when it is malformed or goes past the end. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	size_t size;
	uint32_t code;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		size = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		size = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		size = 4;
	else
		return 0;
	if (size > left)
		return 0;
	code = p[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	if ((size == 3 && code < 0x800) || (size == 4 && code < 0x10000) || code > 0x10ffff ||
		(code >= 0xd800 && code <= 0xdfff))
		return 0;
	return size;
}

bool gs_query_valid_utf8(const char *text, size_t size)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < size;) {
		size_t n = utf8_sequence(p + i, size - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *gs_query_decode(GsPool *pool, const char *text, size_t size)
{
	char *decoded = gs_pool_alloc(pool, size + 1);
	size_t used = 0;

	if (decoded == NULL)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (c == '%') {
			int high, low;

			if (size - i < 3)
				return NULL;
			high = hex_digit(text[i + 1]);
			low = hex_digit(text[i + 2]);
			if (high < 0 || low < 0)
				return NULL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return NULL;
		decoded[used++] = c;
	}
	decoded[used] = '\0';
	return gs_query_valid_utf8(decoded, used) ? decoded : NULL;
}

static bool parse_pair(GsPool *pool, const char *text, size_t size, GsHeader *param)
{
	const char *equals = memchr(text, '=', size);
	size_t name_size = equals != NULL ? (size_t)(equals - text) : size;

	param->name = gs_query_decode(pool, text, name_size);
	param->value = equals != NULL ? gs_query_decode(pool, equals + 1, size - name_size - 1) : "";
	return param->name != NULL && param->value != NULL && *param->name != '\0';
}

int gs_query_parse(GsPool *pool, const char *query, GsHeader *params, int max)
{
	int count = 0;

	while (*query != '\0') {
		size_t size = strcspn(query, "&");

		if (count == max || !parse_pair(pool, query, size, &params[count]))
			return -1;
		for (int i = 0; i < count; i++)
			if (strcmp(params[i].name, params[count].name) == 0)
				return -1;
		count++;
		query += size;
		if (*query == '&' && *++query == '\0')
			return -1;
	}
	return count;
}
