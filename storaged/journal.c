/* SPDX-License-Identifier: PostgreSQL */
/* Sidecars on disk; see journal.h. */
#include "storaged/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "storaged/fault.h"
#include "storaged/progress.h"

int gs_journal_write(const GsDisk *disk, const GsSidecar *sidecar, const GsOrigin *origin)
{
	char text[GS_SIDECAR_MAX_BYTES], name[GS_DISK_NAME_MAX];
	size_t size = gs_sidecar_encode(sidecar, origin, text);
	int error;

	if (size == 0)
		return -ENOMEM;
	gs_disk_name(&sidecar->object, true, name);
	error = gs_disk_write_small(disk->staging, name, text, size);
	gs_fault_exit("after_sidecar");
	if (error == 0)
		error = gs_disk_publish(disk->staging, name, disk->journal, name);
	gs_fault_exit("after_journal");
	return error;
}

static int read_sidecar(int dir, const GsUuid *object, GsSidecar *sidecar)
{
	char text[GS_SIDECAR_MAX_BYTES], name[GS_DISK_NAME_MAX];
	ssize_t size;
	int error;

	gs_disk_name(object, true, name);
	size = gs_disk_read_small(dir, name, text, sizeof(text));
	if (size < 0)
		return (int)size;
	error = gs_sidecar_decode(text, (size_t)size, sidecar);
	return error != 0 || gs_uuid_equal(&sidecar->object, object) ? error : -EBADMSG;
}

int gs_journal_read(const GsDisk *disk, const GsUuid *object, GsSidecar *sidecar)
{
	int error = read_sidecar(disk->journal, object, sidecar), shard;

	if (error != -ENOENT)
		return error;
	shard = gs_disk_shard(disk, object, false);
	if (shard < 0)
		return shard;
	error = read_sidecar(shard, object, sidecar);
	close(shard);
	return error;
}

int gs_journal_settle(const GsDisk *disk, const GsUuid *object)
{
	char name[GS_DISK_NAME_MAX];
	int shard = gs_disk_shard(disk, object, false), error = 0;

	if (shard < 0)
		return shard;
	gs_disk_name(object, true, name);
	/* Not synced: whichever of the two places a crash leaves it in is right; the receipt is then sent once more. */
	if (renameat(disk->journal, name, shard, name) != 0)
		error = -errno;
	close(shard);
	gs_fault_exit("after_ack");
	return error;
}

static int first_error(int before, int error)
{
	return before != 0 ? before : error;
}

/* Goes on after an error: what can be removed, is. */
int gs_journal_remove(const GsDisk *disk, const GsUuid *object, uint64_t *freed_bytes)
{
	char name[GS_DISK_NAME_MAX];
	int shard = gs_disk_shard(disk, object, false), error = 0;

	*freed_bytes = 0;
	gs_disk_name(object, true, name);
	error = first_error(gs_disk_unlink(disk->staging, object->text), gs_disk_unlink(disk->staging, name));
	error = first_error(error, gs_progress_remove(disk, object, false));
	if (shard >= 0) {
		int removed = gs_disk_remove(shard, object->text, freed_bytes);

		gs_fault_exit("data_removed");
		/* While its data is there, so is the sidecar: nobody would know of the bytes without it. */
		if (removed == 0)
			removed = gs_disk_unlink(shard, name);
		gs_fault_exit("sidecar_removed");
		error = first_error(error, removed);
		error = first_error(error, gs_disk_sync(shard));
		close(shard);
	} else if (shard != -ENOENT) {
		error = first_error(error, shard);
	}
	/* While data may be left, so is the journal's entry for it. */
	if (error == 0)
		error = gs_disk_unlink(disk->journal, name);
	gs_fault_exit("entry_removed");
	return first_error(error, gs_disk_sync(disk->journal));
}

int gs_journal_place(const GsDisk *disk, const GsUuid *object)
{
	int shard = gs_disk_shard(disk, object, true), error = 0;

	if (shard < 0)
		return shard;
	if (renameat(disk->staging, object->text, shard, object->text) != 0)
		error = -errno;
	gs_fault_exit("after_rename");
	if (error == 0)
		error = gs_disk_sync(shard);
	if (error == 0)
		error = gs_disk_sync(disk->staging);
	close(shard);
	gs_fault_exit("after_dirsync");
	return error;
}
