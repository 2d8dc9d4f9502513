/* SPDX-License-Identifier: PostgreSQL */
/*
 * An upload; see put.h. Its disk work is strictly one job after the other:
 *
 *   OPENING -> RECEIVING (a write job at a time) -> COMMITTING -> WAITING (for the receipt) -> ANSWERED
 *
 * From any state before COMMITTING a problem leads over DISCARDING to the answer, so whoever reads the answer finds
 * nothing left behind. The object is claimed (active.h) while it is being changed. When it turns out to be stored
 * already, the claim is let go, the bytes are only hashed and compared, and CONFIRMING looks a last time whether the
 * object is still there. The stream may close at any time: then `stream` is NULL, and the upload ends when its job
 * returns.
 */
#include "storaged/put.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/response.h"
#include "storaged/auth.h"
#include "storaged/measure.h"
#include "storaged/upload.h"

/* Committing ---------------------------------------------------------------------------------------------------------
 */

static void commit_run(void *owner)
{
	GsPut *put = owner;

	put->result = gs_stage_commit(&put->stage, &put->stored, put->expects ? put->expected : NULL);
}

static void commit_done(void *owner)
{
	GsPut *put = owner;
	GsReceipt *receipt;

	put->running = false;
	if (put->result != GS_STAGE_OK) {
		gs_put_fail(put, gs_put_stage_problem(put));
		gs_put_fail_now(put);
		return;
	}
	gs_metric_add(&gs_metric_uploads, 1);
	gs_metric_observe(&gs_metric_commit_seconds, (double)(uv_hrtime() - put->commit_start_ns) / 1e9);
	put->staged = false;
	gs_put_unclaim(put);
	receipt = gs_receipt_add(put->store, put->server, &put->stored, true);
	gs_put_set_state(put, PUT_WAITING);
	if (receipt != NULL) {
		gs_receipt_wait(put->store, receipt, &put->wait, gs_put_receipt_done);
		if (put->stream == NULL) {
			gs_receipt_forget(put->store, &put->wait);
			gs_put_answer_stored(put, 202);
		}
		return;
	}
	/* Stored and journaled; the next start sends the receipt. */
	gs_log(GS_LOG_ERROR, NULL, "out of memory for a receipt", "object", put->ticket.object.text, NULL);
	gs_server_unstage(put->server, put->stored.size_bytes);
	gs_put_answer_stored(put, 202);
}

static void commit(GsPut *put)
{
	put->stored.server = put->ticket.server;
	put->commit_start_ns = uv_hrtime();
	gs_put_set_state(put, PUT_COMMITTING);
	gs_put_submit(put, GS_JOB_SYNC, commit_run, commit_done);
}

/* Receiving ----------------------------------------------------------------------------------------------------------
 */

static void write_run(void *owner)
{
	GsPut *put = owner;

	put->result = GS_STAGE_OK;
	for (GsBlock *block = put->writing.first; block != NULL && put->result == GS_STAGE_OK; block = block->next) {
		if (!put->comparing)
			put->result = gs_stage_write(&put->stage, block->bytes, block->used);
		else if (EVP_DigestUpdate(put->digest, block->bytes, block->used) != 1)
			put->result = GS_STAGE_FAILED;
	}
}

static void write_done(void *owner)
{
	GsPut *put = owner;
	size_t written = gs_blocks_clear(&put->writing);

	put->running = false;
	gs_offset_write(&put->offset, written);
	if (!put->comparing)
		gs_metric_add(&gs_metric_upload_bytes, (double)written);
	if (put->stream != NULL)
		gs_stream_consume(put->stream, written);
	if (put->result != GS_STAGE_OK)
		gs_put_fail(put, gs_put_stage_problem(put));
	gs_put_pump(put);
}

/* RECEIVING, nothing on the pool: what comes next? */
void gs_put_pump(GsPut *put)
{
	if (put->state != PUT_RECEIVING || put->running)
		return;
	if (put->problem != NULL) {
		gs_put_fail_now(put);
	} else if (put->filling.bytes > 0) {
		gs_blocks_move(&put->filling, &put->writing);
		gs_put_submit(put, GS_JOB_WRITE, write_run, write_done);
	} else if (put->ended && put->comparing) {
		gs_put_compare_finish(put);
	} else if (put->ended) {
		commit(put);
	}
}

/* Opening ------------------------------------------------------------------------------------------------------------
 */

static void open_run(void *owner)
{
	GsPut *put = owner;

	put->look = gs_put_look(put);
	if (put->look == LOOK_NEW && put->claimed)
		put->result = gs_stage_open(&put->stage, &put->store->disk, &put->ticket.object, put->offset.size);
}

static void open_done(void *owner)
{
	GsPut *put = owner;

	put->running = false;
	if (put->look == LOOK_NEW && put->claimed) {
		put->staged = true;
		gs_server_stage(put->server, put->offset.size);
		if (put->result != GS_STAGE_OK)
			gs_put_fail(put, gs_put_stage_problem(put));
		gs_put_set_state(put, PUT_RECEIVING);
		gs_put_pump(put);
		return;
	}
	if (put->claimed)
		put->store->used_bytes -= put->offset.size;
	if (put->look == LOOK_FAILED)
		gs_log(GS_LOG_ERROR, NULL, "cannot tell what is stored", "object", put->ticket.object.text, "error",
			   strerror(put->error), NULL);
	if (put->problem != NULL)
		gs_put_answer_problem(put, put->problem);
	else if (put->look == LOOK_STORED)
		gs_put_compare_start(put);
	else
		gs_put_answer_problem(put, put->look == LOOK_NEW ? &gs_put_busy : &gs_put_internal);
}

/* What the request's head promises about the bytes; NULL when all is well. */
static const GsProblem *read_promises(GsPut *put)
{
	static const GsProblem malformed = {400, "invalid_parameter", "Repr-Digest is malformed", NULL, 0};
	static const GsProblem partial = {400, "invalid_parameter", "a PUT carries the whole object", NULL, 0};
	const char *field = gs_stream_header(put->stream, "repr-digest");
	int64_t length = gs_stream_content_length(put->stream);
	uint8_t sha256[GS_SHA256_BYTES];

	put->expects = put->ticket.has_sha256;
	memcpy(put->expected, put->ticket.sha256, GS_SHA256_BYTES);
	put->offset.size = (uint64_t)put->ticket.size_bytes;
	if (gs_stream_header(put->stream, "content-range") != NULL)
		return &partial;
	if (length >= 0 && length != put->ticket.size_bytes)
		return &gs_put_size_mismatch;
	if (field == NULL)
		return NULL;
	switch (gs_repr_digest_parse(field, sha256)) {
	case GS_REPR_DIGEST_MALFORMED:
		return &malformed;
	case GS_REPR_DIGEST_NONE:
		return NULL;
	case GS_REPR_DIGEST_FOUND:
		break;
	}
	if (put->expects && memcmp(sha256, put->expected, GS_SHA256_BYTES) != 0)
		return &gs_put_digest_mismatch;
	put->expects = true;
	memcpy(put->expected, sha256, GS_SHA256_BYTES);
	return NULL;
}

/* NULL when the upload may start, then with its claim unless it is about a stored object. */
static const GsProblem *admit(GsPut *put)
{
	GsStore *store = put->store;
	const GsProblem *problem = read_promises(put);
	GsActive *other = gs_active_find(&store->active, &put->ticket.object);

	if (problem != NULL)
		return problem;
	put->server = gs_store_server(store, &put->ticket.server, false);
	if (put->server == NULL)
		return &gs_put_internal;
	if (other != NULL)
		return other->kind == GS_ACTIVE_RECEIPT ? NULL : &gs_put_busy;
	if (store->read_only)
		return &gs_put_read_only;
	if (put->server->receipt_count >= (size_t)store->settings->max_receipts)
		return &gs_put_behind;
	if (!gs_store_has_room(store, put->offset.size))
		return &gs_put_no_room;
	gs_put_claim(put);
	store->used_bytes += put->offset.size;
	return NULL;
}

/* The stream's callbacks ---------------------------------------------------------------------------------------------
 */

static void put_begin(GsStream *stream)
{
	GsStore *store = gs_stream_program(stream);
	const GsProblem *problem;
	GsTicket ticket;
	GsPut *put;

	if (!gs_auth_check(stream, store, &ticket))
		return;
	put = calloc(1, sizeof(*put));
	if (put == NULL || store->uploads >= (size_t)store->settings->max_uploads || !gs_store_begin(store)) {
		free(put);
		gs_problem_send(stream, gs_put_overloaded.status, gs_put_overloaded.code, gs_put_overloaded.detail, NULL,
						gs_put_overloaded.retry_after_s);
		return;
	}
	store->uploads++;
	put->store = store;
	put->stream = stream;
	put->ticket = ticket;
	put->stage.fd = -1;
	gs_stream_set_data(stream, put);
	problem = admit(put);
	if (problem != NULL)
		gs_put_answer_problem(put, problem);
	else
		gs_put_submit(put, GS_JOB_LIGHT, open_run, open_done);
}

static void put_data(GsStream *stream, const uint8_t *bytes, size_t size)
{
	GsPut *put = gs_stream_data(stream);

	if (put == NULL || put->problem != NULL || (put->state != PUT_OPENING && put->state != PUT_RECEIVING)) {
		gs_stream_consume(stream, size);
		return;
	}
	if (!gs_offset_receive(&put->offset, size)) {
		gs_stream_consume(stream, size);
		gs_put_fail(put, &gs_put_size_mismatch);
	} else {
		size_t taken = gs_blocks_append(&put->filling, (size_t)put->store->settings->io_buffer_bytes, bytes, size);

		if (taken < size) {
			gs_stream_consume(stream, size - taken);
			gs_put_fail(put, &gs_put_overloaded);
		}
	}
	gs_put_pump(put);
}

static void put_end(GsStream *stream)
{
	GsPut *put = gs_stream_data(stream);

	if (put == NULL || (put->state != PUT_OPENING && put->state != PUT_RECEIVING))
		return;
	put->ended = true;
	if (!gs_offset_full(&put->offset))
		gs_put_fail(put, &gs_put_size_mismatch);
	gs_put_pump(put);
}

static void put_closed(GsStream *stream)
{
	GsPut *put = gs_stream_data(stream);

	if (put == NULL)
		return;
	put->stream = NULL;
	if (put->state == PUT_ANSWERED) {
		gs_put_free(put);
	} else if (put->state == PUT_WAITING) {
		gs_receipt_forget(put->store, &put->wait);
		gs_put_answer_stored(put, 202);
	} else if (put->state == PUT_OPENING || put->state == PUT_RECEIVING) {
		gs_put_fail(put, &gs_put_gone);
		gs_put_pump(put);
	}
}

bool gs_put_cancel(GsActive *entry)
{
	GsPut *put = (GsPut *)((char *)entry - offsetof(GsPut, active));

	if (put->state != PUT_OPENING && put->state != PUT_RECEIVING)
		return false;
	gs_put_fail(put, &gs_put_cancelled);
	gs_put_pump(put);
	return true;
}

const GsHandler gs_put_handler = {.begin = put_begin, .data = put_data, .end = put_end, .closed = put_closed};
