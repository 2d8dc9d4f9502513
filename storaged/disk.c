/* SPDX-License-Identifier: PostgreSQL */
/* The device's directory and its elementary operations; see disk.h. */
#include "storaged/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define NEW_FLAGS (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC)

int gs_disk_sync(int fd)
{
	while (fsync(fd) != 0) {
		/* What is lost is lost, also for want of room (a thin volume that is full) or memory: no answer for one upload
		 * alone. */
		if (errno == ENOSPC || errno == EDQUOT || errno == ENOMEM)
			return -EIO;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int gs_disk_unlink(int dir, const char *name)
{
	return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

int gs_disk_remove(int dir, const char *name, uint64_t *freed_bytes)
{
	struct stat status;
	bool seen = fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
	int error = gs_disk_unlink(dir, name);

	*freed_bytes = seen && error == 0 ? (uint64_t)status.st_size : 0;
	return error;
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t count = write(fd, text, size);

		if (count < 0 && errno != EINTR)
			return -errno;
		if (count > 0) {
			text += count;
			size -= (size_t)count;
		}
	}
	return 0;
}

int gs_disk_write_small(int dir, const char *name, const char *text, size_t size)
{
	int fd = openat(dir, name, NEW_FLAGS, 0640), error;

	if (fd < 0)
		return -errno;
	error = write_all(fd, text, size);
	if (error == 0)
		error = gs_disk_sync(fd);
	close(fd);
	return error;
}

int gs_disk_publish(int from_dir, const char *from, int dir, const char *name)
{
	return renameat(from_dir, from, dir, name) == 0 ? gs_disk_sync(dir) : -errno;
}

ssize_t gs_disk_read_small(int dir, const char *name, char *text, size_t max)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t done = 0;
	ssize_t count = 0;

	if (fd < 0)
		return -errno;
	while (done < max) {
		count = read(fd, text + done, max - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			break;
		done += (size_t)count;
	}
	if (count < 0)
		count = -errno;
	else
		count = done == max ? -EFBIG : (ssize_t)done;
	close(fd);
	return count;
}

/* Opens the directory `name` in `parent`, making it, durably, when it is missing. */
static int open_dir(int parent, const char *name)
{
	int fd = openat(parent, name, DIR_FLAGS), error;

	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : -errno;
	if (mkdirat(parent, name, 0750) != 0 && errno != EEXIST)
		return -errno;
	error = gs_disk_sync(parent);
	if (error != 0)
		return error;
	fd = openat(parent, name, DIR_FLAGS);
	return fd >= 0 ? fd : -errno;
}

void gs_disk_close(GsDisk *disk)
{
	int *fds[] = {&disk->quarantine, &disk->objects, &disk->journal, &disk->staging, &disk->lock, &disk->root};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static int lock_root(GsDisk *disk)
{
	disk->lock = openat(disk->root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (disk->lock < 0 || flock(disk->lock, LOCK_EX | LOCK_NB) != 0)
		return -errno;
	return 0;
}

/* May files be renamed from one to the other? Mounts of one file system at two places have the same st_dev. */
static int same_mount(int one, int other)
{
	struct statx a, b;

	if (statx(one, "", AT_EMPTY_PATH, STATX_MNT_ID, &a) != 0 || statx(other, "", AT_EMPTY_PATH, STATX_MNT_ID, &b) != 0)
		return -errno;
	return a.stx_mnt_id == b.stx_mnt_id && a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor
			   ? 0
			   : -EXDEV;
}

static int open_dirs(GsDisk *disk)
{
	const struct {
		const char *name;
		int *fd;
	} dirs[] = {{"staging", &disk->staging},
				{"journal", &disk->journal},
				{"objects", &disk->objects},
				{"quarantine", &disk->quarantine}};
	int error = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && error == 0; i++) {
		*dirs[i].fd = open_dir(disk->root, dirs[i].name);
		error = *dirs[i].fd < 0 ? *dirs[i].fd : same_mount(disk->root, *dirs[i].fd);
	}
	return error;
}

int gs_disk_open(GsDisk *disk, const char *root, char *error, size_t error_size)
{
	int failed;

	*disk = (GsDisk){-1, -1, -1, -1, -1, -1};
	disk->root = open(root, DIR_FLAGS & ~O_NOFOLLOW);
	if (disk->root < 0) {
		snprintf(error, error_size, "cannot open %s: %s", root, strerror(errno));
		return -1;
	}
	failed = lock_root(disk);
	if (failed == -EWOULDBLOCK) {
		snprintf(error, error_size, "another groupshare-storaged uses %s", root);
		gs_disk_close(disk);
		return -1;
	}
	if (failed == 0)
		failed = open_dirs(disk);
	if (failed == -EXDEV) {
		snprintf(error, error_size,
				 "%s and the directories in it must be on one mount: objects are renamed between them", root);
		gs_disk_close(disk);
		return -1;
	}
	if (failed < 0) {
		snprintf(error, error_size, "cannot prepare %s: %s", root, strerror(-failed));
		gs_disk_close(disk);
		return -1;
	}
	return 0;
}

void gs_disk_name(const GsUuid *object, bool sidecar, char name[GS_DISK_NAME_MAX])
{
	snprintf(name, GS_DISK_NAME_MAX, "%s%s", object->text, sidecar ? ".json" : "");
}

int gs_disk_shard(const GsDisk *disk, const GsUuid *object, bool create)
{
	const char *name = object->text + GS_UUID_TEXT - 2;
	int fd;

	if (create)
		return open_dir(disk->objects, name);
	fd = openat(disk->objects, name, DIR_FLAGS);
	return fd >= 0 ? fd : -errno;
}

int gs_disk_open_object(const GsDisk *disk, const GsUuid *object)
{
	int shard = gs_disk_shard(disk, object, false), fd;

	if (shard < 0)
		return shard;
	fd = openat(shard, object->text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(shard);
	return fd;
}

int gs_disk_open_cached(const GsDisk *disk, const GsUuid *object, bool sidecar)
{
	struct open_how how = {.flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
						   .resolve = RESOLVE_CACHED | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	char path[GS_DISK_NAME_MAX + 3];
	long fd;

	snprintf(path, sizeof(path), "%s/%s%s", object->text + GS_UUID_TEXT - 2, object->text, sidecar ? ".json" : "");
	fd = syscall(SYS_openat2, disk->objects, path, &how, sizeof(how)); /* glibc has no name for it */
	return fd >= 0 ? (int)fd : -errno;
}

ssize_t gs_disk_read_cached(int fd, void *bytes, size_t size)
{
	struct iovec part = {.iov_base = bytes, .iov_len = size};
	ssize_t count = preadv2(fd, &part, 1, 0, RWF_NOWAIT);

	return count >= 0 ? count : -errno;
}

int gs_disk_space(const GsDisk *disk, GsDiskSpace *space)
{
	struct statvfs vfs;

	while (fstatvfs(disk->root, &vfs) != 0)
		if (errno != EINTR)
			return -errno;
	/* What ext4, for one, makes of itself when the disk below it fails. */
	if ((vfs.f_flag & ST_RDONLY) != 0)
		return -EROFS;
	space->total_bytes = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	space->free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	/* f_files is 0 where files are not counted */
	if (vfs.f_files > 0 && vfs.f_favail < GS_DISK_SPARE_FILES)
		space->free_bytes = 0;
	return 0;
}

int64_t gs_disk_next_epoch(const GsDisk *disk, int64_t now_us)
{
	char text[32];
	ssize_t size = gs_disk_read_small(disk->root, "epoch", text, sizeof(text));
	int64_t last = 0, epoch;
	int error;

	if (size < 0 && size != -ENOENT)
		return size;
	if (size > 0) {
		char *end;

		text[size] = '\0';
		errno = 0;
		last = strtoll(text, &end, 10);
		if (errno != 0 || last <= 0 || *end != '\n')
			return -EBADMSG;
	}
	epoch = now_us > last ? now_us : last + 1;
	snprintf(text, sizeof(text), "%" PRId64 "\n", epoch);
	error = gs_disk_write_small(disk->root, "epoch.new", text, strlen(text));
	if (error == 0)
		error = gs_disk_publish(disk->root, "epoch.new", disk->root, "epoch");
	return error == 0 ? epoch : error;
}
