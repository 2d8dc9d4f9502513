/* SPDX-License-Identifier: PostgreSQL */
/*
 * One upload on disk, from preallocation to its place among the stored objects. All functions block and run on a pool
 * thread, one at a time for a stage (the caller orders them). After any error only gs_stage_discard may follow.
 */
#ifndef GS_STAGE_H
#define GS_STAGE_H

#include <openssl/evp.h>

#include "storaged/disk.h"
#include "storaged/sidecar.h"

typedef enum GsStageResult {
	GS_STAGE_OK = 0,
	GS_STAGE_NO_ROOM = -1, /* the disk has not that many bytes free */
	GS_STAGE_DIGEST = -2,  /* the bytes are not the promised ones */
	GS_STAGE_FAILED = -3,  /* a call failed, `error` says how */
	GS_STAGE_UNSYNCED = -4 /* fsync or write-back failed: nothing on this disk can be promised any more */
} GsStageResult;

typedef struct GsStage {
	const GsDisk *disk;
	GsUuid object;
	int fd; /* -1 when closed */
	uint64_t size_bytes, written_bytes;
	uint64_t flushing_bytes, flushed_bytes; /* write-back was started, waited for, up to here */
	EVP_MD_CTX *digest;
	int error; /* errno of the failure */
} GsStage;

/* Preallocates size_bytes. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_open(GsStage *stage, const GsDisk *disk,
																const GsUuid *object, uint64_t size_bytes);
/* Appends and hashes. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_write(GsStage *stage, const uint8_t *bytes, size_t size);
/*
 * All bytes are written: checks the digest (expected may be NULL), makes file, journal entry and directories durable.
 * `sidecar` comes with the server and is completed. On GS_STAGE_OK the object is stored and the stage closed.
 */
__attribute__((warn_unused_result)) GsStageResult gs_stage_commit(GsStage *stage, GsSidecar *sidecar,
																  const uint8_t *expected);
/* Closes, and removes all that the stage made, also after a commit that failed half way. False: something is left. */
__attribute__((warn_unused_result)) bool gs_stage_discard(GsStage *stage);

#endif
