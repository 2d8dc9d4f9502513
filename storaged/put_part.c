/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is particular to an upload that comes in parts: its stage goes from part to part by way of the table of
 * unfinished uploads (staged.h). A body with a checksum counts only when it is complete and right; any other counts as
 * far as it came. A newer request for the object cuts the part that runs, and starts when that one's pool work has
 * returned and the offset is recorded: two never write at a time, and the offset that the newer one meets is final.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "storaged/upload.h"

/* Going on ------------------------------------------------------------------------------------------------------------
 */

static void go_on(GsPut *put)
{
	if (put->result != GS_STAGE_OK)
		gs_put_fail(put, gs_put_stage_problem(put));
	if (put->problem == NULL && put->stage.hashed_bytes == put->stage.written_bytes) {
		gs_part_begin(put);
		gs_put_set_state(put, PUT_RECEIVING);
	}
	gs_put_pump(put);
}

static void hash_run(void *owner)
{
	GsPut *put = owner;

	put->result = gs_stage_catch_up(&put->stage);
}

static void step_done(void *owner)
{
	GsPut *put = owner;

	put->running = false;
	go_on(put);
}

void gs_part_hash(GsPut *put)
{
	gs_put_submit(put, GS_JOB_WRITE, hash_run, step_done);
}

static void resume_run(void *owner)
{
	GsPut *put = owner;

	put->result = gs_stage_resume(&put->stage, put->transfer.ticket.until_s);
}

static void resume_done(void *owner)
{
	GsPut *put = owner;

	put->running = false;
	gs_put_set_state(put, PUT_HASHING);
	go_on(put);
}

void gs_part_resume(GsPut *put, GsStaged *staged)
{
	gs_staged_take(staged);
	free(put->place);
	put->place = staged;
	put->stage = staged->stage;
	put->staged = true;
	gs_put_claim(put);
	gs_put_set_state(put, PUT_OPENING);
	gs_put_submit(put, GS_JOB_LIGHT, resume_run, resume_done);
}

void gs_part_begin(GsPut *put)
{
	if (put->head.checksum == NULL)
		return;
	put->sum = EVP_MD_CTX_new();
	if (put->sum == NULL || EVP_DigestInit_ex(put->sum, put->head.checksum, NULL) != 1 ||
		gs_stage_mark(&put->stage) != GS_STAGE_OK)
		gs_put_fail(put, &gs_put_no_memory);
}

/* Recording -----------------------------------------------------------------------------------------------------------
 */

static void record_run(void *owner)
{
	GsPut *put = owner;

	put->result = gs_stage_record(&put->stage);
}

static void record_done(void *owner)
{
	GsPut *put = owner;

	put->running = false;
	if (put->result != GS_STAGE_OK)
		gs_put_fail(put, gs_put_stage_problem(put));
	gs_put_pump(put);
}

void gs_part_record(GsPut *put)
{
	gs_put_submit(put, GS_JOB_SYNC, record_run, record_done);
}

/* Pausing -------------------------------------------------------------------------------------------------------------
 */

static void pause_run(void *owner)
{
	GsPut *put = owner;

	put->result = gs_stage_pause(&put->stage);
}

static void pause_done(void *owner)
{
	GsPut *put = owner;
	GsStaged *staged = put->place;
	uint64_t offset = put->stage.written_bytes;
	int64_t until_s = put->stage.until_s;

	put->running = false;
	if (put->result != GS_STAGE_OK) {
		put->problem = gs_put_stage_problem(put);
		gs_put_fail_now(put);
		return;
	}
	put->offset = gs_offset_at(put->offset.size, offset);
	staged->server = put->server;
	staged->stage = put->stage;
	put->stage = (GsStage){.fd = -1};
	put->staged = false;
	put->place = NULL;
	gs_staged_add(put->store, staged);
	if (put->problem != NULL)
		gs_put_answer_problem(put, put->problem);
	else
		gs_put_answer_offset(put, offset, until_s);
}

void gs_part_pause(GsPut *put)
{
	gs_put_set_state(put, PUT_PAUSING);
	gs_put_submit(put, GS_JOB_SYNC, pause_run, pause_done);
}

bool gs_part_survives(const GsPut *put, const GsProblem *problem)
{
	const GsProblem *const harmless[] = {&gs_put_gone,         &gs_put_cut,      &gs_put_size_mismatch,
										 &gs_put_inconsistent, &gs_put_checksum, &gs_put_content_digest,
										 &gs_put_no_memory};

	/* After a failed job nothing of the stage can be relied on, whatever else had come up before. */
	if (put->kind != GS_PUT_PART || put->result != GS_STAGE_OK)
		return false;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (problem == harmless[i])
			return true;
	return false;
}

static bool sum_is_right(GsPut *put)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	return EVP_DigestFinal_ex(put->sum, sum, &size) == 1 && CRYPTO_memcmp(sum, put->head.sum, size) == 0;
}

bool gs_part_finish(GsPut *put)
{
	bool right = put->sum == NULL || sum_is_right(put);

	if (!right)
		put->problem = put->head.is_content_digest ? &gs_put_content_digest : &gs_put_checksum;
	else if (put->sum != NULL)
		gs_stage_keep(&put->stage);
	if (right && gs_offset_full(&put->offset) && put->head.complete != GS_COMPLETE_NO)
		return true;
	gs_part_pause(put);
	return false;
}

/* Cutting -------------------------------------------------------------------------------------------------------------
 */

bool gs_part_cut(GsActive *entry, GsPut *successor)
{
	GsPut *put = (GsPut *)((char *)entry - offsetof(GsPut, active));

	if (put->kind != GS_PUT_PART || !gs_uuid_equal(&put->transfer.ticket.server, &successor->transfer.ticket.server) ||
		(put->state != PUT_OPENING && put->state != PUT_HASHING && put->state != PUT_RECEIVING &&
		 put->state != PUT_PAUSING))
		return false;
	if (put->successor != NULL) {
		GsPut *other = put->successor;

		gs_part_leave_queue(other);
		gs_put_answer_problem(other, &gs_put_busy);
	}
	put->successor = successor;
	successor->predecessor = put;
	if (put->state != PUT_PAUSING) {
		gs_put_fail(put, &gs_put_cut);
		gs_put_pump(put);
	}
	return true;
}

void gs_part_leave_queue(GsPut *put)
{
	if (put->predecessor != NULL)
		put->predecessor->successor = NULL;
	put->predecessor = NULL;
}
