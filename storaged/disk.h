/* SPDX-License-Identifier: PostgreSQL */
/*
 * The device's directory:
 *
 *   lock                     held by flock for as long as the daemon lives
 *   epoch                    the last epoch used
 *   staging/OBJECT           bytes of an upload that is not finished
 *   staging/OBJECT.json      its sidecar while it is being written
 *   staging/OBJECT.part      how far it has durably come, when it may be resumed (OBJECT.next: while being written)
 *   journal/OBJECT.json      sidecar of an object that is stored but not yet acknowledged by its control server
 *   quarantine/OBJECT[.json] a damaged object, not served (quarantine.h)
 *   scrub                    how far the scrub is
 *   objects/ab/OBJECT        stored bytes; ab = the last two characters
 *   objects/ab/OBJECT.json   its sidecar, once acknowledged
 *
 * Every file is opened relative to a directory descriptor, O_NOFOLLOW, by a name made of a checked GsUuid. All
 * functions block: pool threads and start-up only. They hold no state besides the descriptors, so they may run side by
 * side for different objects; for one object the caller orders them (active.h).
 */
#ifndef GS_DISK_H
#define GS_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "storaged/uuid.h"

#define GS_DISK_NAME_MAX (GS_UUID_TEXT + sizeof(".json"))

typedef struct GsDisk {
	int root, lock, staging, journal, objects, quarantine; /* -1 when closed */
} GsDisk;

/* Makes what is missing. 0, or -1 with `error` filled; *disk is then closed. */
__attribute__((warn_unused_result)) int gs_disk_open(GsDisk *disk, const char *root, char *error, size_t error_size);
void gs_disk_close(GsDisk *disk);

void gs_disk_name(const GsUuid *object, bool sidecar, char name[GS_DISK_NAME_MAX]);
/* Directory descriptor of objects/ab (the caller closes it), or -errno. `create`: made, durably, when missing. */
__attribute__((warn_unused_result)) int gs_disk_shard(const GsDisk *disk, const GsUuid *object, bool create);
/* The stored bytes, opened for reading, or -errno. */
__attribute__((warn_unused_result)) int gs_disk_open_object(const GsDisk *disk, const GsUuid *object);

/*
 * Never waits for the disk, so that the loop may ask: an object's sidecar or bytes as gs_disk_open_object opens them,
 * and the first `size` bytes of it. What is not in memory, or can't be told without waiting, is -EAGAIN or another
 * -errno: the pool is then asked.
 */
__attribute__((warn_unused_result)) int gs_disk_open_cached(const GsDisk *disk, const GsUuid *object, bool sidecar);
__attribute__((warn_unused_result)) ssize_t gs_disk_read_cached(int fd, void *bytes, size_t size);

typedef struct GsDiskSpace {
	uint64_t total_bytes, free_bytes; /* free: to a process without privileges */
} GsDiskSpace;

/* With fewer inodes left than these nothing more is begun, so that what is under way comes to its end: an object and
 * its sidecar are two, an upload in parts has two more for a while. */
#define GS_DISK_SPARE_FILES 1024

/* 0 or -errno: -EROFS for a file system that is mounted read-only. Bytes that no file could be made for are not free.
 */
__attribute__((warn_unused_result)) int gs_disk_space(const GsDisk *disk, GsDiskSpace *space);

/* The epoch of this start: `now_us`, but more than the last one; kept durably. Negative: -errno. */
__attribute__((warn_unused_result)) int64_t gs_disk_next_epoch(const GsDisk *disk, int64_t now_us);

/* Goes on after a signal. 0 or -errno, which never says that room or memory is lacking. */
__attribute__((warn_unused_result)) int gs_disk_sync(int fd);
/* Missing is fine. 0 or -errno. */
__attribute__((warn_unused_result)) int gs_disk_unlink(int dir, const char *name);
/* The same; *freed_bytes: how much that was, 0 when it was missing, could not be looked at, or is still there. */
__attribute__((warn_unused_result)) int gs_disk_remove(int dir, const char *name, uint64_t *freed_bytes);
/* A small file written and synced, but not its directory. 0 or -errno. */
__attribute__((warn_unused_result)) int gs_disk_write_small(int dir, const char *name, const char *text, size_t size);
/* Renames and syncs the target's directory. 0 or -errno. */
__attribute__((warn_unused_result)) int gs_disk_publish(int from_dir, const char *from, int dir, const char *name);
/* At most max bytes of a small file; the count or -errno (-EFBIG when it is longer). */
__attribute__((warn_unused_result)) ssize_t gs_disk_read_small(int dir, const char *name, char *text, size_t max);

#endif
