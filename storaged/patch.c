/* SPDX-License-Identifier: PostgreSQL */
/*
 * Resumable uploads' requests; see patch.h. Two protocols, one state: patch_head.c reads either into the same request,
 * and from gs_put_start on nothing but the answer's header fields tells them apart.
 */
#include "storaged/patch.h"

#include <string.h>

#include "daemon/response.h"
#include "storaged/auth.h"
#include "storaged/delete.h"
#include "storaged/get.h"
#include "storaged/upload.h"

static const GsProblem *problem_of(GsPatchError error)
{
	static const GsProblem problems[] = {
		[GS_PATCH_CONTENT_TYPE] = {415, "unsupported_media_type",
								   "a part is application/partial-upload or application/offset+octet-stream", NULL, 0},
		[GS_PATCH_OFFSET] = {400, "invalid_parameter", "Upload-Offset is missing or no number of bytes", NULL, 0},
		[GS_PATCH_CHECKSUM] = {400, "invalid_parameter", "Upload-Checksum is sha1 or sha256, a space, and base64", NULL,
							   0},
		[GS_PATCH_CONTENT_DIGEST] = {400, "invalid_parameter", "Content-Digest is malformed", NULL, 0},
	};

	return &problems[error];
}

static GsPatchFields read_fields(GsStream *stream)
{
	return (GsPatchFields){.tus_resumable = gs_stream_header(stream, "tus-resumable"),
						   .interop = gs_stream_header_joined(stream, "upload-draft-interop-version"),
						   .content_type = gs_stream_header(stream, "content-type"),
						   .offset = gs_stream_header_joined(stream, "upload-offset"),
						   .complete = gs_stream_header_joined(stream, "upload-complete"),
						   .checksum = gs_stream_header(stream, "upload-checksum"),
						   .content_digest = gs_stream_header_joined(stream, "content-digest"),
						   .length = gs_stream_header_joined(stream, "upload-length")};
}

static bool protocol_accepted(GsStream *stream, const GsPatchFields *fields, GsPatchHead *head)
{
	static const GsHeader version = {"tus-version", "1.0.0"};

	gs_auth_greet(stream);
	if (gs_patch_read_protocol(fields, head) == GS_PATCH_OK)
		return true;
	gs_problem_send_with(stream, 412, "unsupported_version", "Tus-Resumable names a version other than 1.0.0", NULL, 0,
						 &version, 1);
	return false;
}

/* What the lengths say before a byte has come. */
static const GsProblem *check_lengths(const GsPut *put)
{
	int64_t length = gs_stream_content_length(put->transfer.stream);
	uint64_t end = put->head.offset + (uint64_t)length; /* both below 2^63 */

	if (put->head.has_length && put->head.length != put->offset.size)
		return &gs_put_inconsistent;
	if (length < 0)
		return NULL;
	if (end > put->offset.size && length > 0)
		return &gs_put_size_mismatch;
	return put->head.complete == GS_COMPLETE_YES && end != put->offset.size ? &gs_put_inconsistent : NULL;
}

static void patch_begin(GsStream *stream)
{
	GsStore *store = gs_stream_program(stream);
	GsPatchFields fields = read_fields(stream);
	const GsProblem *problem = NULL;
	GsPatchHead head;
	GsPatchError error;
	GsTicket ticket;
	GsPut *put;

	if (!protocol_accepted(stream, &fields, &head) || !gs_auth_check(stream, store, &ticket))
		return;
	put = gs_put_new(stream, &ticket, GS_PUT_PART);
	if (put == NULL)
		return;
	error = gs_patch_read_head(&fields, &head);
	put->head = head;
	/* Taken at its word until what is there is known: only then may it be written. */
	put->offset = gs_offset_at(put->offset.size, head.offset < put->offset.size ? head.offset : put->offset.size);
	problem = error != GS_PATCH_OK ? problem_of(error) : gs_put_read_content(put);
	if (problem == NULL)
		problem = check_lengths(put);
	if (problem != NULL)
		gs_put_answer_problem(put, problem);
	else
		gs_put_start(put);
}

static void head_begin(GsStream *stream)
{
	GsStore *store = gs_stream_program(stream);
	GsPatchFields fields = read_fields(stream);
	GsPatchHead head;
	GsTicket ticket;
	GsPut *put;

	if (!protocol_accepted(stream, &fields, &head) || !gs_auth_check(stream, store, &ticket))
		return;
	if ((ticket.methods & GS_METHOD_PATCH) == 0) {
		gs_get_begin(stream, &ticket);
		return;
	}
	put = gs_put_new(stream, &ticket, GS_PUT_ASK);
	if (put == NULL)
		return;
	put->head = head;
	gs_put_start(put);
}

static void options_begin(GsStream *stream)
{
	static const GsHeader headers[] = {{"allow", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"},
									   {"accept-patch", GS_PATCH_TYPES},
									   {"upload-limit", "max-size=" GS_SIZE_MAX_TEXT},
									   {"tus-resumable", "1.0.0"},
									   {"tus-version", "1.0.0"},
									   {"tus-extension", "checksum,expiration,termination"},
									   {"tus-checksum-algorithm", "sha1,sha256"},
									   {"tus-max-size", GS_SIZE_MAX_TEXT}};

	gs_stream_respond(stream, 204, headers, sizeof(headers) / sizeof(headers[0]), NULL, 0);
}

/* tus 1.0.0: who can send neither PATCH nor DELETE sends POST and says what it means. Nothing else is taken for another
 * method than it is. */
static void post_begin(GsStream *stream)
{
	static const GsHeader allow = {"allow", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"};
	const char *method = gs_auth_method(stream);

	gs_auth_greet(stream);
	if (strcmp(method, "PATCH") == 0)
		patch_begin(stream);
	else if (strcmp(method, "DELETE") == 0)
		gs_delete_handler.begin(stream);
	else
		gs_problem_send_with(stream, 405, "method_not_allowed",
							 "POST is for tus clients that name PATCH or DELETE in X-HTTP-Method-Override", NULL, 0,
							 &allow, 1);
}

static void post_data(GsStream *stream, const uint8_t *bytes, size_t size)
{
	if (strcmp(gs_auth_method(stream), "PATCH") == 0)
		gs_put_data(stream, bytes, size);
	else
		gs_stream_consume(stream, size);
}

static void post_end(GsStream *stream)
{
	if (strcmp(gs_auth_method(stream), "PATCH") == 0)
		gs_put_end(stream);
}

static void post_closed(GsStream *stream)
{
	if (strcmp(gs_auth_method(stream), "PATCH") == 0)
		gs_transfer_closed(stream);
	else
		gs_delete_handler.closed(stream);
}

const GsHandler gs_post_handler = {.begin = post_begin, .data = post_data, .end = post_end, .closed = post_closed};
const GsHandler gs_patch_handler = {
	.begin = patch_begin, .data = gs_put_data, .end = gs_put_end, .closed = gs_transfer_closed};
const GsHandler gs_head_handler = {.begin = head_begin, .closed = gs_transfer_closed};
const GsHandler gs_options_handler = {.begin = options_begin};
