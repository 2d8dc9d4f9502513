/* SPDX-License-Identifier: PostgreSQL */
/* How an upload ends: the moves of its state, its problems, and its one answer; see upload.h. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/response.h"
#include "storaged/control.h"
#include "storaged/upload.h"

const GsProblem gs_put_size_mismatch = {400, "size_mismatch", "the body is not as long as the notice said", NULL, 0};
const GsProblem gs_put_digest_mismatch = {422, "digest_mismatch", "the bytes are not the announced ones",
										  "send the file again; if it has changed, send a new notice", 0};
const GsProblem gs_put_busy = {409, "busy", "another request is changing this object", "try again when it is through",
							   1};
const GsProblem gs_put_different = {409, "different", "another object is already stored under this id", NULL, 0};
const GsProblem gs_put_unwanted = {410, "unwanted", "the control server no longer wants this object",
								   "send the notice again", 0};
const GsProblem gs_put_cancelled = {410, "unwanted", "the upload was cancelled", NULL, 0};
const GsProblem gs_put_no_room = {507, "no_room", "this device has no room for it",
								  "send the notice again with this device in `avoid`", 30};
const GsProblem gs_put_read_only = {507, "no_room", "this device takes no uploads at present",
									"send the notice again with this device in `avoid`", 30};
const GsProblem gs_put_overloaded = {503, "try_again", "too many transfers", NULL, 2};
const GsProblem gs_put_behind = {503, "unavailable", "too many objects wait for the control server", NULL, 10};
const GsProblem gs_put_no_memory = {503, "unavailable", "out of memory", NULL, 2};
const GsProblem gs_put_internal = {500, "internal", "the object could not be stored", NULL, 0};
const GsProblem gs_put_mismatch = {409, "mismatching_upload_offset", "the upload has come to another offset", NULL, 0};
const GsProblem gs_put_inconsistent = {
	400, "inconsistent_upload_length",
	"the part is not the end of the object that it says to be, or Upload-Length is another length", NULL, 0};
const GsProblem gs_put_checksum = {460, "checksum_mismatch", "the part is not what its checksum says",
								   "send it again; nothing of it was kept", 0};
const GsProblem gs_put_content_digest = {400, "checksum_mismatch", "the part is not what its Content-Digest says",
										 "send it again; nothing of it was kept", 0};
const GsProblem gs_put_encoded = {415, "unsupported_media_type", "the bytes are kept as they come: no Content-Encoding",
								  NULL, 0};
const GsProblem gs_put_precondition = {412, "precondition_failed",
									   "what is stored is not what If-Match or If-None-Match says", NULL, 0};
/* Never sent: */
const GsProblem gs_put_gone = {499, "", "the sender is gone", NULL, 0};
const GsProblem gs_put_cut = {499, "", "a newer request goes on with the upload", NULL, 0};

const GsHeader gs_put_identity = {"accept-encoding", "identity"};

void gs_put_set_state(GsPut *put, GsPutState state)
{
	static const bool legal[PUT_STATES][PUT_STATES] = {
		[PUT_QUEUED] = {[PUT_OPENING] = true, [PUT_ANSWERED] = true},
		[PUT_OPENING] = {[PUT_RECEIVING] = true,
						 [PUT_HASHING] = true,
						 [PUT_DISCARDING] = true,
						 [PUT_CONFIRMING] = true,
						 [PUT_WAITING] = true,
						 [PUT_ANSWERED] = true},
		[PUT_HASHING] = {[PUT_RECEIVING] = true, [PUT_PAUSING] = true, [PUT_DISCARDING] = true},
		[PUT_RECEIVING] = {[PUT_COMMITTING] = true,
						   [PUT_CONFIRMING] = true,
						   [PUT_WAITING] = true,
						   [PUT_PAUSING] = true,
						   [PUT_DISCARDING] = true,
						   [PUT_ANSWERED] = true},
		[PUT_COMMITTING] = {[PUT_WAITING] = true, [PUT_DISCARDING] = true},
		[PUT_CONFIRMING] = {[PUT_ANSWERED] = true},
		[PUT_WAITING] = {[PUT_ANSWERED] = true},
		[PUT_PAUSING] = {[PUT_DISCARDING] = true, [PUT_ANSWERED] = true},
		[PUT_DISCARDING] = {[PUT_ANSWERED] = true},
	};

	assert(legal[put->state][state]);
	put->state = state;
}

void gs_put_submit(GsPut *put, GsJobKind kind, void (*run)(void *), void (*done)(void *))
{
	assert(!put->running);
	put->running = true;
	gs_job_submit(&put->job, put->store, kind, put, run, done);
}

void gs_put_claim(GsPut *put)
{
	gs_active_add(&put->store->active, &put->active, &put->transfer.ticket.object, GS_ACTIVE_UPLOAD);
	put->claimed = true;
}

void gs_put_unclaim(GsPut *put)
{
	GsPut *successor = put->successor;

	if (!put->claimed)
		return;
	gs_active_remove(&put->store->active, &put->active);
	put->claimed = false;
	if (successor == NULL)
		return;
	gs_part_leave_queue(successor);
	gs_put_start(successor);
}

/* Answers and the end ------------------------------------------------------------------------------------------------
 */

void gs_put_free(GsPut *put)
{
	assert(!put->running && !put->claimed && !put->staged && put->wait.receipt == NULL);
	gs_blocks_clear(&put->filling);
	gs_blocks_clear(&put->writing);
	gs_blocks_clear(&put->spare);
	EVP_MD_CTX_free(put->digest);
	EVP_MD_CTX_free(put->sum);
	free(put->place);
	free(put->receipt);
	put->store->uploads -= put->counted ? 1 : 0;
	gs_store_end(put->store);
	free(put);
}

/* Other notices are not to be sent here, too. */
static void tell_no_room(const GsStore *store)
{
	for (size_t i = 0; i < store->server_count; i++)
		if (store->servers[i].control != NULL)
			gs_control_no_room(store->servers[i].control);
}

/* The last step of every upload; `put` is gone after it when the stream is. */
void gs_put_answer_problem(GsPut *put, const GsProblem *problem)
{
	gs_put_unclaim(put);
	if (problem == &gs_put_no_room || problem == &gs_put_read_only)
		tell_no_room(put->store);
	gs_put_set_state(put, PUT_ANSWERED);
	if (put->transfer.stream == NULL)
		gs_put_free(put);
	else if (problem == &gs_put_cut)
		gs_stream_reset(put->transfer.stream);
	else if (put->kind != GS_PUT_WHOLE)
		gs_patch_send_problem(put, problem);
	else
		gs_problem_send_with(put->transfer.stream, problem->status, problem->code, problem->detail, problem->hint,
							 problem->retry_after_s, &gs_put_identity, problem == &gs_put_encoded ? 1 : 0);
}

void gs_put_answer_stored(GsPut *put, int status)
{
	char sha256[GS_SHA256_HEX + 1];
	json_t *body;

	gs_put_set_state(put, PUT_ANSWERED);
	if (put->transfer.stream == NULL) {
		gs_put_free(put);
		return;
	}
	gs_hex_encode(put->stored.sha256, GS_SHA256_BYTES, sha256);
	body = json_pack("{s:s, s:I, s:s, s:s}", "object", put->transfer.ticket.object.text, "size",
					 (json_int_t)put->stored.size_bytes, "sha256", sha256, "state",
					 status == 201 ? "stored" : "receipt_pending");
	if (put->kind == GS_PUT_WHOLE)
		gs_json_send_value(put->transfer.stream, status, body, false);
	else
		gs_patch_send_stored(put, status, body);
}

void gs_put_answer_offset(GsPut *put, uint64_t offset, int64_t until_s)
{
	gs_put_unclaim(put);
	gs_put_set_state(put, PUT_ANSWERED);
	if (put->transfer.stream == NULL)
		gs_put_free(put);
	else
		gs_patch_send_offset(put, offset, until_s);
}

void gs_put_receipt_done(GsReceiptWait *wait, GsReceiptOutcome outcome)
{
	GsPut *put = (GsPut *)((char *)wait - offsetof(GsPut, wait));

	switch (outcome) {
	case GS_RECEIPT_STORED:
		gs_put_answer_stored(put, 201);
		break;
	case GS_RECEIPT_LATE:
		gs_put_answer_stored(put, 202);
		break;
	case GS_RECEIPT_UNWANTED:
		gs_put_answer_problem(put, &gs_put_unwanted);
		break;
	case GS_RECEIPT_MISMATCH:
		gs_put_answer_problem(put, &gs_put_digest_mismatch);
		break;
	}
}

/* Failing ------------------------------------------------------------------------------------------------------------
 */

/* Takes note of a problem; what follows from it is pump's business. Bytes not yet written go back to the window. */
void gs_put_fail(GsPut *put, const GsProblem *problem)
{
	size_t dropped = gs_blocks_clear(&put->filling);

	if (put->problem == NULL)
		put->problem = problem;
	if (dropped > 0 && put->transfer.stream != NULL)
		gs_stream_consume(put->transfer.stream, dropped);
}

static void discard_run(void *owner)
{
	GsPut *put = owner;

	put->error = gs_stage_discard(&put->stage) ? 0 : put->stage.error;
}

static void discard_done(void *owner)
{
	GsPut *put = owner;

	put->running = false;
	if (put->error != 0)
		gs_store_set_read_only(put->store, put->transfer.ticket.object.text, put->error);
	put->store->used_bytes -= put->offset.size;
	gs_put_answer_problem(put, put->problem);
}

void gs_put_fail_now(GsPut *put)
{
	if (!put->staged) {
		gs_put_answer_problem(put, put->problem);
		return;
	}
	if (put->state != PUT_PAUSING && gs_part_survives(put, put->problem)) {
		gs_part_pause(put);
		return;
	}
	put->staged = false;
	gs_server_unstage(put->server, put->offset.size);
	gs_put_set_state(put, PUT_DISCARDING);
	gs_put_submit(put, GS_JOB_LIGHT, discard_run, discard_done);
}

const GsProblem *gs_put_stage_problem(GsPut *put)
{
	switch (put->result) {
	case GS_STAGE_OK:
		return NULL;
	case GS_STAGE_NO_ROOM:
		return &gs_put_no_room;
	case GS_STAGE_DIGEST:
		return &gs_put_digest_mismatch;
	case GS_STAGE_UNSYNCED:
		gs_store_set_read_only(put->store, put->transfer.ticket.object.text, put->stage.error);
		break;
	case GS_STAGE_FAILED:
		gs_log(GS_LOG_ERROR, NULL, "an upload failed", "object", put->transfer.ticket.object.text, "error",
			   strerror(put->stage.error), NULL);
		if (put->stage.error == ENOMEM)
			return &gs_put_no_memory;
		if (put->stage.error == EROFS) { /* by the kernel's decision, and no report has found it yet */
			gs_store_set_read_only(put->store, put->transfer.ticket.object.text, EROFS);
			return &gs_put_read_only;
		}
		break;
	}
	return &gs_put_internal;
}
