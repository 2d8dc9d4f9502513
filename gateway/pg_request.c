/* SPDX-License-Identifier: PostgreSQL */
/*
 * Requests are one allocation each: the struct, then the parameters' text. Secrets (sessions, signatures) travel in it,
 * so it is wiped before it is given back.
 */
#include "gateway/pg_request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t text_size(const GsPgRequest *request)
{
	size_t size = 0;

	for (int i = 0; i < request->statement->params; i++)
		if (request->value[i])
			size += strlen(request->value[i]) + 1;
	return size;
}

GsPgRequest *gs_pg_request_new(const GsPgStatement *statement, const char *const *values, GsPgDone *done, void *owner)
{
	size_t size = 0;
	GsPgRequest *request;
	char *at;

	assert(statement->params <= GS_PG_MAX_PARAMS);
	for (int i = 0; i < statement->params; i++)
		if (values[i])
			size += strlen(values[i]) + 1;
	request = calloc(1, sizeof *request + size);
	if (!request)
		return NULL;
	request->statement = statement;
	request->done = done;
	request->owner = owner;
	at = request->text;
	for (int i = 0; i < statement->params; i++) {
		if (!values[i])
			continue;
		size = strlen(values[i]) + 1;
		memcpy(at, values[i], size);
		request->value[i] = at;
		at += size;
	}
	return request;
}

void gs_pg_request_free(GsPgRequest *request)
{
	if (!request)
		return;
	explicit_bzero(request->text, text_size(request));
	free(request);
}
