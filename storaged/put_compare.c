/* SPDX-License-Identifier: PostgreSQL */
/*
 * A PUT of an object that is stored already: identical bytes are a success, others a conflict; nothing is written. A
 * PATCH that has no bytes left to send is one whose answer was lost: it succeeds. It
 * has no claim while the bytes come, so the object may go meanwhile: CONFIRMING looks again, under a claim, before the
 * answer.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "storaged/condition.h"
#include "storaged/journal.h"
#include "storaged/upload.h"

/* The object is stored already ----------------------------------------------------------------------------------------
 */

/* Pool: what is stored, and is it whole? A sidecar without its data counts as not stored. */
GsPutLook gs_put_look(GsPut *put)
{
	const GsDisk *disk = &put->store->disk;
	int error = gs_journal_read(disk, &put->transfer.ticket.object, &put->stored), fd;
	struct stat status;

	if (error == -ENOENT)
		return LOOK_NEW;
	if (error != 0) {
		put->error = -error;
		return LOOK_FAILED;
	}
	fd = gs_disk_open_object(disk, &put->transfer.ticket.object);
	put->error = fd < 0 ? -fd : 0;
	if (fd < 0)
		return fd == -ENOENT ? LOOK_NEW : LOOK_FAILED;
	if (fstat(fd, &status) != 0)
		put->error = errno;
	close(fd);
	if (put->error != 0) /* not taken for missing: what it is would be overwritten */
		return LOOK_FAILED;
	return (uint64_t)status.st_size == put->stored.size_bytes ? LOOK_STORED : LOOK_NEW;
}

const GsProblem *gs_put_look_problem(const GsPut *put)
{
	gs_log(GS_LOG_ERROR, NULL, "cannot tell what is stored", "object", put->transfer.ticket.object.text, "error",
		   strerror(put->error), NULL);
	return put->error == ENOMEM ? &gs_put_no_memory : &gs_put_internal;
}

static void confirm_run(void *owner)
{
	GsPut *put = owner;

	put->look = gs_put_look(put);
}

static void confirm_done(void *owner)
{
	GsPut *put = owner;

	put->running = false;
	gs_put_unclaim(put);
	if (put->look == LOOK_STORED)
		gs_put_answer_stored(put, 201);
	else if (put->look == LOOK_FAILED)
		gs_put_answer_problem(put, gs_put_look_problem(put));
	else
		gs_put_answer_problem(put, &gs_put_unwanted);
}

/* The bytes are the stored ones: wait for the receipt with whoever stored them, or make sure that they are still there.
 */
static void identical(GsPut *put)
{
	GsActive *other = gs_active_find(&put->store->active, &put->transfer.ticket.object);

	if (other != NULL && other->kind == GS_ACTIVE_RECEIPT) {
		GsReceipt *receipt = (GsReceipt *)((char *)other - offsetof(GsReceipt, active));

		gs_put_set_state(put, PUT_WAITING);
		gs_receipt_wait(put->store, receipt, &put->wait, gs_put_receipt_done);
	} else if (other != NULL) {
		gs_put_answer_problem(put, &gs_put_busy);
	} else {
		gs_put_claim(put);
		gs_put_set_state(put, PUT_CONFIRMING);
		gs_put_submit(put, GS_JOB_LIGHT, confirm_run, confirm_done);
	}
}

void gs_put_compare_finish(GsPut *put)
{
	uint8_t sha256[GS_SHA256_BYTES];
	unsigned size;

	if (put->kind == GS_PUT_PART) /* no byte of it was sent again */
		identical(put);
	else if (EVP_DigestFinal_ex(put->digest, sha256, &size) != 1)
		gs_put_answer_problem(put, &gs_put_no_memory);
	else if (memcmp(sha256, put->stored.sha256, sizeof(sha256)) != 0)
		gs_put_answer_problem(put, &gs_put_different);
	else
		identical(put);
}

bool gs_put_conditions_hold(const GsPut *put)
{
	GsStream *stream = put->transfer.stream;
	char etag[GS_SHA256_HEX + 3] = "\"";
	const char *if_match;

	if (stream == NULL || put->kind != GS_PUT_WHOLE)
		return true;
	if_match = gs_stream_header_joined(stream, "if-match");
	if (put->look != LOOK_STORED)
		return if_match == NULL;
	gs_hex_encode(put->stored.sha256, GS_SHA256_BYTES, etag + 1);
	strcat(etag, "\"");
	return gs_condition_evaluate(if_match, gs_stream_header_joined(stream, "if-none-match"), etag) ==
		   GS_CONDITION_PROCEED;
}

/* Decides by what is known without the bytes, else has them hashed. */
void gs_put_compare_start(GsPut *put)
{
	gs_put_unclaim(put);
	if (!gs_uuid_equal(&put->stored.server, &put->transfer.ticket.server) ||
		put->stored.size_bytes != put->offset.size ||
		(put->expects && memcmp(put->expected, put->stored.sha256, GS_SHA256_BYTES) != 0)) {
		gs_put_answer_problem(put, &gs_put_different);
		return;
	}
	if (!gs_put_conditions_hold(put)) {
		gs_put_answer_problem(put, &gs_put_precondition);
		return;
	}
	put->comparing = true;
	if (put->kind == GS_PUT_PART && put->head.offset != put->offset.size) {
		put->offset = gs_offset_at(put->offset.size, put->offset.size);
		gs_put_answer_problem(put, &gs_put_mismatch);
		return;
	}
	put->digest = EVP_MD_CTX_new();
	if (put->digest == NULL || EVP_DigestInit_ex(put->digest, EVP_sha256(), NULL) != 1) {
		gs_put_answer_problem(put, &gs_put_no_memory);
		return;
	}
	gs_put_set_state(put, PUT_RECEIVING);
	gs_put_pump(put);
}
