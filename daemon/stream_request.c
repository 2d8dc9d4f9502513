/* SPDX-License-Identifier: PostgreSQL */
/* What a handler may ask about its request: plain look-ups, no state changes. */
#include <stdio.h>
#include <string.h>

#include "daemon/stream_internal.h"

const char *gs_stream_method(const GsStream *stream)
{
	return stream->method;
}

const char *gs_stream_path(const GsStream *stream)
{
	return stream->path;
}

static const char *find(const GsHeader *pairs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	return NULL;
}

const char *gs_stream_header(const GsStream *stream, const char *name)
{
	return find(stream->headers, stream->header_count, name);
}

const char *gs_stream_header_joined(GsStream *stream, const char *name)
{
	const char *joined = NULL;

	for (size_t i = 0; i < stream->header_count; i++) {
		const char *value = stream->headers[i].value;
		size_t size;
		char *longer;

		if (strcmp(stream->headers[i].name, name) != 0)
			continue;
		if (joined == NULL) {
			joined = value;
			continue;
		}
		size = strlen(joined) + strlen(value) + 3;
		longer = gs_stream_alloc(stream, size);
		if (longer == NULL)
			return ";"; /* nothing that is well formed: half of a field must not pass as the whole */
		snprintf(longer, size, "%s, %s", joined, value);
		joined = longer;
	}
	return joined;
}

int64_t gs_stream_content_length(const GsStream *stream)
{
	return stream->content_length;
}

const char *gs_stream_param(const GsStream *stream, const char *name)
{
	return find(stream->match.params, (size_t)stream->match.param_count, name);
}

const char *gs_stream_query(const GsStream *stream, const char *name)
{
	return find(stream->query, (size_t)stream->query_count, name);
}

size_t gs_stream_query_count(const GsStream *stream)
{
	return (size_t)stream->query_count;
}

void gs_stream_query_at(const GsStream *stream, size_t i, const char **name, const char **value)
{
	*name = stream->query[i].name;
	*value = stream->query[i].value;
}

const char *gs_stream_bearer(const GsStream *stream)
{
	const char *value = gs_stream_header(stream, "authorization");

	if (value == NULL || strncasecmp(value, "bearer ", 7) != 0)
		return NULL;
	value += 7;
	while (*value == ' ')
		value++;
	return *value != '\0' ? value : NULL;
}

const char *gs_stream_request_id(const GsStream *stream)
{
	return stream->request_id;
}

const char *gs_stream_peer(const GsStream *stream)
{
	return stream->connection->peer;
}

const uint8_t *gs_stream_body(const GsStream *stream, size_t *size)
{
	*size = stream->body_size;
	return stream->body;
}

uv_loop_t *gs_stream_loop(const GsStream *stream)
{
	return stream->connection->server->loop;
}

void gs_stream_set_data(GsStream *stream, void *data)
{
	stream->data = data;
}

void *gs_stream_data(const GsStream *stream)
{
	return stream->data;
}

const void *gs_stream_route_arg(const GsStream *stream)
{
	return stream->match.route->arg;
}

void *gs_stream_program(const GsStream *stream)
{
	return stream->connection->server->state;
}

void *gs_stream_alloc(GsStream *stream, size_t size)
{
	return gs_pool_alloc(&stream->pool, size);
}
