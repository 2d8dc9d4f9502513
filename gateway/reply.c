/* SPDX-License-Identifier: PostgreSQL */
/*
 * Rows: status, JSON, ETag, 304 (also for lists of tags, which the function is not given), Link for the next page; a
 * row of status 400 or more is an error that was committed.
 * Errors: texts of class GS are written for terminals and passed on; any other text is for the log. Of class 22 not
 * even the log gets it, since it quotes the value that did not fit, and that may be a secret; DETAIL is not logged
 * either, for the same reason: PostgreSQL's own log has it.
 */
#include "gateway/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/json_text.h"
#include "daemon/log.h"
#include "daemon/response.h"
#include "gateway/sqlstate.h"

#define MAX_HEADERS 4
#define MAX_LINK 1024
#define MAX_DETAIL 2048

enum { COLUMN_STATUS, COLUMN_REPLY, COLUMN_ETAG };

/* Errors ------------------------------------------------------------------------------------------------------------
 */

void gs_reply_overloaded(GsStream *stream)
{
	gs_problem_send(stream, 503, "unavailable", "The service is overloaded or its database is away; nothing was done.",
					"Ask again later.", GS_REPLY_RETRY_S);
}

static void log_error(GsStream *stream, const GsApi *api, const GsPgReply *reply, const GsSqlstate *row)
{
	const char *text = strncmp(reply->sqlstate, "22", 2) == 0 ? NULL : reply->message;
	GsLogLevel level = row->status >= 500 ? GS_LOG_ERROR : GS_LOG_INFO;

	gs_log(level, gs_stream_request_id(stream), "the control server said no", "function", api->statement.name,
		   "sqlstate", reply->sqlstate, "error", text, NULL);
}

/* Ends the text in front of a character that did not fit whole: half of one would make it no UTF-8, so no JSON. */
static void end_at_character(char *text)
{
	size_t size = strlen(text);

	while (size > 0 && ((unsigned char)text[size - 1] & 0xc0) == 0x80)
		size--;
	if (size > 0 && (unsigned char)text[size - 1] >= 0xc0)
		size--;
	text[size] = '\0';
}

static void send_error(GsStream *stream, const GsApi *api, const GsPgReply *reply)
{
	const GsSqlstate *row = gs_sqlstate_find(reply->sqlstate);
	char detail[MAX_DETAIL];

	if (row->text || row->status == 500)
		log_error(stream, api, reply, row);
	if (row->text) {
		gs_problem_send(stream, row->status, row->code, row->text, NULL, row->retry_after_s);
		return;
	}
	if (snprintf(detail, sizeof detail, "%s%s%s", reply->message ? reply->message : "", reply->detail ? ": " : "",
				 reply->detail ? reply->detail : "") >= (int)sizeof detail)
		end_at_character(detail);
	gs_problem_send(stream, row->status, row->code, detail, reply->hint, row->retry_after_s);
}

/* Rows --------------------------------------------------------------------------------------------------------------
 */

/* RFC 9110 13.1.2, weak comparison. */
static bool tag_matches(const char *condition, const char *etag)
{
	size_t size = strlen(etag);

	if (!condition)
		return false;
	if (strcmp(condition, "*") == 0)
		return true;
	for (const char *at = condition; *at;) {
		const char *end;

		at += strspn(at, " \t,");
		if (strncmp(at, "W/", 2) == 0)
			at += 2;
		end = *at == '"' ? strchr(at + 1, '"') : NULL;
		if (!end)
			return false;
		if ((size_t)(end + 1 - at) == size && strncmp(at, etag, size) == 0)
			return true;
		at = end + 1;
	}
	return false;
}

static int put_encoded(char *out, size_t room, const char *value)
{
	size_t used = 0;

	for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
					 strchr("-._~", *c) != NULL;

		if (used + 4 > room)
			return -1;
		used += (size_t)snprintf(out + used, room - used, plain ? "%c" : "%%%02X", *c);
	}
	return (int)used;
}

/* NAME=VALUE behind ? or &. Returns the new length, negative when it does not fit. */
static int put_parameter(char *link, int used, char before, const char *name, const char *value)
{
	int more;

	if (used < 0)
		return used;
	more = snprintf(link + used, (size_t)(MAX_LINK - used), "%c%s=", before, name);
	if (more >= MAX_LINK - used)
		return -1;
	used += more;
	more = put_encoded(link + used, (size_t)(MAX_LINK - used), value);
	return more < 0 ? more : used + more;
}

/* RFC 8288: this request with `after` of the next page. Names in a query are ours by now, so they need no encoding. */
static int make_link(GsStream *stream, const char *next, char *link)
{
	int used = snprintf(link, MAX_LINK, "<%s", gs_stream_path(stream));
	char before = '?';

	if (used >= MAX_LINK)
		return -1;
	for (size_t i = 0; i < gs_stream_query_count(stream); i++) {
		const char *name, *value;

		gs_stream_query_at(stream, i, &name, &value);
		if (strcmp(name, "after") == 0)
			continue;
		used = put_parameter(link, used, before, name, value);
		before = '&';
	}
	used = put_parameter(link, used, before, "after", next);
	if (used < 0 || used + (int)sizeof(">; rel=\"next\"") > MAX_LINK)
		return -1;
	strcpy(link + used, ">; rel=\"next\"");
	return 0;
}

static bool has_pages(const GsApi *api)
{
	for (const char *const *name = api->query; *name; name++)
		if (strcmp(*name, "after") == 0)
			return true;
	return false;
}

/* 0 when there is a next page and `link` says where. */
static int next_link(GsStream *stream, const GsApi *api, const GsPgReply *reply, char *link)
{
	json_t *page;
	const json_t *next;
	char number[24];
	int result = -1;

	if (!has_pages(api) || !reply->value[COLUMN_REPLY])
		return -1;
	page = gs_json_text_read(reply->value[COLUMN_REPLY], reply->size[COLUMN_REPLY], NULL);
	next = json_object_get(page, "next");
	if (json_is_string(next)) {
		result = make_link(stream, json_string_value(next), link);
	} else if (json_is_integer(next)) {
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(next));
		result = make_link(stream, number, link);
	}
	json_decref(page);
	return result;
}

/* An error that had to leave something behind comes as a row {"sqlstate", "message", "hint"}: answered as if raised. */
static void send_refusal(GsStream *stream, const GsApi *api, const GsPgReply *row)
{
	const char *body = row->value[COLUMN_REPLY];
	json_t *said = body ? gs_json_text_read(body, row->size[COLUMN_REPLY], NULL) : NULL;
	const char *sqlstate = json_string_value(json_object_get(said, "sqlstate"));
	GsPgReply error = {.outcome = GS_PG_ERROR,
					   .message = json_string_value(json_object_get(said, "message")),
					   .hint = json_string_value(json_object_get(said, "hint"))};

	/* No SQLSTATE is an unknown one: 500. */
	snprintf(error.sqlstate, sizeof error.sqlstate, "%s", sqlstate ? sqlstate : "");
	send_error(stream, api, &error);
	json_decref(said);
}

static void send_row(GsStream *stream, const GsApi *api, const GsPgReply *reply)
{
	const char *etag = reply->value[COLUMN_ETAG];
	const char *body = reply->value[COLUMN_REPLY];
	long status = reply->value[COLUMN_STATUS] ? strtol(reply->value[COLUMN_STATUS], NULL, 10) : 0;
	GsHeader headers[MAX_HEADERS];
	char link[MAX_LINK];
	size_t count = 0;

	if (status < 200 || status > 599) {
		gs_log(GS_LOG_ERROR, gs_stream_request_id(stream), "an API function gave no status", "function",
			   api->statement.name, NULL);
		gs_problem_send(stream, 500, "internal", "The request failed; the reason is in the server's log.", NULL, 0);
		return;
	}
	if (status >= 400) {
		send_refusal(stream, api, reply);
		return;
	}
	if (status == 200 && etag && tag_matches(gs_stream_header_joined(stream, "if-none-match"), etag))
		status = 304;
	if (status == 304)
		body = NULL;
	headers[count++] = (GsHeader){"cache-control", api->secret ? "no-store" : "private, no-cache"};
	if (body)
		headers[count++] = (GsHeader){"content-type", "application/json"};
	if (etag)
		headers[count++] = (GsHeader){"etag", etag};
	if (status == 200 && next_link(stream, api, reply, link) == 0)
		headers[count++] = (GsHeader){"link", link};
	gs_stream_respond(stream, (int)status, headers, count, body, body ? reply->size[COLUMN_REPLY] : 0);
}

void gs_reply_send(GsStream *stream, const GsApi *api, const GsPgReply *reply)
{
	switch (reply->outcome) {
	case GS_PG_ROW:
		send_row(stream, api, reply);
		break;
	case GS_PG_ERROR:
		send_error(stream, api, reply);
		break;
	case GS_PG_NOT_SENT:
		gs_reply_overloaded(stream);
		break;
	case GS_PG_LOST:
		gs_problem_send(stream, 503, "unavailable",
						"The database went away before it answered; the request may have been carried out.",
						"Ask again: a repeated request does nothing twice.", GS_REPLY_RETRY_S);
		break;
	}
}
