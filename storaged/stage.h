/* SPDX-License-Identifier: PostgreSQL */
/*
 * One upload on disk, from preallocation to its place among the stored objects. All functions block and run on a pool
 * thread, one at a time for a stage (the caller orders them). After any error only gs_stage_discard may follow.
 * Loop thread: gs_stage_recall, gs_stage_record_due, gs_stage_keep, and gs_stage_close of a paused stage.
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
	EVP_MD_CTX *digest; /* NULL after a start of the daemon: what is on disk is to be hashed again */
	int error;          /* errno of the failure */
	/* Of an upload that may be resumed (stage_resume.c): */
	bool resumable;
	GsUuid server;
	int64_t until_s;         /* kept until then, seconds since 1970 */
	uint64_t hashed_bytes;   /* `digest` is over as many; less than written_bytes only until it has caught up */
	uint64_t recorded_bytes; /* the offset that is durably recorded */
	EVP_MD_CTX *mark;        /* the digest at mark_bytes, to which a body that proves wrong is undone; else NULL */
	uint64_t mark_bytes;
} GsStage;

/* Preallocates size_bytes; whatever was staged of the object is gone. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_open(GsStage *stage, const GsDisk *disk,
																const GsUuid *object, uint64_t size_bytes);
/* Appends and hashes. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_write(GsStage *stage, const uint8_t *bytes, size_t size);
/* What an errno, negative, means for an upload: only what may have lost bytes makes the device read-only. */
GsStageResult gs_stage_result(int error);

/*
 * All bytes are written: checks the digest (expected may be NULL), makes file, journal entry and directories durable.
 * `sidecar` comes with the server and is completed. On GS_STAGE_OK the object is stored and the stage closed.
 */
__attribute__((warn_unused_result)) GsStageResult gs_stage_commit(GsStage *stage, GsSidecar *sidecar,
																  const GsOrigin *origin, const uint8_t *expected);
/* Closes what is open; the disk keeps what it has. */
void gs_stage_close(GsStage *stage);
/* Closes, and removes all that the stage made, also after a commit that failed half way. False: something is left. */
__attribute__((warn_unused_result)) bool gs_stage_discard(GsStage *stage);

/* stage_resume.c: an upload that comes in several parts -------------------------------------------------------------
 */

/* As gs_stage_open, with a record that survives the daemon. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_open_resumable(GsStage *stage, const GsDisk *disk,
																		  const GsUuid *object, const GsUuid *server,
																		  uint64_t size_bytes, int64_t until_s);
/* A stage known from its record only, as the start of the daemon finds it. */
struct GsProgress;
void gs_stage_recall(GsStage *stage, const GsDisk *disk, const struct GsProgress *progress);
/* Opens what gs_stage_pause has closed. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_resume(GsStage *stage, int64_t until_s);
/* One bounded step of hashing what is on disk; needed until hashed_bytes is written_bytes. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_catch_up(GsStage *stage);
/* Is so much written since the last record that it is time for the next? */
bool gs_stage_record_due(const GsStage *stage);
/* Syncs what is written and records it. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_record(GsStage *stage);
/* What is written from here on counts only once gs_stage_keep has been called; gs_stage_pause drops it. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_mark(GsStage *stage);
void gs_stage_keep(GsStage *stage);
/* Records and closes; `digest` stays. */
__attribute__((warn_unused_result)) GsStageResult gs_stage_pause(GsStage *stage);

#endif
