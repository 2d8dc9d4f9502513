/* SPDX-License-Identifier: PostgreSQL */
/*
 * How far an upload that may be resumed has durably come: staging/OBJECT.part, {object, server, size, offset, until}.
 * It is written after the bytes that it speaks of are synced, and replaced as a whole, so that after any crash the
 * offset in it is true. The disk functions block: pool threads and start-up only. 0 or -errno.
 */
#ifndef GS_PROGRESS_H
#define GS_PROGRESS_H

#include "storaged/codec.h"
#include "storaged/disk.h"

#define GS_PROGRESS_MAX_BYTES 512

typedef struct GsProgress {
	GsUuid object, server;
	uint64_t size_bytes, offset_bytes; /* offset <= size */
	int64_t until_s;                   /* kept until then */
} GsProgress;

/* The text's size, NUL not counted; 0 when out of memory. */
__attribute__((warn_unused_result)) size_t gs_progress_encode(const GsProgress *progress,
															  char text[GS_PROGRESS_MAX_BYTES]);
/* 0, -ENOMEM, or -EBADMSG. */
__attribute__((warn_unused_result)) int gs_progress_decode(const char *text, size_t size, GsProgress *progress);

/* Durable when it returns. */
__attribute__((warn_unused_result)) int gs_progress_write(const GsDisk *disk, const GsProgress *progress);
/* -ENOENT: none; -EBADMSG: damaged. */
__attribute__((warn_unused_result)) int gs_progress_read(const GsDisk *disk, const GsUuid *object,
														 GsProgress *progress);
/* `durably`: the staged bytes are about to be overwritten, which no crash may find described by the old record. */
__attribute__((warn_unused_result)) int gs_progress_remove(const GsDisk *disk, const GsUuid *object, bool durably);

#endif
