/* SPDX-License-Identifier: PostgreSQL */
/* Compares entity tags; see condition.h. */
#include "storaged/condition.h"

#include <string.h>

/* Is `etag` in the list? A weak tag of the list counts only when `weak` comparison is asked for. */
static bool list_holds(const char *list, const char *etag, bool weak)
{
	size_t size = strlen(etag);

	while (*list != '\0') {
		bool is_weak;
		const char *end;

		list += strspn(list, " \t,");
		if (list[0] == '*')
			return true;
		is_weak = strncmp(list, "W/", 2) == 0;
		if (is_weak)
			list += 2;
		if (list[0] != '"')
			return false;
		end = strchr(list + 1, '"');
		if (end == NULL)
			return false;
		if ((!is_weak || weak) && (size_t)(end + 1 - list) == size && memcmp(list, etag, size) == 0)
			return true;
		list = end + 1;
	}
	return false;
}

GsCondition gs_condition_evaluate(const char *if_match, const char *if_none_match, const char *etag)
{
	if (if_match != NULL && !list_holds(if_match, etag, false))
		return GS_CONDITION_FAILED;
	if (if_none_match != NULL && list_holds(if_none_match, etag, true))
		return GS_CONDITION_NOT_MODIFIED;
	return GS_CONDITION_PROCEED;
}

bool gs_condition_range(const char *if_range, const char *etag)
{
	return if_range == NULL || strcmp(if_range, etag) == 0;
}
