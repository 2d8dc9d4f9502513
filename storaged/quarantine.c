/* SPDX-License-Identifier: PostgreSQL */
/*
 * Moving damaged objects aside; see quarantine.h. The sidecar goes last: until then a crash leaves one without data,
 * which nobody is served and the scrub finds again.
 */
#include "storaged/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "storaged/fault.h"
#include "storaged/sidecar.h"

static int move(int from, int to, const char *name)
{
	return renameat(from, name, to, name) == 0 ? 0 : -errno;
}

int gs_quarantine_move(const GsDisk *disk, const GsUuid *object)
{
	char name[GS_DISK_NAME_MAX];
	int shard = gs_disk_shard(disk, object, false), error;

	if (shard < 0)
		return shard;
	gs_disk_name(object, true, name);
	if (faccessat(shard, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
		faccessat(disk->journal, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		close(shard);
		return -ENOENT;
	}
	error = move(shard, disk->quarantine, object->text);
	gs_fault_exit("data_aside");
	if (error == 0 || error == -ENOENT)
		error = move(shard, disk->quarantine, name);
	/* In the journal: its receipt is on its way, and the control server is told of the damage after it. */
	if (error == -ENOENT)
		error = move(disk->journal, disk->quarantine, name);
	gs_fault_exit("sidecar_aside");
	if (error == 0)
		error = gs_disk_sync(disk->quarantine);
	if (error == 0)
		error = gs_disk_sync(shard);
	close(shard);
	return error;
}

/* 0; -EPERM: it is another server's; -ENOMEM: whose is not to be read now. */
static int check_owner(const GsDisk *disk, const GsUuid *server, const char *name)
{
	char text[GS_SIDECAR_MAX_BYTES];
	ssize_t size = gs_disk_read_small(disk->quarantine, name, text, sizeof(text));
	GsSidecar sidecar;
	int error = size > 0 ? gs_sidecar_decode(text, (size_t)size, &sidecar) : -EBADMSG;

	if (error == -ENOMEM)
		return error;
	return error == 0 && !gs_uuid_equal(&sidecar.server, server) ? -EPERM : 0;
}

int gs_quarantine_remove(const GsDisk *disk, const GsUuid *server, const GsUuid *object, uint64_t *freed_bytes)
{
	char name[GS_DISK_NAME_MAX];
	int error;

	*freed_bytes = 0;
	gs_disk_name(object, true, name);
	error = check_owner(disk, server, name);
	if (error != 0)
		return error;
	if (faccessat(disk->quarantine, object->text, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
		faccessat(disk->quarantine, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return -ENOENT;
	error = gs_disk_remove(disk->quarantine, object->text, freed_bytes);
	gs_fault_exit("quarantine_emptied");
	if (error == 0)
		error = gs_disk_unlink(disk->quarantine, name);
	return error == 0 ? gs_disk_sync(disk->quarantine) : error;
}
