/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where an upload's bytes come from. A regular file: read in place, its digest first, and nothing is shared when it
 * changes meanwhile. A descriptor without a known size: copied into a file that has no name, so that it vanishes with
 * the process. A stream of known size: held piece by piece, so that a piece can be repeated and memory stays bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/compose.h"
#include "client/file.h"
#include "client/name.h"
#include "client/put.h"

static const char SPOOL_HINT[] =
	"Make room there, or name a directory with room in TMPDIR, or say the size with --size.";

static int open_file(GsPut *put)
{
	GsErrorBox *box = &put->client->box;
	const char *path = put->want->path;

	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	put->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (put->fd < 0)
		return gs_error_errno(box, NULL, "cannot open %s", path);
	put->own_fd = true;
	if (fstat(put->fd, &put->before) != 0)
		return gs_error_errno(box, NULL, "cannot stat %s", path);
	if (!S_ISREG(put->before.st_mode))
		return gs_error_set(box, GS_CLIENT_LOCAL,
							S_ISDIR(put->before.st_mode) ? NULL : "What is no file can be sent with: groupshare put -",
							"%s is not a regular file", path);
	put->size = put->before.st_size;
	return GS_CLIENT_OK;
}

bool gs_put_differs(const GsPut *put)
{
	struct stat now;

	if (put->stream)
		return false;
	return fstat(put->fd, &now) != 0 || now.st_size != put->before.st_size ||
		   now.st_mtim.tv_sec != put->before.st_mtim.tv_sec || now.st_mtim.tv_nsec != put->before.st_mtim.tv_nsec;
}

bool gs_put_has_changed(GsPut *put)
{
	if (!gs_put_differs(put))
		return false;
	put->changed = true;
	gs_error_set(&put->client->box, GS_CLIENT_LOCAL, "Wait until nothing writes to it, then run put again.",
				 "%s changed while it was being uploaded, so it was not shared", put->want->path);
	return true;
}

static int digest_file(GsPut *put)
{
	GsWatcher watcher = {.progress = put->want->progress,
						 .arg = put->want->progress_arg,
						 .phase = GS_CLIENT_HASHING,
						 .total = (uint64_t)put->size};
	GsErrorBox *box = &put->client->box;
	int status = gs_digest_add_file(put->digest, put->fd, 0, put->size, &watcher, put->want->path, box);
	char more;

	if (status == GS_CLIENT_OK && !gs_digest_end(put->digest, put->sha256))
		status = gs_error_memory(box);
	if (status == GS_CLIENT_OK && gs_put_has_changed(put))
		status = box->error.status;
	/* Files that the kernel makes up, as in /proc, say that they are empty. */
	if (status == GS_CLIENT_OK && pread(put->fd, &more, 1, put->size) > 0)
		status =
			gs_error_set(box, GS_CLIENT_LOCAL, "What is no usual file can be sent with: groupshare put -",
						 "%s has more than the %lld bytes that it says to have", put->want->path, (long long)put->size);
	gs_hex_encode(put->sha256_hex, put->sha256, sizeof(put->sha256));
	return status;
}

/* Reads until `size` bytes or the end; -1: errno says why. */
static ssize_t read_full(int fd, char *to, size_t size)
{
	size_t filled = 0;

	while (filled < size) {
		ssize_t n = read(fd, to + filled, size - filled);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		filled += (size_t)n;
	}
	return (ssize_t)filled;
}

static int spool_file(GsPut *put)
{
	const char *directory = getenv("TMPDIR");
	GsErrorBox *box = &put->client->box;
	char *path;

	if (directory == NULL || directory[0] == '\0')
		directory = "/var/tmp";
	put->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (put->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		path = gs_session_path(put->client, "%s/groupshare.XXXXXX", directory);
		if (path == NULL)
			return GS_CLIENT_NO_MEMORY;
		put->fd = mkostemp(path, O_CLOEXEC);
		if (put->fd >= 0)
			unlink(path);
		free(path);
	}
	put->own_fd = put->fd >= 0;
	return put->own_fd ? GS_CLIENT_OK : gs_error_errno(box, SPOOL_HINT, "cannot keep the input in %s", directory);
}

/* The rest of a descriptor whose size nobody knows becomes a file; the digest is made on the way. */
static int spool(GsPut *put)
{
	GsErrorBox *box = &put->client->box;
	int status = spool_file(put);

	while (status == GS_CLIENT_OK) {
		ssize_t n = read_full(put->want->fd, put->piece, GS_PUT_STREAM_BYTES);

		if (n < 0)
			return gs_error_errno(box, NULL, "cannot read %s", put->want->path);
		if (n == 0)
			break;
		if (gs_file_write_all(put->fd, put->piece, (size_t)n) != 0)
			return gs_error_errno(box, SPOOL_HINT, "cannot keep the input");
		if (!gs_digest_add(put->digest, put->piece, (size_t)n))
			return gs_error_memory(box);
		put->size += n;
		if (put->want->progress != NULL && put->want->progress(put->want->progress_arg, GS_CLIENT_HASHING,
															   (uint64_t)put->size, (uint64_t)put->size) != 0)
			return gs_error_set(box, GS_CLIENT_CANCELLED, NULL, "cancelled");
	}
	if (status != GS_CLIENT_OK)
		return status;
	if (!gs_digest_end(put->digest, put->sha256))
		return gs_error_memory(box);
	gs_hex_encode(put->sha256_hex, put->sha256, sizeof(put->sha256));
	return fstat(put->fd, &put->before) == 0 ? GS_CLIENT_OK : gs_error_errno(box, NULL, "cannot stat the input");
}

static int open_descriptor(GsPut *put)
{
	GsErrorBox *box = &put->client->box;

	put->piece = malloc(GS_PUT_STREAM_BYTES);
	if (put->piece == NULL)
		return gs_error_memory(box);
	if (!put->want->size_known)
		return spool(put);
	if (put->want->size > INT64_MAX)
		return gs_error_set(box, GS_CLIENT_INVALID, NULL, "the size is too large");
	put->stream = true;
	put->fd = put->want->fd;
	put->size = (int64_t)put->want->size;
	return GS_CLIENT_OK;
}

static int name_it(GsPut *put)
{
	const char *name = put->want->name;

	if (name == NULL && put->want->from_fd)
		return gs_error_set(&put->client->box, GS_CLIENT_INVALID, "Give it with --as NAME.",
							"what is shared needs a name");
	put->name = gs_compose(name != NULL ? name : gs_name_of_path(put->want->path));
	return put->name != NULL ? GS_CLIENT_OK : gs_error_memory(&put->client->box);
}

int gs_put_open(GsPut *put)
{
	int status = name_it(put);

	if (status != GS_CLIENT_OK)
		return status;
	put->digest = gs_digest_open();
	if (put->digest == NULL)
		return gs_error_memory(&put->client->box);
	if (put->want->from_fd)
		return open_descriptor(put);
	status = open_file(put);
	return status == GS_CLIENT_OK ? digest_file(put) : status;
}

void gs_put_close(GsPut *put)
{
	if (put->own_fd)
		close(put->fd);
	gs_digest_close(put->digest);
	free(put->piece);
	free(put->name);
}

int gs_put_piece(GsPut *put, int64_t at)
{
	GsErrorBox *box = &put->client->box;
	int64_t next = put->piece_at + (int64_t)put->piece_size;
	int64_t want = put->size - next < GS_PUT_STREAM_BYTES ? put->size - next : GS_PUT_STREAM_BYTES;
	ssize_t n;
	char more;

	/* The digest is there as soon as the last piece is, also for an empty stream. */
	if (at < next || put->sha256_hex[0] != '\0')
		return GS_CLIENT_OK;
	n = read_full(put->fd, put->piece, (size_t)want);
	if (n < 0)
		return gs_error_errno(box, NULL, "cannot read %s", put->want->path);
	put->piece_at = next;
	put->piece_size = (size_t)n;
	if (n < want)
		return gs_error_set(box, GS_CLIENT_LOCAL, "Say the right size, or leave --size out.",
							"%s ended after %lld of %lld bytes, so it was not shared", put->want->path,
							(long long)(next + n), (long long)put->size);
	if (!gs_digest_add(put->digest, put->piece, (size_t)n))
		return gs_error_memory(box);
	if (next + n < put->size)
		return GS_CLIENT_OK;
	if (read_full(put->fd, &more, 1) != 0)
		return gs_error_set(box, GS_CLIENT_LOCAL, "Say the right size, or leave --size out.",
							"%s has more than %lld bytes, so it was not shared", put->want->path, (long long)put->size);
	if (!gs_digest_end(put->digest, put->sha256))
		return gs_error_memory(box);
	gs_hex_encode(put->sha256_hex, put->sha256, sizeof(put->sha256));
	return GS_CLIENT_OK;
}
