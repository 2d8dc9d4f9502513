/* SPDX-License-Identifier: PostgreSQL */
/*
 * SHA-256. The piece is large enough to keep the disk busy and small enough to be no matter.
 */
#include "client/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/evp.h>

#define PIECE_BYTES (256u << 10)

struct GsDigest {
	EVP_MD_CTX *context;
};

GsDigest *gs_digest_open(void)
{
	GsDigest *digest = malloc(sizeof(*digest));

	if (digest == NULL)
		return NULL;
	digest->context = EVP_MD_CTX_new();
	if (digest->context == NULL || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
		gs_digest_close(digest);
		return NULL;
	}
	return digest;
}

bool gs_digest_add(GsDigest *digest, const void *data, size_t size)
{
	return EVP_DigestUpdate(digest->context, data, size) == 1;
}

bool gs_digest_end(GsDigest *digest, uint8_t sha256[GS_SHA256_BYTES])
{
	return EVP_DigestFinal_ex(digest->context, sha256, NULL) == 1 &&
		   EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1;
}

void gs_digest_close(GsDigest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->context);
	free(digest);
}

int gs_digest_add_file(GsDigest *digest, int fd, int64_t from, int64_t to, const GsWatcher *watcher, const char *path,
					   GsErrorBox *box)
{
	uint8_t *piece = malloc(PIECE_BYTES);
	int status = GS_CLIENT_OK;

	if (piece == NULL)
		return gs_error_memory(box);
	posix_fadvise(fd, from, to - from, POSIX_FADV_SEQUENTIAL);
	for (int64_t at = from; status == GS_CLIENT_OK && at < to;) {
		size_t want = to - at < (int64_t)PIECE_BYTES ? (size_t)(to - at) : PIECE_BYTES;
		ssize_t n = pread(fd, piece, want, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = gs_error_errno(box, NULL, "cannot read %s", path);
		else if (n == 0)
			status = gs_error_set(box, GS_CLIENT_LOCAL, "Wait until nothing writes to it, then try again.",
								  "%s became shorter while it was being read", path);
		else if (!gs_digest_add(digest, piece, (size_t)n))
			status = gs_error_memory(box);
		else if (watcher->progress != NULL &&
				 watcher->progress(watcher->arg, watcher->phase, (uint64_t)(at + n), watcher->total) != 0)
			status = gs_error_set(box, GS_CLIENT_CANCELLED, NULL, "cancelled");
		at += n > 0 ? n : 0;
	}
	free(piece);
	return status;
}
