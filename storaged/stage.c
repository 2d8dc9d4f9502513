/* SPDX-License-Identifier: PostgreSQL */
/*
 * One upload on disk; see stage.h. The order of a commit is the whole point of this file:
 *
 *   fsync(data) -> sidecar, fsync -> rename into journal/, fsync journal/ [commit point] -> rename data, fsync
 * directories
 *
 * Before the commit point a crash leaves files in staging/ that the next start removes; after it the start finishes the
 * job. A failed fsync is never tried again: the kernel may have dropped the pages, a second call would say "fine".
 */
#include "storaged/stage.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "storaged/fault.h"
#include "storaged/journal.h"
#include "storaged/progress.h"

/*
 * Write-back starts every FLUSH_BYTES, so the last fsync is short; WRITE_BEHIND_BYTES of one upload may wait for the
 * disk: enough that it never idles while bytes are received and hashed.
 */
#define FLUSH_BYTES ((uint64_t)8 << 20)
#define WRITE_BEHIND_BYTES ((uint64_t)64 << 20)

static GsStageResult failed(GsStage *stage, GsStageResult result, int error)
{
	stage->error = error;
	return result;
}

/* ext4 hands out what it has before it finds that there is not enough, so ask first. */
static GsStageResult allocate(GsStage *stage)
{
	GsDiskSpace space;
	int error = gs_fault_errno("fallocate");

	if (error == 0)
		error = -gs_disk_space(stage->disk, &space);
	if (error == 0 && stage->size_bytes > space.free_bytes)
		error = ENOSPC;
	if (error == 0 && stage->size_bytes > 0) {
		do
			error = posix_fallocate(stage->fd, 0, (off_t)stage->size_bytes);
		while (error == EINTR);
	}
	gs_fault_exit("after_fallocate");
	if (error == ENOSPC || error == EDQUOT || error == EFBIG)
		return failed(stage, GS_STAGE_NO_ROOM, error);
	return error == 0 ? GS_STAGE_OK : failed(stage, GS_STAGE_FAILED, error);
}

GsStageResult gs_stage_open(GsStage *stage, const GsDisk *disk, const GsUuid *object, uint64_t size_bytes)
{
	int error;

	*stage = (GsStage){.disk = disk, .object = *object, .fd = -1, .size_bytes = size_bytes};
	stage->digest = EVP_MD_CTX_new();
	if (stage->digest == NULL || EVP_DigestInit_ex(stage->digest, EVP_sha256(), NULL) != 1)
		return failed(stage, GS_STAGE_FAILED, ENOMEM);
	error = -gs_progress_remove(disk, object, true);
	if (error != 0)
		return failed(stage, GS_STAGE_FAILED, error);
	stage->fd = openat(disk->staging, object->text, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, (mode_t)0640);
	if (stage->fd < 0)
		return failed(stage, errno == ENOSPC || errno == EDQUOT ? GS_STAGE_NO_ROOM : GS_STAGE_FAILED, errno);
	gs_fault_exit("after_create");
	return allocate(stage);
}

/* Starts write-back of what is newest and waits for what is so far behind that the disk should long have it. */
static int write_behind(GsStage *stage)
{
	const unsigned wait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	uint64_t from = stage->flushing_bytes, before = stage->flushed_bytes, until = before;

	if (stage->written_bytes - from < FLUSH_BYTES)
		return 0;
	if (stage->written_bytes - before > WRITE_BEHIND_BYTES)
		until = stage->written_bytes - WRITE_BEHIND_BYTES;
	stage->flushing_bytes = stage->written_bytes;
	stage->flushed_bytes = until;
	if (sync_file_range(stage->fd, (off64_t)from, (off64_t)(stage->written_bytes - from), SYNC_FILE_RANGE_WRITE) != 0 ||
		(until > before && sync_file_range(stage->fd, (off64_t)before, (off64_t)(until - before), wait) != 0))
		return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? 0 : errno;
	return 0;
}

GsStageResult gs_stage_write(GsStage *stage, const uint8_t *bytes, size_t size)
{
	int error = gs_fault_errno("write");

	assert(stage->hashed_bytes == stage->written_bytes);
	if (EVP_DigestUpdate(stage->digest, bytes, size) != 1)
		error = ENOMEM;
	stage->hashed_bytes += size;
	while (error == 0 && size > 0) {
		ssize_t count = pwrite(stage->fd, bytes, size, (off_t)stage->written_bytes);

		if (count < 0 && errno != EINTR)
			error = errno;
		if (count > 0) {
			bytes += count;
			size -= (size_t)count;
			stage->written_bytes += (uint64_t)count;
		}
	}
	gs_fault_exit("after_write");
	if (error == ENOSPC || error == EDQUOT)
		return failed(stage, GS_STAGE_NO_ROOM, error);
	if (error != 0)
		return failed(stage, GS_STAGE_FAILED, error);
	error = write_behind(stage);
	return error == 0 ? GS_STAGE_OK : failed(stage, GS_STAGE_UNSYNCED, error);
}

static GsStageResult finish_digest(GsStage *stage, uint8_t sha256[GS_SHA256_BYTES], const uint8_t *expected)
{
	unsigned size = 0;

	if (EVP_DigestFinal_ex(stage->digest, sha256, &size) != 1)
		return failed(stage, GS_STAGE_FAILED, ENOMEM);
	if (expected != NULL && memcmp(sha256, expected, GS_SHA256_BYTES) != 0)
		return failed(stage, GS_STAGE_DIGEST, 0);
	return GS_STAGE_OK;
}

void gs_stage_close(GsStage *stage)
{
	EVP_MD_CTX_free(stage->digest);
	EVP_MD_CTX_free(stage->mark);
	stage->digest = stage->mark = NULL;
	if (stage->fd >= 0)
		close(stage->fd);
	stage->fd = -1;
}

/* Of something that is not a sync, whose failures gs_disk_sync does not call so. */
GsStageResult gs_stage_result(int error)
{
	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
		return GS_STAGE_NO_ROOM;
	case -ENOMEM:
		return GS_STAGE_FAILED;
	default:
		return GS_STAGE_UNSYNCED;
	}
}

GsStageResult gs_stage_commit(GsStage *stage, GsSidecar *sidecar, const GsOrigin *origin, const uint8_t *expected)
{
	GsStageResult result = finish_digest(stage, sidecar->sha256, expected);
	time_t now = time(NULL);
	struct tm utc;
	int error;

	if (result != GS_STAGE_OK)
		return result;
	sidecar->object = stage->object;
	sidecar->size_bytes = stage->size_bytes;
	gmtime_r(&now, &utc);
	strftime(sidecar->stored_at, sizeof(sidecar->stored_at), "%Y-%m-%dT%H:%M:%SZ", &utc);
	error = -gs_fault_errno("fsync");
	if (error == 0)
		error = gs_disk_sync(stage->fd);
	gs_fault_exit("after_fsync");
	if (error == 0)
		error = gs_journal_write(stage->disk, sidecar, origin);
	if (error == 0)
		error = gs_journal_place(stage->disk, &stage->object);
	/* No telling which call it was that failed: none of them may, once the bytes have been taken. */
	if (error != 0)
		return failed(stage, gs_stage_result(error), -error);
	/* Not worth a failure: a record without data is dropped by the next start. */
	if (stage->resumable)
		stage->error = -gs_progress_remove(stage->disk, &stage->object, false);
	gs_fault_exit("record_removed");
	gs_stage_close(stage);
	return GS_STAGE_OK;
}

bool gs_stage_discard(GsStage *stage)
{
	uint64_t freed_bytes; /* whoever staged it has counted it, and knows */
	int error;

	gs_stage_close(stage);
	error = gs_journal_remove(stage->disk, &stage->object, &freed_bytes);
	if (error != 0)
		stage->error = -error;
	return error == 0;
}
