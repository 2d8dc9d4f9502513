/* SPDX-License-Identifier: PostgreSQL */
/*
 * The head of a request: every field as it arrives, then, when complete, target, query, route. nghttp2 has refused
 * before what RFC 9113, 8.2 calls malformed (connection fields, CR, LF, NUL, missing pseudo fields); here are the
 * bounds and what this program wants beyond that. A refusal is remembered and answered when the block is complete.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/query.h"
#include "daemon/response.h"
#include "daemon/session.h"
#include "daemon/stream_internal.h"

void gs_headers_refuse(GsStream *stream, int status, const char *code, const char *detail)
{
	if (stream->refuse_status != 0)
		return; /* the first reason stands */
	stream->refuse_status = status;
	stream->refuse_code = code;
	stream->refuse_detail = detail;
}

static bool name_is(const char *name, size_t size, const char *literal)
{
	return size == strlen(literal) && memcmp(name, literal, size) == 0;
}

static void add_path(GsStream *stream, const char *value, size_t size)
{
	const char *mark = memchr(value, '?', size);
	size_t path_size = mark != NULL ? (size_t)(mark - value) : size;

	if (size > GS_MAX_PATH_BYTES) {
		gs_headers_refuse(stream, 414, "target_too_long", "the request target is longer than 4096 bytes");
		return;
	}
	if (!gs_query_valid_utf8(value, size)) {
		gs_headers_refuse(stream, 400, "malformed_target", "the request target is not UTF-8");
		return;
	}
	stream->path = gs_pool_copy(&stream->pool, value, path_size);
	stream->query_text = mark != NULL ? gs_pool_copy(&stream->pool, mark + 1, size - path_size - 1) : "";
}

static void add_content_length(GsStream *stream, const char *value)
{
	char *end;

	/* nghttp2 lets only digits through */
	errno = 0;
	stream->content_length = strtoll(value, &end, 10);
	if (errno != 0 || *end != '\0' || stream->content_length < 0)
		gs_headers_refuse(stream, 400, "malformed_header", "content-length is no number of bytes");
}

static void add_request_id(GsStream *stream, const char *value)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t size = strlen(value);

	if (size > 0 && size <= GS_MAX_REQUEST_ID_BYTES && strspn(value, allowed) == size)
		stream->request_id = value;
}

/* Two of these, or a host that is not the authority: which one is meant, a proxy before us may see otherwise. */
static void refuse_ambiguous(GsStream *stream)
{
	const char *bearer = NULL, *host = stream->authority;

	for (size_t i = 0; i < stream->header_count; i++) {
		const GsHeader *header = &stream->headers[i];

		if (strcmp(header->name, "authorization") == 0) {
			if (bearer != NULL)
				gs_headers_refuse(stream, 400, "malformed_header", "authorization is said twice");
			bearer = header->value;
		} else if (strcmp(header->name, "host") == 0) {
			if (host != NULL && strcasecmp(host, header->value) != 0)
				gs_headers_refuse(stream, 400, "malformed_header", "host is not the authority");
			host = header->value;
		}
	}
}

static void add_field(GsStream *stream, const char *name, size_t name_size, const char *value, size_t value_size)
{
	GsHeader *header = &stream->headers[stream->header_count];

	header->name = gs_pool_copy(&stream->pool, name, name_size);
	header->value = gs_pool_copy(&stream->pool, value, value_size);
	if (header->name == NULL || header->value == NULL) {
		gs_headers_refuse(stream, 503, "unavailable", "out of memory");
		return;
	}
	stream->header_count++;
	if (name_is(name, name_size, "content-length"))
		add_content_length(stream, header->value);
	else if (name_is(name, name_size, "x-request-id"))
		add_request_id(stream, header->value);
}

int gs_headers_add(GsStream *stream, const char *name, size_t name_size, const char *value, size_t value_size)
{
	stream->header_fields++;
	stream->header_bytes += name_size + value_size + 32; /* as RFC 9113, 6.5.2 counts */
	if (stream->header_bytes > GS_MAX_HEADER_BYTES_HARD)
		return -1;
	if (stream->header_fields > GS_MAX_HEADERS || stream->header_bytes > GS_MAX_HEADER_BYTES)
		gs_headers_refuse(stream, 431, "headers_too_large", "more than 64 header fields or 16 KiB");
	if (stream->state != GS_STREAM_HEADERS || stream->refuse_status == 431)
		return 0; /* trailers count, but say nothing that this program asks for */
	if (name_is(name, name_size, ":method")) {
		stream->method = gs_pool_copy(&stream->pool, value, value_size);
		stream->is_head = name_is(value, value_size, "HEAD");
	} else if (name_is(name, name_size, ":authority")) {
		stream->authority = gs_pool_copy(&stream->pool, value, value_size);
	} else if (name_is(name, name_size, ":path")) {
		add_path(stream, value, value_size);
	} else if (name_size > 0 && name[0] != ':') {
		add_field(stream, name, name_size, value, value_size);
	}
	return 0;
}

/* Complete ------------------------------------------------------------------------------------------------------ */

static void make_request_id(GsStream *stream)
{
	GsServer *server = stream->connection->server;
	char *id;

	if (stream->request_id != NULL)
		return;
	id = gs_stream_alloc(stream, GS_MAX_REQUEST_ID_BYTES);
	stream->request_id = id != NULL ? id : "-";
	if (id != NULL)
		snprintf(id, GS_MAX_REQUEST_ID_BYTES, "%s-%llx", server->request_prefix,
				 (unsigned long long)++server->request_count);
}

static void answer_options(GsStream *stream, const char *allow)
{
	const GsHeader header = {"allow", allow};

	gs_stream_respond(stream, 204, &header, 1, NULL, 0);
}

static void answer_method(GsStream *stream, const char *allow)
{
	const GsHeader header = {"allow", allow};

	gs_problem_send_with(stream, 405, "method_not_allowed",
						 "The path has no such method; the Allow header names those it has.", NULL, 0, &header, 1);
}

/* Without memory nothing is known of what was asked: that is not the client's fault. */
static bool out_of_memory(GsStream *stream)
{
	if (stream->pool.exhausted)
		gs_problem_send(stream, 503, "unavailable", "out of memory", NULL, 2);
	return stream->pool.exhausted;
}

/* Finds the handler; NULL when the stream was answered instead. */
static const GsHandler *route(GsStream *stream)
{
	switch (gs_route_match(stream->connection->server->routes, stream->method, stream->path, &stream->pool,
						   &stream->match)) {
	case GS_ROUTE_FOUND:
		return stream->match.route->handler;
	case GS_ROUTE_NOT_FOUND:
		gs_problem_send(stream, 404, "not_found", "there is nothing at this path", NULL, 0);
		break;
	case GS_ROUTE_METHOD:
		answer_method(stream, stream->match.allow);
		break;
	case GS_ROUTE_OPTIONS:
		answer_options(stream, stream->match.allow);
		break;
	case GS_ROUTE_MALFORMED:
		if (out_of_memory(stream))
			break;
		gs_problem_send(stream, 400, "malformed_target", "a path segment is badly encoded", NULL, 0);
		break;
	}
	return NULL;
}

static bool head_acceptable(GsStream *stream)
{
	refuse_ambiguous(stream);
	if (stream->refuse_status == 0 && (stream->method == NULL || stream->path == NULL || stream->query_text == NULL))
		gs_headers_refuse(stream, 400, "malformed_target", "no method or path");
	if (stream->refuse_status == 0) {
		stream->query_count = gs_query_parse(&stream->pool, stream->query_text, stream->query, GS_MAX_QUERY_PARAMS);
		if (stream->query_count < 0) {
			stream->query_count = 0;
			gs_headers_refuse(stream, 400, "malformed_query",
							  "a query parameter is badly encoded, without name, given twice, or there are too many");
		}
	}
	if (stream->refuse_status == 0)
		return true;
	if (out_of_memory(stream))
		return false;
	gs_problem_send(stream, stream->refuse_status, stream->refuse_code, stream->refuse_detail, NULL, 0);
	return false;
}

static void answer_expectation(GsStream *stream)
{
	const char *expect = gs_stream_header(stream, "expect");
	const nghttp2_nv go_on = {(uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t) "100", 7, 3,
							  NGHTTP2_NV_FLAG_NONE};

	if (expect != NULL && strcasecmp(expect, "100-continue") == 0 &&
		nghttp2_submit_headers(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &go_on, 1, NULL) != 0)
		gs_stream_reset(stream);
}

static bool is_builtin(const char *path)
{
	for (const GsRoute *route = gs_builtin_routes; route->method != NULL; route++)
		if (strcmp(route->pattern, path) == 0)
			return true;
	return false;
}

/* Before anything is answered: a page must be able to read a refusal, too. */
static void judge_origin(GsStream *stream)
{
	const GsServer *server = stream->connection->server;
	const char *origins = server->settings->cors_origins;

	if (origins != NULL && server->program->cors != NULL && stream->method != NULL && stream->path != NULL &&
		!is_builtin(stream->path))
		stream->cors = gs_cors_judge(origins, stream->method, gs_stream_header(stream, "origin"),
									 gs_stream_header(stream, "access-control-request-method"));
}

void gs_headers_complete(GsStream *stream)
{
	const GsHandler *handler;

	make_request_id(stream);
	judge_origin(stream);
	gs_stream_set_state(stream, GS_STREAM_RECEIVING);
	if (!head_acceptable(stream))
		return;
	handler = route(stream);
	if (handler == NULL)
		return;
	if (handler->max_body_bytes > 0 && stream->content_length > 0 &&
		(uint64_t)stream->content_length > handler->max_body_bytes) {
		gs_problem_send(stream, 413, "too_large", "the request body is too large", NULL, 0);
		return;
	}
	stream->handler = handler;
	if (handler->begin != NULL)
		handler->begin(stream);
	if (stream->state == GS_STREAM_RECEIVING)
		answer_expectation(stream);
}
