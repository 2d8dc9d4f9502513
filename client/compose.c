/* SPDX-License-Identifier: PostgreSQL */
/* The only door to utf8proc. */
#include "client/compose.h"

#include <string.h>

#include <utf8proc.h>

char *gs_compose(const char *text)
{
	utf8proc_uint8_t *composed;
	utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)text, 0, &composed,
										 UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE);

	if (size >= 0)
		return (char *)composed;
	return size == UTF8PROC_ERROR_NOMEM ? NULL : strdup(text);
}
