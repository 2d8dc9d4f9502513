/* SPDX-License-Identifier: PostgreSQL */
/* SHA-256 of bytes as they come, and of a file, read in pieces. */
#ifndef GS_CLIENT_DIGEST_H
#define GS_CLIENT_DIGEST_H

#include "client/encode.h"
#include "client/error.h"

typedef struct GsDigest GsDigest;

/* NULL = no memory. */
GsDigest *gs_digest_open(void);
__attribute__((warn_unused_result)) bool gs_digest_add(GsDigest *digest, const void *data, size_t size);
/* Ends it; `digest` begins anew afterwards. */
__attribute__((warn_unused_result)) bool gs_digest_end(GsDigest *digest, uint8_t sha256[GS_SHA256_BYTES]);
void gs_digest_close(GsDigest *digest);

/* Whom to tell how far it is; `progress` may be NULL. */
typedef struct GsWatcher {
	GsClientProgress progress;
	void *arg;
	GsClientPhase phase;
	uint64_t total;
} GsWatcher;

/*
 * Adds bytes from .. to of the file. LOCAL: unreadable, or shorter than `to` ("it changed"); CANCELLED. `path` is for
 * messages.
 */
__attribute__((warn_unused_result)) int gs_digest_add_file(GsDigest *digest, int fd, int64_t from, int64_t to,
														   const GsWatcher *watcher, const char *path, GsErrorBox *box);

#endif
