/* SPDX-License-Identifier: PostgreSQL */
/* What a download is answered: its head, or a problem. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/response.h"
#include "storaged/condition.h"
#include "storaged/digest_field.h"
#include "storaged/disposition.h"
#include "storaged/get_state.h"
#include "storaged/measure.h"

#define ETAG_MAX (GS_SHA256_HEX + 3)

/* With its quotes. */
static void format_etag(const GsGet *get, char etag[ETAG_MAX])
{
	etag[0] = '"';
	gs_hex_encode(get->sidecar.sha256, GS_SHA256_BYTES, etag + 1);
	strcat(etag, "\"");
}

static void send_unsatisfiable(GsGet *get)
{
	char range[64], etag[ETAG_MAX];
	const char *request_id = gs_stream_request_id(get->transfer.stream);
	json_t *problem =
		json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "type", "urn:groupshare:problem:range_not_satisfiable", "title",
				  "Range Not Satisfiable", "status", 416, "detail", "the range lies outside of the object", "code",
				  "range_not_satisfiable", "request_id", request_id);
	char *text = problem != NULL ? json_dumps(problem, JSON_COMPACT) : NULL;

	snprintf(range, sizeof(range), "bytes */%" PRIu64, get->sidecar.size_bytes);
	format_etag(get, etag);
	gs_stream_respond(get->transfer.stream, 416,
					  (GsHeader[]){{"content-type", "application/problem+json"},
								   {"content-range", range},
								   {"accept-ranges", "bytes"},
								   {"etag", etag}},
					  4, text, text != NULL ? strlen(text) : 0);
	free(text);
	json_decref(problem);
}

static void send_object(GsGet *get, int status, const char *etag)
{
	char disposition[GS_DISPOSITION_MAX], digest[GS_SHA256_BASE64 + 16], range[96];
	bool is_head = strcmp(gs_stream_method(get->transfer.stream), "HEAD") == 0;
	GsHeader headers[12] = {{"etag", etag},
							{"accept-ranges", "bytes"},
							{"repr-digest", digest},
							{"cache-control", "private, no-transform"},
							{"x-content-type-options", "nosniff"},
							{"content-security-policy", "sandbox"},
							{"content-type", "application/octet-stream"},
							{"content-disposition", disposition}};
	size_t count = 8;

	gs_digest_field_format(get->sidecar.sha256, digest, sizeof(digest));
	gs_disposition_format(get->transfer.ticket.name, disposition);
	if (status == 304) {
		gs_stream_respond(get->transfer.stream, 304, headers, 4, NULL, 0);
		return;
	}
	if (status == 206) {
		snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, get->range.offset,
				 get->range.offset + get->range.size - 1, get->sidecar.size_bytes);
		headers[count++] = (GsHeader){"content-range", range};
	}
	if (!is_head && !get->read_early && !gs_get_prepare(get)) {
		gs_problem_send(get->transfer.stream, 503, "unavailable", "out of memory", NULL, 2);
		return;
	}
	gs_metric_add(&gs_metric_downloads, is_head ? 0 : 1);
	get->source.read = gs_get_source_read;
	gs_stream_respond_source(get->transfer.stream, status, headers, count, (int64_t)get->range.size, &get->source);
	if (get->read_early)
		gs_get_take_read(get);
	else if (!is_head && get->range.size > 0)
		gs_get_read_ahead(get);
}

/* RFC 9110 section 13.2.2: conditions first, then the range. */
void gs_get_answer(GsGet *get)
{
	GsStream *stream = get->transfer.stream;
	const char *range = gs_stream_header_joined(stream, "range");
	char etag[ETAG_MAX];

	format_etag(get, etag);
	switch (gs_condition_evaluate(gs_stream_header_joined(stream, "if-match"),
								  gs_stream_header_joined(stream, "if-none-match"), etag)) {
	case GS_CONDITION_FAILED:
		gs_problem_send(stream, 412, "precondition_failed", "If-Match names another object", NULL, 0);
		return;
	case GS_CONDITION_NOT_MODIFIED:
		send_object(get, 304, etag);
		return;
	case GS_CONDITION_PROCEED:
		break;
	}
	if (strcmp(gs_stream_method(stream), "GET") != 0 ||
		!gs_condition_range(gs_stream_header_joined(stream, "if-range"), etag))
		range = NULL;
	switch (gs_range_parse(range, get->sidecar.size_bytes, &get->range)) {
	case GS_RANGE_WHOLE:
		send_object(get, 200, etag);
		break;
	case GS_RANGE_PART:
		send_object(get, 206, etag);
		break;
	case GS_RANGE_UNSATISFIABLE:
		send_unsatisfiable(get);
		break;
	}
}
