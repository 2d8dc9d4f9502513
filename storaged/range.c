/* SPDX-License-Identifier: PostgreSQL */
/* Parses one byte range; see range.h. */
#include "storaged/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

/* Digits at *text, saturating (a range may end far past the object); false when there is none. */
static bool read_number(const char **text, uint64_t *number)
{
	const char *at = *text;

	*number = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		*number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
	}
	if (at == *text)
		return false;
	*text = at;
	return true;
}

static const char *skip_blanks(const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

static GsRangeKind suffix_range(uint64_t count, uint64_t size, GsRange *range)
{
	if (count == 0 || size == 0)
		return GS_RANGE_UNSATISFIABLE;
	range->size = count < size ? count : size;
	range->offset = size - range->size;
	return GS_RANGE_PART;
}

GsRangeKind gs_range_parse(const char *value, uint64_t size, GsRange *range)
{
	uint64_t first = 0, last = UINT64_MAX;
	bool has_first, has_last;

	range->offset = 0;
	range->size = size;
	if (value == NULL || strncasecmp(value, "bytes=", 6) != 0)
		return GS_RANGE_WHOLE;
	value = skip_blanks(value + 6);
	has_first = read_number(&value, &first);
	if (*value++ != '-')
		return GS_RANGE_WHOLE;
	has_last = read_number(&value, &last);
	if (*skip_blanks(value) != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
		return GS_RANGE_WHOLE;
	if (!has_first)
		return suffix_range(last, size, range);
	if (first >= size)
		return GS_RANGE_UNSATISFIABLE;
	if (!has_last || last > size - 1)
		last = size - 1;
	range->offset = first;
	range->size = last - first + 1;
	return GS_RANGE_PART;
}
