/* SPDX-License-Identifier: PostgreSQL */
/*
 * An upload; see put.h. Its disk work is strictly one job after the other:
 *
 *   OPENING -> RECEIVING (a write job at a time) -> COMMITTING -> WAITING (for the receipt) -> ANSWERED
 *
 * From any state before COMMITTING a problem leads over DISCARDING to the answer, so whoever reads the answer finds
 * nothing left behind; or, for an upload in parts, over PAUSING (put_part.c). The object is claimed (active.h) while it
 * is being changed. When it turns out to be stored already, the claim is let go, the bytes are only hashed and
 * compared, and CONFIRMING looks a last time whether the object is still there. The stream may close at any time: then
 * `stream` is NULL, and the upload ends when its job returns.
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
	const GsTicket *ticket = &put->transfer.ticket;
	GsOrigin origin = {.terminal = ticket->terminal};

	strcpy(origin.name, ticket->name);
	put->result = gs_stage_commit(&put->stage, &put->stored, &origin, put->expects ? put->expected : NULL);
}

static void commit_done(void *owner)
{
	GsPut *put = owner;
	GsReceipt *receipt = put->receipt;

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
	put->receipt = NULL;
	gs_receipt_add(put->store, put->server, receipt, &put->stored, true);
	gs_put_set_state(put, PUT_WAITING);
	gs_receipt_wait(put->store, receipt, &put->wait, gs_put_receipt_done);
	if (put->transfer.stream == NULL) {
		gs_receipt_forget(put->store, &put->wait);
		gs_put_answer_stored(put, 202);
	}
}

static void commit(GsPut *put)
{
	put->receipt = gs_receipt_new();
	if (put->receipt == NULL) {
		gs_put_fail(put, &gs_put_no_memory);
		gs_put_fail_now(put);
		return;
	}
	put->whole = true;
	put->stored.server = put->transfer.ticket.server;
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
		if (put->sum != NULL && EVP_DigestUpdate(put->sum, block->bytes, block->used) != 1)
			put->result = GS_STAGE_FAILED;
		if (put->result != GS_STAGE_OK)
			break;
		if (!put->comparing)
			put->result = gs_stage_write(&put->stage, block->bytes, block->used);
		else if (EVP_DigestUpdate(put->digest, block->bytes, block->used) != 1)
			put->result = GS_STAGE_FAILED;
	}
}

/* The sender's window opens at the pace of its plan; without one, at that of the disk. */
static void pay(GsPut *put)
{
	GsTransfer *transfer = &put->transfer;
	uint64_t room;

	while (transfer->stream != NULL && transfer->owed > 0 && (room = gs_pace_room(&transfer->paced)) > 0) {
		size_t paid = room < transfer->owed ? (size_t)room : (size_t)transfer->owed;

		transfer->owed -= paid;
		gs_pace_spend(&transfer->paced, paid);
		gs_stream_consume(transfer->stream, paid);
	}
}

void gs_put_paid(GsPaced *paced)
{
	GsPut *put = (GsPut *)((char *)paced - offsetof(GsPut, transfer) - offsetof(GsTransfer, paced));

	pay(put);
	gs_put_pump(put);
}

static void write_done(void *owner)
{
	GsPut *put = owner;
	size_t written = gs_blocks_recycle(&put->writing, &put->spare);

	put->running = false;
	gs_offset_write(&put->offset, written);
	if (!put->comparing)
		gs_metric_add(&gs_metric_upload_bytes, (double)written);
	if (put->transfer.stream != NULL)
		put->transfer.owed += written;
	pay(put);
	if (put->result != GS_STAGE_OK)
		gs_put_fail(put, gs_put_stage_problem(put));
	gs_put_pump(put);
}

void gs_put_pump(GsPut *put)
{
	if ((put->state != PUT_RECEIVING && put->state != PUT_HASHING) || put->running)
		return;
	if (put->problem != NULL) {
		gs_put_fail_now(put);
	} else if (put->state == PUT_HASHING) {
		gs_part_hash(put);
	} else if (gs_stage_record_due(&put->stage)) {
		gs_part_record(put);
	} else if (put->filling.bytes > 0) {
		gs_blocks_move(&put->filling, &put->writing);
		gs_put_submit(put, GS_JOB_WRITE, write_run, write_done);
	} else if (put->transfer.owed > 0) {
		return; /* gs_put_paid follows */
	} else if (put->ended && put->comparing) {
		put->whole = true;
		gs_put_compare_finish(put);
	} else if (put->ended && (put->kind == GS_PUT_WHOLE || gs_part_finish(put))) {
		commit(put);
	}
}

/* The stream's callbacks ---------------------------------------------------------------------------------------------
 */

static void put_begin(GsStream *stream)
{
	static const GsProblem partial = {400, "invalid_parameter", "a PUT carries the whole object", NULL, 0};
	GsStore *store = gs_stream_program(stream);
	int64_t length = gs_stream_content_length(stream);
	const GsProblem *problem;
	GsTicket ticket;
	GsPut *put;

	if (!gs_auth_check(stream, store, &ticket))
		return;
	put = gs_put_new(stream, &ticket, GS_PUT_WHOLE);
	if (put == NULL)
		return;
	if (gs_stream_header(stream, "content-range") != NULL)
		problem = &partial;
	else if (length >= 0 && length != ticket.size_bytes)
		problem = &gs_put_size_mismatch;
	else
		problem = gs_put_read_content(put);
	if (problem != NULL)
		gs_put_answer_problem(put, problem);
	else
		gs_put_start(put);
}

/* Bytes may come that early: they wait in `filling`. */
static bool may_come(const GsPut *put)
{
	return put->state == PUT_QUEUED || put->state == PUT_OPENING || put->state == PUT_HASHING ||
		   put->state == PUT_RECEIVING;
}

void gs_put_data(GsStream *stream, const uint8_t *bytes, size_t size)
{
	GsPut *put = gs_stream_data(stream);

	if (put == NULL || put->problem != NULL || !may_come(put)) {
		gs_stream_consume(stream, size);
		return;
	}
	if (!gs_offset_receive(&put->offset, size)) {
		gs_stream_consume(stream, size);
		gs_put_fail(put, &gs_put_size_mismatch);
	} else {
		uint64_t block = (uint64_t)put->store->settings->io_buffer_bytes;
		size_t taken;

		if (block > put->offset.size)
			block = put->offset.size;
		taken = gs_blocks_append(&put->filling, &put->spare, (size_t)block, put->offset.received - size, bytes, size);

		if (taken < size) {
			gs_stream_consume(stream, size - taken);
			gs_put_fail(put, &gs_put_no_memory);
		}
	}
	gs_put_pump(put);
}

void gs_put_end(GsStream *stream)
{
	GsPut *put = gs_stream_data(stream);

	if (put == NULL || !may_come(put))
		return;
	put->ended = true;
	if (!gs_offset_full(&put->offset) && put->kind == GS_PUT_WHOLE)
		gs_put_fail(put, &gs_put_size_mismatch);
	else if (!gs_offset_full(&put->offset) && put->head.complete == GS_COMPLETE_YES)
		gs_put_fail(put, &gs_put_inconsistent);
	gs_put_pump(put);
}

bool gs_put_cancel(GsActive *entry, const GsUuid *server)
{
	GsPut *put = (GsPut *)((char *)entry - offsetof(GsPut, active));

	if (!gs_uuid_equal(&put->transfer.ticket.server, server) ||
		(put->state != PUT_OPENING && put->state != PUT_HASHING && put->state != PUT_RECEIVING))
		return false;
	gs_put_fail(put, &gs_put_cancelled);
	gs_put_pump(put);
	return true;
}

const GsHandler gs_put_handler = {
	.begin = put_begin, .data = gs_put_data, .end = gs_put_end, .closed = gs_transfer_closed};
