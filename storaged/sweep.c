/* SPDX-License-Identifier: PostgreSQL */
/*
 * Start-up; see sweep.h. First the journal: an entry is a promise, so its data is brought to its place if a crash left
 * it in staging/. Then unfinished uploads that may still be resumed are remembered, and what else is in staging/
 * belongs to nobody.
 */
#include "storaged/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "storaged/damage.h"
#include "storaged/fault.h"
#include "storaged/journal.h"
#include "storaged/receipt.h"
#include "storaged/staged.h"

typedef int (*Visit)(GsStore *store, int dir, const char *name);

/* Calls `visit` for each name but . and ..; stops at the first error. */
static int each_name(GsStore *store, int dir, Visit visit)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
	DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (stream == NULL) {
		error = -errno;
		if (copy >= 0)
			close(copy);
		return error;
	}
	while (error == 0 && (errno = 0, entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			error = visit(store, dir, entry->d_name);
	if (error == 0 && errno != 0)
		error = -errno;
	closedir(stream);
	return error;
}

/* Is there a regular file of exactly that size: 1 or 0, or -errno when that can't be told now. */
static int has_file(int dir, const char *name, uint64_t size_bytes)
{
	struct stat status;

	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno;
	return S_ISREG(status.st_mode) && (uint64_t)status.st_size == size_bytes;
}

static bool sidecar_object(const char *name, GsUuid *object)
{
	char text[GS_UUID_TEXT + 1];

	if (strlen(name) != GS_UUID_TEXT + 5 || strcmp(name + GS_UUID_TEXT, ".json") != 0)
		return false;
	memcpy(text, name, GS_UUID_TEXT);
	text[GS_UUID_TEXT] = '\0';
	return gs_uuid_parse(text, object);
}

/* 0: the data is in its place; -ENOENT: there is none. What can't be looked at is not taken for missing: it may be all
 * that is left of what was acknowledged. */
static int make_whole(const GsDisk *disk, const GsSidecar *sidecar)
{
	int shard = gs_disk_shard(disk, &sidecar->object, false);
	uint64_t uncounted;
	int found;

	if (shard < 0 && shard != -ENOENT)
		return shard;
	found = shard >= 0 ? has_file(shard, sidecar->object.text, sidecar->size_bytes) : 0;
	if (shard >= 0)
		close(shard);
	if (found != 0)
		return found < 0 ? found : 0;
	found = has_file(disk->staging, sidecar->object.text, sidecar->size_bytes);
	if (found != 0)
		return found < 0 ? found : gs_journal_place(disk, &sidecar->object);
	/* Half of a removal that a crash cut short, or a disk that lost the data: nothing is left to promise. */
	gs_log(GS_LOG_WARN, NULL, "a journal entry has no data and is dropped", "object", sidecar->object.text, NULL);
	return gs_journal_remove(disk, &sidecar->object, &uncounted) == 0 ? -ENOENT : -EIO;
}

static int replay(GsStore *store, int dir, const char *name)
{
	GsReceipt *receipt;
	GsSidecar sidecar;
	GsServer *server;
	GsUuid object;
	int error = -EBADMSG;

	(void)dir;
	if (sidecar_object(name, &object))
		error = gs_journal_read(&store->disk, &object, &sidecar);
	if (error == -EBADMSG) {
		gs_log(GS_LOG_ERROR, NULL, "a journal entry is damaged and is left where it is", "file", name, NULL);
		return 0;
	}
	if (error == 0)
		error = make_whole(&store->disk, &sidecar);
	gs_fault_exit("replayed");
	if (error != 0)
		return error == -ENOENT ? 0 : error;
	server = gs_store_server(store, &sidecar.server, true);
	if (server == NULL) {
		gs_log(GS_LOG_ERROR, NULL, "objects of more than 64 control servers are on this disk", NULL);
		return -ENOSPC;
	}
	receipt = gs_receipt_new();
	if (receipt == NULL)
		return -ENOMEM;
	/* Not counted as staged: the receipt may have been sent before the crash. */
	gs_receipt_add(store, server, receipt, &sidecar, false);
	return 0;
}

/*
 * May it be gone on with: 1 or 0, or -errno when that can't be told now. Its server's clock is not known yet; staged.c
 * judges by that later.
 */
static int is_resumable(GsStore *store, const GsUuid *object, GsProgress *progress)
{
	int error = gs_progress_read(&store->disk, object, progress);

	if (error != 0)
		return error == -ENOENT || gs_sidecar_unreadable(error) ? 0 : error;
	if (progress->until_s <= gs_clock_now_s(&(GsClock){.known = false}))
		return 0;
	return has_file(store->disk.staging, object->text, progress->size_bytes);
}

/* What an upload that may be resumed has in staging/ is its data and its record; the record stands for both. */
static int keep_or_discard(GsStore *store, int dir, const char *name)
{
	char id[GS_UUID_TEXT + 1];
	GsProgress progress;
	GsUuid object;
	int error = 0;

	snprintf(id, sizeof(id), "%s", name);
	if (gs_uuid_parse(id, &object))
		error = is_resumable(store, &object, &progress);
	if (error < 0)
		return error;
	if (error > 0) {
		if (strcmp(name + GS_UUID_TEXT, ".part") == 0)
			return gs_staged_recall(store, &progress);
		if (name[GS_UUID_TEXT] == '\0')
			return 0;
	}
	gs_log(GS_LOG_INFO, NULL, "removing what an unfinished upload left", "file", name, NULL);
	error = gs_disk_unlink(dir, name);
	gs_fault_exit("swept");
	return error;
}

/* One that can't be looked at is not left out: its deletion would be subtracted all the same. */
static int count_object(GsStore *store, int dir, const char *name)
{
	struct stat status;
	GsUuid object;

	if (!gs_uuid_parse(name, &object))
		return 0;
	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(status.st_mode))
		store->used_bytes += (uint64_t)status.st_size;
	return 0;
}

static int count_shard(GsStore *store, int dir, const char *name)
{
	int shard = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), error;

	if (shard < 0)
		return errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	error = each_name(store, shard, count_object);
	close(shard);
	return error;
}

/* Told again: the control server may not have heard. The bytes still take their room. */
static int recall_damaged(GsStore *store, int dir, const char *name)
{
	char text[GS_SIDECAR_MAX_BYTES];
	GsSidecar sidecar;
	GsUuid object;
	ssize_t size;
	int error;

	if (!sidecar_object(name, &object))
		return count_object(store, dir, name);
	size = gs_disk_read_small(dir, name, text, sizeof(text));
	error = size < 0 ? (int)size : gs_sidecar_decode(text, (size_t)size, &sidecar);
	if (error == -ENOMEM)
		return error;
	if (error != 0) {
		gs_log(GS_LOG_ERROR, NULL, "a sidecar in quarantine is damaged", "file", name, NULL);
		return 0;
	}
	sidecar.object = object;
	if (!gs_damage_recall(store, &sidecar))
		gs_log(GS_LOG_WARN, NULL, "too many damaged objects; told after a later start", "object", object.text, NULL);
	return 0;
}

int gs_sweep_start(GsStore *store)
{
	int error = each_name(store, store->disk.journal, replay);

	if (error == 0)
		error = each_name(store, store->disk.staging, keep_or_discard);
	if (error == 0)
		error = gs_disk_sync(store->disk.staging);
	if (error == 0)
		error = each_name(store, store->disk.objects, count_shard);
	if (error == 0)
		error = each_name(store, store->disk.quarantine, recall_damaged);
	if (error != 0)
		gs_log(GS_LOG_ERROR, NULL, "cannot put the disk in order", "error", strerror(-error), NULL);
	return error;
}
