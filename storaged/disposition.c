/* SPDX-License-Identifier: PostgreSQL */
/*
 * `attachment; filename="plain"; filename*=UTF-8''percent`: the first for old clients, with everything outside of plain
 * ASCII made an underscore; the second, RFC 8187, is exact. No byte of the name can end the quoted string or the line.
 */
#include "storaged/disposition.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool is_attr_char(unsigned char c)
{
	return c < 0x80 && (isalnum(c) || (c != '\0' && strchr("!#$&+-.^_`|~", c) != NULL));
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '%' && c != '/';
}

void gs_disposition_format(const char *name, char out[GS_DISPOSITION_MAX])
{
	static const char digits[] = "0123456789ABCDEF";
	size_t size = strnlen(name, 255);
	char *end;

	if (size == 0) {
		strcpy(out, "attachment");
		return;
	}
	end = stpcpy(out, "attachment; filename=\"");
	for (size_t i = 0; i < size; i++) {
		if (is_plain((unsigned char)name[i]))
			*end++ = name[i];
		else if (((unsigned char)name[i] & 0xC0) != 0x80) /* one for a character, whatever its bytes are */
			*end++ = '_';
	}
	end = stpcpy(end, "\"; filename*=UTF-8''");
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)name[i];

		if (is_attr_char(c)) {
			*end++ = (char)c;
		} else {
			*end++ = '%';
			*end++ = digits[c >> 4];
			*end++ = digits[c & 15];
		}
	}
	*end = '\0';
}
