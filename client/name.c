/* SPDX-License-Identifier: PostgreSQL */
/*
 * Names. The server refuses the worst of them already; this side does not rely on it.
 */
#include "client/name.h"

#include <string.h>

static bool is_tail(unsigned char c)
{
	return (c & 0xC0) == 0x80;
}

size_t gs_utf8_length(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	if (c[0] == '\0')
		return 0;
	if (c[0] < 0x80)
		return 1;
	if (c[0] >= 0xC2 && c[0] <= 0xDF)
		return is_tail(c[1]) ? 2 : 0;
	if (c[0] >= 0xE0 && c[0] <= 0xEF) {
		if (!is_tail(c[1]) || !is_tail(c[2]) || (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] > 0x9F))
			return 0;
		return 3;
	}
	if (c[0] >= 0xF0 && c[0] <= 0xF4) {
		if (!is_tail(c[1]) || !is_tail(c[2]) || !is_tail(c[3]) || (c[0] == 0xF0 && c[1] < 0x90) ||
			(c[0] == 0xF4 && c[1] > 0x8F))
			return 0;
		return 4;
	}
	return 0;
}

unsigned gs_utf8_code(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	if (c[0] < 0x80)
		return c[0];
	if (c[0] < 0xE0)
		return (c[0] & 0x1Fu) << 6 | (c[1] & 0x3Fu);
	if (c[0] < 0xF0)
		return (c[0] & 0x0Fu) << 12 | (c[1] & 0x3Fu) << 6 | (c[2] & 0x3Fu);
	return (c[0] & 0x07u) << 18 | (c[1] & 0x3Fu) << 12 | (c[2] & 0x3Fu) << 6 | (c[3] & 0x3Fu);
}

bool gs_is_unprintable(unsigned code)
{
	return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x061C || code == 0x200E || code == 0x200F ||
		   (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

void gs_name_make_safe(char *safe, const char *name)
{
	size_t filled = 0;

	while (*name != '\0') {
		size_t n = gs_utf8_length(name);
		unsigned code = n > 0 ? gs_utf8_code(name) : 0;
		bool bad = n == 0 || gs_is_unprintable(code) || code == '/' || code == '\\' ||
				   (filled == 0 && (code == '.' || code == '-' || code == ' '));
		size_t write = bad ? 1 : n;

		if (filled + write > GS_NAME_MAX_BYTES)
			break;
		if (bad)
			safe[filled] = '_';
		else
			memcpy(safe + filled, name, n);
		filled += write;
		name += n > 0 ? n : 1;
	}
	if (filled == 0)
		safe[filled++] = '_';
	safe[filled] = '\0';
}

const char *gs_name_of_path(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}
