/* SPDX-License-Identifier: PostgreSQL */
/*
 * The beginning of every request with an upload ticket: PUT, PATCH, and HEAD, which only asks. What is known of the
 * object decides how it goes on, in this order: somebody is at work on it (a PATCH is cut, whatever else is there makes
 * us busy); something is staged; it is stored (a look at the disk); it is new.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/log.h"
#include "daemon/response.h"
#include "storaged/digest_field.h"
#include "storaged/measure.h"
#include "storaged/upload.h"

static void put_closed(GsTransfer *transfer)
{
	GsPut *put = (GsPut *)transfer;

	switch (put->state) {
	case PUT_ANSWERED:
		gs_put_free(put);
		break;
	case PUT_QUEUED:
		gs_part_leave_queue(put);
		gs_put_answer_problem(put, &gs_put_gone);
		break;
	case PUT_WAITING:
		gs_receipt_forget(put->store, &put->wait);
		gs_put_answer_stored(put, 202);
		break;
	case PUT_OPENING:
	case PUT_HASHING:
	case PUT_RECEIVING:
		gs_put_fail(put, &gs_put_gone);
		gs_put_pump(put);
		break;
	default: /* its job ends it */
		break;
	}
}

GsPut *gs_put_new(GsStream *stream, const GsTicket *ticket, GsPutKind kind)
{
	GsStore *store = gs_stream_program(stream);
	bool counted = kind != GS_PUT_ASK;
	GsPut *put = calloc(1, sizeof(*put));
	GsStaged *place = kind == GS_PUT_PART ? calloc(1, sizeof(*place)) : NULL;

	bool memory = put != NULL && (kind != GS_PUT_PART || place != NULL);

	if (!memory || (counted && store->uploads >= (size_t)store->settings->max_uploads) || !gs_store_begin(store)) {
		const GsProblem *problem = memory ? &gs_put_overloaded : &gs_put_no_memory;

		free(put);
		free(place);
		gs_problem_send(stream, problem->status, problem->code, problem->detail, NULL, problem->retry_after_s);
		return NULL;
	}
	put->counted = counted;
	store->uploads += counted ? 1 : 0;
	put->store = store;
	put->kind = kind;
	put->place = place;
	put->stage.fd = -1;
	put->offset.size = (uint64_t)ticket->size_bytes;
	put->expects = ticket->has_sha256;
	memcpy(put->expected, ticket->sha256, GS_SHA256_BYTES);
	gs_transfer_open(store, &put->transfer, stream, ticket, put_closed, gs_put_paid);
	return put;
}

static const GsProblem *read_digest(GsPut *put, const char *name)
{
	static const GsProblem malformed = {400, "invalid_parameter", "Repr-Digest or Content-Digest is malformed", NULL,
										0};
	uint8_t sha256[GS_SHA256_BYTES];

	switch (gs_digest_field_parse(gs_stream_header_joined(put->transfer.stream, name), sha256)) {
	case GS_DIGEST_FIELD_MALFORMED:
		return &malformed;
	case GS_DIGEST_FIELD_NONE:
		return NULL;
	case GS_DIGEST_FIELD_FOUND:
		break;
	}
	if (put->expects && memcmp(sha256, put->expected, GS_SHA256_BYTES) != 0)
		return &gs_put_digest_mismatch;
	put->expects = true;
	memcpy(put->expected, sha256, GS_SHA256_BYTES);
	return NULL;
}

/* The content of a PUT is the representation; that of a part is patch_head.c's business. */
const GsProblem *gs_put_read_content(GsPut *put)
{
	const char *encoding = gs_stream_header_joined(put->transfer.stream, "content-encoding");
	const GsProblem *problem = read_digest(put, "repr-digest");

	if (encoding != NULL && strcasecmp(encoding, "identity") != 0)
		return &gs_put_encoded;
	return problem == NULL && put->kind == GS_PUT_WHOLE ? read_digest(put, "content-digest") : problem;
}

/* Opening ------------------------------------------------------------------------------------------------------------
 */

static void open_run(void *owner)
{
	GsPut *put = owner;
	const GsTicket *ticket = &put->transfer.ticket;

	put->look = gs_put_look(put);
	/* A PUT has taken over what was staged, of which memory knows no more: nothing of it may stay uncounted. */
	if (put->look == LOOK_FAILED && put->claimed &&
		(gs_progress_remove(&put->store->disk, &ticket->object, true) != 0 ||
		 gs_disk_unlink(put->store->disk.staging, ticket->object.text) != 0))
		put->error = EIO;
	if (put->look != LOOK_NEW || !put->claimed)
		return;
	if (put->kind == GS_PUT_PART)
		put->result = gs_stage_open_resumable(&put->stage, &put->store->disk, &ticket->object, &ticket->server,
											  put->offset.size, ticket->until_s);
	else
		put->result = gs_stage_open(&put->stage, &put->store->disk, &ticket->object, put->offset.size);
}

static void opened_new(GsPut *put)
{
	put->staged = true;
	gs_server_stage(put->server, put->offset.size);
	if (put->result != GS_STAGE_OK)
		gs_put_fail(put, gs_put_stage_problem(put));
	else if (!gs_put_conditions_hold(put))
		gs_put_fail(put, &gs_put_precondition);
	else if (put->kind == GS_PUT_PART && put->problem == NULL)
		gs_part_begin(put);
	gs_put_set_state(put, PUT_RECEIVING);
	gs_put_pump(put);
}

static bool belongs_to(const GsPut *put, const GsUuid *server)
{
	return gs_uuid_equal(server, &put->transfer.ticket.server);
}

/* It was not claimed: PATCH or HEAD of what is stored, or of nothing. */
static void answer_look(GsPut *put)
{
	if (put->look == LOOK_STORED && !belongs_to(put, &put->stored.server)) {
		gs_put_answer_problem(put, &gs_put_different);
	} else if (put->kind == GS_PUT_ASK) {
		gs_put_answer_offset(put, put->look == LOOK_STORED ? put->stored.size_bytes : 0, 0);
	} else if (put->kind == GS_PUT_PART && put->head.offset > 0) {
		put->offset = gs_offset_at(put->offset.size, 0);
		gs_put_answer_problem(put, &gs_put_mismatch);
	} else {
		gs_put_answer_problem(put, &gs_put_busy);
	}
}

static void open_done(void *owner)
{
	GsPut *put = owner;

	put->running = false;
	if (put->look == LOOK_NEW && put->claimed) {
		opened_new(put);
		return;
	}
	if (put->claimed)
		put->store->used_bytes -= put->offset.size;
	if (put->look == LOOK_FAILED)
		gs_put_fail(put, gs_put_look_problem(put));
	if (put->problem != NULL)
		gs_put_answer_problem(put, put->problem);
	else if (put->look == LOOK_STORED && put->kind != GS_PUT_ASK)
		gs_put_compare_start(put);
	else
		answer_look(put);
}

static void open_object(GsPut *put)
{
	gs_put_set_state(put, PUT_OPENING);
	gs_put_submit(put, GS_JOB_LIGHT, open_run, open_done);
}

/* Admission ----------------------------------------------------------------------------------------------------------
 */

static const GsProblem *check_load(const GsPut *put)
{
	if (put->store->read_only)
		return &gs_put_read_only;
	if (put->server->receipt_count >= (size_t)put->store->settings->max_receipts)
		return &gs_put_behind;
	return NULL;
}

static void start_new(GsPut *put)
{
	GsStore *store = put->store;
	const GsProblem *problem = check_load(put);

	if (problem == NULL && put->kind == GS_PUT_PART && store->staged_count >= (size_t)store->settings->max_staged)
		problem = &gs_put_overloaded;
	if (problem == NULL && !gs_store_has_room(store, put->offset.size))
		problem = &gs_put_no_room;
	if (problem != NULL) {
		gs_put_answer_problem(put, problem);
		return;
	}
	gs_put_claim(put);
	store->used_bytes += put->offset.size;
	open_object(put);
}

/* Somebody has begun to upload it, and nobody is at it. */
static void start_staged(GsPut *put, GsStaged *staged)
{
	const GsProblem *problem = check_load(put);

	if (!belongs_to(put, &staged->stage.server) || staged->stage.size_bytes != put->offset.size) {
		gs_put_answer_problem(put, &gs_put_different);
	} else if (put->kind == GS_PUT_ASK) {
		gs_put_answer_offset(put, staged->stage.written_bytes, staged->stage.until_s);
	} else if (problem != NULL) {
		gs_put_answer_problem(put, problem);
	} else if (!gs_put_conditions_hold(put)) {
		gs_put_answer_problem(put, &gs_put_precondition);
	} else if (put->kind == GS_PUT_WHOLE) {
		/* It starts over: opening the stage anew drops what is on disk. */
		gs_staged_take(staged);
		gs_staged_drop(put->store, staged);
		start_new(put);
	} else if (staged->stage.written_bytes != put->head.offset) {
		put->offset = gs_offset_at(put->offset.size, staged->stage.written_bytes);
		gs_put_answer_problem(put, &gs_put_mismatch);
	} else {
		gs_part_resume(put, staged);
	}
}

void gs_put_start(GsPut *put)
{
	GsStore *store = put->store;
	const GsUuid *object = &put->transfer.ticket.object;
	GsActive *other = gs_active_find(&store->active, object);
	GsStaged *staged = gs_staged_find(store, object);

	put->server = gs_store_server(store, &put->transfer.ticket.server, false);
	if (put->server == NULL)
		gs_put_answer_problem(put, &gs_put_internal);
	else if (other != NULL && other->kind == GS_ACTIVE_RECEIPT)
		open_object(put);
	else if (other != NULL && other->kind == GS_ACTIVE_UPLOAD && gs_part_cut(other, put))
		return; /* started again when that one is through */
	else if (other != NULL)
		gs_put_answer_problem(put, &gs_put_busy);
	else if (staged != NULL)
		start_staged(put, staged);
	else if (put->kind == GS_PUT_ASK || (put->kind == GS_PUT_PART && put->head.offset > 0))
		open_object(put);
	else
		start_new(put);
}
