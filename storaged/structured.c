/* SPDX-License-Identifier: PostgreSQL */
/*
 * Structured field values; see structured.h. Each `read_` function stands at the first character of what it reads and,
 * when that is well formed, moves *at behind it; the text ends with NUL, which is no character of the grammar.
 */
#include "storaged/structured.h"

#include <stdbool.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

#define INTEGER_DIGITS 16
#define FRACTION_DIGITS 3

static void skip(const char **at, const char *characters)
{
	*at += strspn(*at, characters);
}

static bool take(const char **at, char character)
{
	if (**at != character)
		return false;
	(*at)++;
	return true;
}

static bool one_of(char character, const char *characters)
{
	return character != '\0' && strchr(characters, character) != NULL;
}

static bool read_number(const char **at, GsItem *item)
{
	bool negative = take(at, '-');
	size_t digits = strspn(*at, DIGIT);

	if (digits == 0 || digits > INTEGER_DIGITS)
		return false;
	item->type = GS_ITEM_INTEGER;
	item->number = 0;
	for (size_t i = 0; i < digits; i++)
		item->number = item->number * 10 + (*at)[i] - '0';
	item->number = negative ? -item->number : item->number;
	*at += digits;
	if (!take(at, '.'))
		return true;
	digits = strspn(*at, DIGIT);
	*at += digits;
	item->type = GS_ITEM_OTHER;
	return digits > 0 && digits <= FRACTION_DIGITS;
}

/* A string, behind its first quote: printable ASCII, quotes and backslashes behind a backslash. */
static bool read_string(const char **at)
{
	for (; **at >= ' ' && **at <= '~'; (*at)++) {
		if (take(at, '"'))
			return true;
		if (take(at, '\\') && !one_of(**at, "\"\\"))
			return false;
	}
	return false;
}

/* A display string, behind its first quote: printable ASCII, all other bytes as % and two digits. */
static bool read_display_string(const char **at)
{
	for (; **at >= ' ' && **at <= '~'; (*at)++) {
		if (take(at, '"'))
			return true;
		if (**at == '%' && strspn(*at + 1, DIGIT "abcdef") < 2)
			return false;
	}
	return false;
}

static bool read_bytes(const char **at, GsItem *item)
{
	item->type = GS_ITEM_BYTES;
	item->bytes = *at;
	skip(at, UPPER LOWER DIGIT "+/=");
	item->size = (size_t)(*at - item->bytes);
	return take(at, ':');
}

static bool read_bare_item(const char **at, GsItem *item)
{
	GsItem date;

	*item = (GsItem){.type = GS_ITEM_OTHER};
	if (one_of(**at, "-" DIGIT))
		return read_number(at, item);
	if (take(at, ':'))
		return read_bytes(at, item);
	if (take(at, '"'))
		return read_string(at);
	if (take(at, '%'))
		return take(at, '"') && read_display_string(at);
	if (take(at, '@'))
		return read_number(at, &date) && date.type == GS_ITEM_INTEGER;
	if (one_of(**at, "*" UPPER LOWER)) {
		skip(at, UPPER LOWER DIGIT "!#$%&'*+-.^_`|~:/");
		return true;
	}
	item->type = GS_ITEM_BOOLEAN;
	item->number = **at == '?' && (*at)[1] == '1';
	return take(at, '?') && (take(at, '0') || take(at, '1'));
}

static bool read_key(const char **at)
{
	if (!one_of(**at, "*" LOWER))
		return false;
	skip(at, LOWER DIGIT "_-.*");
	return true;
}

static bool read_parameters(const char **at)
{
	GsItem ignored;

	while (take(at, ';')) {
		skip(at, " ");
		if (!read_key(at) || (take(at, '=') && !read_bare_item(at, &ignored)))
			return false;
	}
	return true;
}

/* Behind its parenthesis. */
static bool read_inner_list(const char **at)
{
	GsItem ignored;

	for (;;) {
		skip(at, " ");
		if (take(at, ')'))
			return true;
		if (!read_bare_item(at, &ignored) || !read_parameters(at) || !one_of(**at, " )"))
			return false;
	}
}

/* Behind the key. A key alone is true. */
static bool read_member(const char **at, GsItem *item)
{
	*item = (GsItem){.type = GS_ITEM_BOOLEAN, .number = 1};
	if (take(at, '=')) {
		if (take(at, '(')) {
			*item = (GsItem){.type = GS_ITEM_OTHER};
			if (!read_inner_list(at))
				return false;
		} else if (!read_bare_item(at, item)) {
			return false;
		}
	}
	return read_parameters(at);
}

GsStructured gs_structured_item(const char *field, GsItem *item)
{
	if (field == NULL)
		return GS_STRUCTURED_NONE;
	skip(&field, " ");
	if (!read_bare_item(&field, item) || !read_parameters(&field))
		return GS_STRUCTURED_MALFORMED;
	skip(&field, " ");
	return *field == '\0' ? GS_STRUCTURED_FOUND : GS_STRUCTURED_MALFORMED;
}

GsStructured gs_structured_member(const char *field, const char *key, GsItem *item)
{
	GsStructured found = GS_STRUCTURED_NONE;
	size_t size = strlen(key);

	if (field == NULL)
		return GS_STRUCTURED_NONE;
	skip(&field, " ");
	while (*field != '\0') {
		const char *name = field;
		GsItem value;
		bool is_key;

		if (!read_key(&field))
			return GS_STRUCTURED_MALFORMED;
		is_key = (size_t)(field - name) == size && memcmp(name, key, size) == 0;
		if (!read_member(&field, &value))
			return GS_STRUCTURED_MALFORMED;
		if (is_key) {
			*item = value;
			found = GS_STRUCTURED_FOUND;
		}
		skip(&field, " \t");
		if (*field == '\0')
			break;
		if (!take(&field, ','))
			return GS_STRUCTURED_MALFORMED;
		skip(&field, " \t");
		if (*field == '\0')
			return GS_STRUCTURED_MALFORMED; /* a comma at the end */
	}
	return found;
}
