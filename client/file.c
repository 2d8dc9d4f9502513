/* SPDX-License-Identifier: PostgreSQL */
/*
 * Durable files. A reader never sees half a file; a temporary file is removed on every failing way out.
 */
#include "client/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int gs_file_make_directory(const char *path, GsErrorBox *box)
{
	char *copy = strdup(path);
	int status = GS_CLIENT_OK;

	if (copy == NULL)
		return gs_error_memory(box);
	for (char *at = copy + 1;; at++) {
		char ended_by = *at;

		if (ended_by != '/' && ended_by != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
			status = gs_error_errno(box, "Choose another directory with --home DIR.", "cannot make directory %s", copy);
			break;
		}
		if (ended_by == '\0')
			break;
		*at = ended_by;
	}
	free(copy);
	return status;
}

static int sync_directory_of(const char *path, GsErrorBox *box)
{
	char copy[PATH_MAX];
	int fd;
	int failed;

	if (strlen(path) >= sizeof(copy))
		return gs_error_set(box, GS_CLIENT_LOCAL, NULL, "path too long: %s", path);
	strcpy(copy, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return gs_error_errno(box, NULL, "cannot open the directory of %s", path);
	failed = fsync(fd);
	/* Some network file systems can't sync a directory; they say EINVAL. */
	if (failed != 0 && errno != EINVAL)
		gs_error_errno(box, NULL, "cannot sync the directory of %s", path);
	else
		failed = 0;
	close(fd);
	return failed != 0 ? GS_CLIENT_LOCAL : GS_CLIENT_OK;
}

int gs_file_publish(const char *from, const char *to, bool replace, GsErrorBox *box)
{
	int failed;

	if (replace) {
		failed = rename(from, to);
	} else {
		failed = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
		if (failed != 0 && (errno == EINVAL || errno == ENOSYS)) {
			/* This file system knows no exclusive rename: a hard link is as exclusive. */
			failed = link(from, to);
			if (failed == 0)
				unlink(from);
		}
		if (failed != 0 && errno == EEXIST)
			return gs_error_set(box, GS_CLIENT_CONFLICT, NULL, "%s exists already", to);
	}
	if (failed != 0)
		return gs_error_errno(box, NULL, "cannot rename %s to %s", from, to);
	return sync_directory_of(to, box);
}

int gs_file_write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int gs_file_write(const char *path, const void *data, size_t size, bool replace, GsErrorBox *box)
{
	char temp[PATH_MAX];
	int n = snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
	int fd;
	int status;

	if (n < 0 || (size_t)n >= sizeof(temp))
		return gs_error_set(box, GS_CLIENT_LOCAL, NULL, "path too long: %s", path);
	/* mkostemp is O_CREAT | O_EXCL with mode 0600. */
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return gs_error_errno(box, NULL, "cannot create %s", temp);
	if (gs_file_write_all(fd, data, size) != 0 || fsync(fd) != 0) {
		status = gs_error_errno(box, NULL, "cannot write %s", temp);
		close(fd);
	} else if (close(fd) != 0) {
		status = gs_error_errno(box, NULL, "cannot close %s", temp);
	} else {
		status = gs_file_publish(temp, path, replace, box);
	}
	if (status != GS_CLIENT_OK)
		unlink(temp);
	return status;
}

static int check_secret(int fd, const char *path, GsErrorBox *box)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return gs_error_errno(box, NULL, "cannot stat %s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return gs_error_set(box, GS_CLIENT_LOCAL, "Make it yours alone: chmod 600 FILE",
							"%s can be read by others or is not yours, so it is not used", path);
	return GS_CLIENT_OK;
}

int gs_file_read(const char *path, size_t max, bool secret, char **data, size_t *size, GsErrorBox *box)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int status = GS_CLIENT_OK;
	char *buffer = NULL;
	size_t filled = 0;

	*data = NULL;
	*size = 0;
	if (fd < 0)
		return errno == ENOENT ? GS_CLIENT_OK : gs_error_errno(box, NULL, "cannot open %s", path);
	if (secret)
		status = check_secret(fd, path, box);
	if (status == GS_CLIENT_OK && (buffer = malloc(max + 1)) == NULL)
		status = gs_error_memory(box);
	while (status == GS_CLIENT_OK) {
		ssize_t n = read(fd, buffer + filled, max + 1 - filled);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = gs_error_errno(box, NULL, "cannot read %s", path);
		else if ((filled += (size_t)n) > max)
			status = gs_error_set(box, GS_CLIENT_LOCAL, NULL, "%s is larger than %zu bytes", path, max);
	}
	close(fd);
	if (status != GS_CLIENT_OK) {
		free(buffer);
		return status;
	}
	buffer[filled] = '\0';
	*data = buffer;
	*size = filled;
	return GS_CLIENT_OK;
}
