/* SPDX-License-Identifier: PostgreSQL */
/* JSON answers and problem+json. */
#include "daemon/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/limits.h"

void gs_json_send(GsStream *stream, int status, const char *json, size_t size, const char *etag, bool secret)
{
	GsHeader headers[3];
	size_t count = 0;

	if (size > 0)
		headers[count++] = (GsHeader){"content-type", "application/json"};
	if (etag != NULL)
		headers[count++] = (GsHeader){"etag", etag};
	if (secret)
		headers[count++] = (GsHeader){"cache-control", "no-store"};
	gs_stream_respond(stream, status, headers, count, json, size);
}

void gs_json_send_value(GsStream *stream, int status, json_t *value, bool secret)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	json_decref(value);
	if (text == NULL) {
		gs_problem_send(stream, 503, "unavailable", "out of memory", NULL, 1);
		return;
	}
	gs_json_send(stream, status, text, strlen(text), NULL, secret);
	free(text);
}

static const char *status_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {{400, "Bad Request"},
				  {401, "Unauthorized"},
				  {403, "Forbidden"},
				  {404, "Not Found"},
				  {405, "Method Not Allowed"},
				  {408, "Request Timeout"},
				  {409, "Conflict"},
				  {410, "Gone"},
				  {411, "Length Required"},
				  {412, "Precondition Failed"},
				  {413, "Content Too Large"},
				  {414, "URI Too Long"},
				  {415, "Unsupported Media Type"},
				  {416, "Range Not Satisfiable"},
				  {422, "Unprocessable Content"},
				  {429, "Too Many Requests"},
				  {431, "Request Header Fields Too Large"},
				  {460, "Checksum Mismatch"}, /* of tus */
				  {500, "Internal Server Error"},
				  {501, "Not Implemented"},
				  {502, "Bad Gateway"},
				  {503, "Service Unavailable"},
				  {504, "Gateway Timeout"},
				  {507, "Insufficient Storage"}};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

static json_t *problem(const GsStream *stream, int status, const char *code, const char *detail, const char *hint)
{
	char type[128];
	json_t *value;

	snprintf(type, sizeof(type), "urn:groupshare:problem:%s", code);
	value = json_pack("{ss ss si ss ss}", "type", type, "title", status_title(status), "status", status, "code", code,
					  "request_id", gs_stream_request_id(stream));
	if (value != NULL && detail != NULL && json_object_set_new(value, "detail", json_string(detail)) < 0)
		goto failed;
	if (value != NULL && hint != NULL && json_object_set_new(value, "hint", json_string(hint)) < 0)
		goto failed;
	return value;
failed:
	json_decref(value);
	return NULL;
}

void gs_problem_send_with(GsStream *stream, int status, const char *code, const char *detail, const char *hint,
						  int retry_after_s, const GsHeader *headers, size_t header_count)
{
	GsHeader all[GS_MAX_RESPONSE_HEADERS] = {{"content-type", "application/problem+json"},
											 {"cache-control", "no-store"}};
	size_t count = 2;
	char retry_after[16];
	json_t *value = problem(stream, status, code, detail, hint);
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	json_decref(value);
	if (retry_after_s > 0) {
		snprintf(retry_after, sizeof(retry_after), "%d", retry_after_s);
		all[count++] = (GsHeader){"retry-after", retry_after};
	}
	if (status == 401)
		all[count++] = (GsHeader){"www-authenticate", "Bearer"};
	for (size_t i = 0; i < header_count && count < GS_MAX_RESPONSE_HEADERS; i++)
		all[count++] = headers[i];
	/* a status without its text is still the right answer when memory is short */
	gs_stream_respond(stream, status, all, count, text, text != NULL ? strlen(text) : 0);
	free(text);
}

void gs_problem_send(GsStream *stream, int status, const char *code, const char *detail, const char *hint,
					 int retry_after_s)
{
	gs_problem_send_with(stream, status, code, detail, hint, retry_after_s, NULL, 0);
}
