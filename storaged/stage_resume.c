/* SPDX-License-Identifier: PostgreSQL */
/*
 * A staged upload that comes in parts; see stage.h. Its offset is what OBJECT.part says: recorded only after the bytes
 * before it are synced, every RECORD_BYTES and when a part ends. In memory the digest lives on between two parts; after
 * a start of the daemon it is made again from the disk, in steps of CATCH_UP_BYTES so that no job is long.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storaged/fault.h"
#include "storaged/progress.h"
#include "storaged/stage.h"

#define RECORD_BYTES ((uint64_t)64 << 20)
#define CATCH_UP_BYTES ((uint64_t)32 << 20)
#define READ_BYTES ((size_t)256 << 10)

static GsStageResult failed(GsStage *stage, GsStageResult result, int error)
{
	stage->error = error;
	return result;
}

GsStageResult gs_stage_open_resumable(GsStage *stage, const GsDisk *disk, const GsUuid *object, const GsUuid *server,
									  uint64_t size_bytes, int64_t until_s)
{
	GsStageResult result = gs_stage_open(stage, disk, object, size_bytes);

	if (result != GS_STAGE_OK)
		return result;
	stage->resumable = true;
	stage->server = *server;
	stage->until_s = until_s;
	return gs_stage_record(stage);
}

void gs_stage_recall(GsStage *stage, const GsDisk *disk, const GsProgress *progress)
{
	*stage = (GsStage){.disk = disk,
					   .object = progress->object,
					   .fd = -1,
					   .size_bytes = progress->size_bytes,
					   .written_bytes = progress->offset_bytes,
					   .flushing_bytes = progress->offset_bytes,
					   .flushed_bytes = progress->offset_bytes,
					   .resumable = true,
					   .server = progress->server,
					   .until_s = progress->until_s,
					   .recorded_bytes = progress->offset_bytes};
}

GsStageResult gs_stage_resume(GsStage *stage, int64_t until_s)
{
	struct stat status;

	assert(stage->fd < 0 && stage->resumable);
	if (until_s > stage->until_s)
		stage->until_s = until_s;
	if (stage->digest == NULL) {
		stage->hashed_bytes = 0;
		stage->digest = EVP_MD_CTX_new();
		if (stage->digest == NULL || EVP_DigestInit_ex(stage->digest, EVP_sha256(), NULL) != 1)
			return failed(stage, GS_STAGE_FAILED, ENOMEM);
	}
	stage->fd = openat(stage->disk->staging, stage->object.text, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (stage->fd < 0 || fstat(stage->fd, &status) != 0)
		return failed(stage, GS_STAGE_FAILED, errno);
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != stage->size_bytes)
		return failed(stage, GS_STAGE_FAILED, EBADMSG);
	gs_fault_exit("resumed");
	return GS_STAGE_OK;
}

GsStageResult gs_stage_catch_up(GsStage *stage)
{
	uint64_t end = stage->written_bytes;
	uint8_t *buffer = malloc(READ_BYTES);
	int error = buffer == NULL ? ENOMEM : gs_fault_errno("rehash");

	if (end - stage->hashed_bytes > CATCH_UP_BYTES)
		end = stage->hashed_bytes + CATCH_UP_BYTES;
	while (error == 0 && stage->hashed_bytes < end) {
		uint64_t left = end - stage->hashed_bytes;
		size_t wanted = left < READ_BYTES ? (size_t)left : READ_BYTES;
		ssize_t count = pread(stage->fd, buffer, wanted, (off_t)stage->hashed_bytes);

		if (count < 0 && errno != EINTR)
			error = errno;
		else if (count == 0)
			error = ENODATA;
		else if (count > 0 && EVP_DigestUpdate(stage->digest, buffer, (size_t)count) != 1)
			error = ENOMEM;
		else if (count > 0)
			stage->hashed_bytes += (uint64_t)count;
	}
	free(buffer);
	gs_fault_exit("caught_up");
	return error == 0 ? GS_STAGE_OK : failed(stage, GS_STAGE_FAILED, error);
}

bool gs_stage_record_due(const GsStage *stage)
{
	return stage->resumable && stage->mark == NULL && stage->written_bytes - stage->recorded_bytes >= RECORD_BYTES;
}

static int sync_data(int fd)
{
	int error = gs_fault_errno("fdatasync");

	while (error == 0 && fdatasync(fd) != 0)
		if (errno != EINTR)
			error = errno;
	return error;
}

GsStageResult gs_stage_record(GsStage *stage)
{
	GsProgress progress = {.object = stage->object,
						   .server = stage->server,
						   .size_bytes = stage->size_bytes,
						   .offset_bytes = stage->written_bytes,
						   .until_s = stage->until_s};
	int error = sync_data(stage->fd);

	if (error != 0)
		return failed(stage, GS_STAGE_UNSYNCED, error);
	error = -gs_fault_errno("progress");
	if (error == 0)
		error = gs_progress_write(stage->disk, &progress);
	if (error != 0)
		return failed(stage, gs_stage_result(error), -error);
	stage->recorded_bytes = stage->written_bytes;
	return GS_STAGE_OK;
}

GsStageResult gs_stage_mark(GsStage *stage)
{
	stage->mark_bytes = stage->written_bytes;
	stage->mark = EVP_MD_CTX_new();
	if (stage->mark == NULL || EVP_MD_CTX_copy_ex(stage->mark, stage->digest) != 1) {
		gs_stage_keep(stage); /* half a mark is none to go back to */
		return failed(stage, GS_STAGE_FAILED, ENOMEM);
	}
	return GS_STAGE_OK;
}

void gs_stage_keep(GsStage *stage)
{
	EVP_MD_CTX_free(stage->mark);
	stage->mark = NULL;
}

/* The bytes behind the mark stay in the file, where the next part overwrites them. */
static void undo(GsStage *stage)
{
	if (stage->mark == NULL)
		return;
	EVP_MD_CTX_free(stage->digest);
	stage->digest = stage->mark;
	stage->mark = NULL;
	stage->written_bytes = stage->hashed_bytes = stage->mark_bytes;
	if (stage->flushing_bytes > stage->mark_bytes)
		stage->flushing_bytes = stage->mark_bytes;
	if (stage->flushed_bytes > stage->mark_bytes)
		stage->flushed_bytes = stage->mark_bytes;
}

GsStageResult gs_stage_pause(GsStage *stage)
{
	GsStageResult result;

	undo(stage);
	result = gs_stage_record(stage);
	if (result != GS_STAGE_OK)
		return result;
	close(stage->fd);
	stage->fd = -1;
	return GS_STAGE_OK;
}
