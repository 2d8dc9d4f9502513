/* SPDX-License-Identifier: PostgreSQL */
/*
 * See json_text.h. Jansson 2.14 does not say when it got no memory: it calls the text invalid, or goes on without a
 * character of a string (its lexer does not look at what strbuffer_append_byte returns). So its allocator notes it.
 */
#include "daemon/json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void *(*gs_json_text_malloc)(size_t size) = malloc;

static _Thread_local bool refused;

static void *noting_malloc(size_t size)
{
	void *memory = gs_json_text_malloc(size);

	if (memory == NULL)
		refused = true;
	return memory;
}

/* Before any thread there is. */
__attribute__((constructor)) static void install(void)
{
	json_set_alloc_funcs(noting_malloc, free);
}

json_t *gs_json_text_read(const char *text, size_t size, int *error)
{
	json_t *value;

	refused = false;
	value = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (refused) {
		json_decref(value);
		value = NULL;
	}
	if (error != NULL)
		*error = refused ? -ENOMEM : value != NULL ? 0 : -EBADMSG;
	return value;
}
