/* SPDX-License-Identifier: PostgreSQL */
/* How PATCH, and HEAD of an upload, are answered in either protocol; see upload.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/response.h"
#include "storaged/digest_field.h"
#include "storaged/patch.h"
#include "storaged/upload.h"

#define FIELDS_MAX 10

/* Header fields and the memory of their values. */
typedef struct Fields {
	GsHeader headers[FIELDS_MAX];
	size_t count;
	char interop[8], offset[24], length[24], limit[80], expires[40], etag[GS_SHA256_HEX + 3],
		digest[GS_SHA256_BASE64 + 16];
} Fields;

static void add(Fields *fields, const char *name, const char *value)
{
	fields->headers[fields->count++] = (GsHeader){name, value};
}

static void begin(Fields *fields, const GsPut *put)
{
	fields->count = 0;
	add(fields, "cache-control", "no-store");
	if (put->head.interop == 0)
		return;
	snprintf(fields->interop, sizeof(fields->interop), "%d", put->head.interop);
	add(fields, "upload-draft-interop-version", fields->interop);
}

static void add_offset(Fields *fields, uint64_t offset, bool complete)
{
	snprintf(fields->offset, sizeof(fields->offset), "%" PRIu64, offset);
	add(fields, "upload-offset", fields->offset);
	add(fields, "upload-complete", complete ? "?1" : "?0");
}

static void add_expires(Fields *fields, int64_t until_s)
{
	time_t at = (time_t)until_s;
	struct tm utc;

	if (until_s == 0 || gmtime_r(&at, &utc) == NULL ||
		strftime(fields->expires, sizeof(fields->expires), "%a, %d %b %Y %H:%M:%S GMT", &utc) == 0)
		return;
	add(fields, "upload-expires", fields->expires);
}

/* RFC 9457, with the type that the draft has registered. */
static json_t *registered(const GsPut *put, const GsProblem *problem, const char *type, const char *title)
{
	return json_pack("{ss ss si ss ss ss}", "type", type, "title", title, "status", problem->status, "code",
					 problem->code, "detail", problem->detail, "request_id",
					 gs_stream_request_id(put->transfer.stream));
}

/* Steals `value`. The answer is about the upload, not what has become of it: not complete, also when it is stored. */
static void send_registered(GsPut *put, int status, json_t *value, Fields *fields)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	add(fields, "content-type", "application/problem+json");
	gs_stream_respond(put->transfer.stream, status, fields->headers, fields->count, text,
					  text != NULL ? strlen(text) : 0);
	free(text);
	json_decref(value);
}

/* With the members that the draft gives it. */
static void send_mismatch(GsPut *put, Fields *fields)
{
	json_t *value = registered(put, &gs_put_mismatch,
							   "https://iana.org/assignments/http-problem-types#mismatching-upload-offset", "Conflict");

	if (value != NULL) {
		json_object_set_new(value, "expected-offset", json_integer((json_int_t)put->offset.written));
		json_object_set_new(value, "provided-offset", json_integer((json_int_t)put->head.offset));
	}
	add_offset(fields, put->offset.written, false);
	send_registered(put, gs_put_mismatch.status, value, fields);
}

static void send_inconsistent(GsPut *put, Fields *fields)
{
	json_t *value =
		registered(put, &gs_put_inconsistent,
				   "https://iana.org/assignments/http-problem-types#inconsistent-upload-length", "Bad Request");

	add(fields, "upload-complete", "?0");
	send_registered(put, gs_put_inconsistent.status, value, fields);
}

/* Everything had come and was refused for what it is: going on with this upload would not help. What was staged is
 * gone, so that there is no offset to be told. */
static bool is_final(const GsPut *put, const GsProblem *problem)
{
	return put->whole && (problem == &gs_put_digest_mismatch || problem == &gs_put_unwanted);
}

/* tus: each answer to a PATCH says when the upload expires, so long as there is something that can. */
static void add_expires_of_staged(Fields *fields, const GsPut *put)
{
	const GsStaged *staged = gs_staged_find(put->store, &put->transfer.ticket.object);

	if (put->kind == GS_PUT_PART && staged != NULL &&
		gs_uuid_equal(&staged->stage.server, &put->transfer.ticket.server))
		add_expires(fields, staged->stage.until_s);
}

void gs_patch_send_problem(GsPut *put, const GsProblem *problem)
{
	Fields fields;

	begin(&fields, put);
	add_expires_of_staged(&fields, put);
	if (problem == &gs_put_mismatch) {
		send_mismatch(put, &fields);
		return;
	}
	if (problem == &gs_put_inconsistent) {
		send_inconsistent(put, &fields);
		return;
	}
	if (put->kind == GS_PUT_PART)
		add(&fields, "upload-complete", is_final(put, problem) ? "?1" : "?0");
	if (problem == &gs_put_encoded)
		add(&fields, gs_put_identity.name, gs_put_identity.value);
	else if (problem->status == 415)
		add(&fields, "accept-patch", GS_PATCH_TYPES);
	/* cache-control is among what every problem has. */
	gs_problem_send_with(put->transfer.stream, problem->status, problem->code, problem->detail, problem->hint,
						 problem->retry_after_s, fields.headers + 1, fields.count - 1);
}

void gs_patch_send_stored(GsPut *put, int status, json_t *body)
{
	char *text = put->head.tus || body == NULL ? NULL : json_dumps(body, JSON_COMPACT | JSON_PRESERVE_ORDER);
	Fields fields;

	json_decref(body);
	/* A success that does not say of what is taken for none; asked again, it is said. */
	if (text == NULL && !put->head.tus) {
		gs_patch_send_problem(put, &gs_put_no_memory);
		return;
	}
	begin(&fields, put);
	add_offset(&fields, put->stored.size_bytes, true);
	if (text != NULL)
		add(&fields, "content-type", "application/json");
	gs_stream_respond(put->transfer.stream, put->head.tus ? 204 : status, fields.headers, fields.count, text,
					  text != NULL ? strlen(text) : 0);
	free(text);
}

static void set_limits(Fields *fields, const GsPut *put, int64_t until_s)
{
	int64_t left_s = until_s != 0 ? until_s - gs_clock_now_s(&put->server->clock) : 0;
	int used = snprintf(fields->limit, sizeof(fields->limit), "max-size=%" PRIu64, put->offset.size);

	if (left_s > 0)
		snprintf(fields->limit + used, sizeof(fields->limit) - (size_t)used, ", max-age=%" PRId64, left_s);
}

void gs_patch_send_offset(GsPut *put, uint64_t offset, int64_t until_s)
{
	bool stored = put->kind == GS_PUT_ASK && put->look == LOOK_STORED;
	Fields fields;

	begin(&fields, put);
	add_offset(&fields, offset, stored);
	add_expires(&fields, until_s);
	if (put->kind == GS_PUT_ASK) {
		snprintf(fields.length, sizeof(fields.length), "%" PRIu64, put->offset.size);
		add(&fields, "upload-length", fields.length);
		set_limits(&fields, put, until_s);
		add(&fields, "upload-limit", fields.limit);
	}
	if (stored) {
		fields.etag[0] = '"';
		gs_hex_encode(put->stored.sha256, GS_SHA256_BYTES, fields.etag + 1);
		strcat(fields.etag, "\"");
		add(&fields, "etag", fields.etag);
		gs_digest_field_format(put->stored.sha256, fields.digest, sizeof(fields.digest));
		add(&fields, "repr-digest", fields.digest);
	}
	gs_stream_respond(put->transfer.stream, put->kind == GS_PUT_ASK ? 200 : 204, fields.headers, fields.count, NULL, 0);
}
