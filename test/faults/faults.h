/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a test and the preloaded object (calls.c) share: a small file that both map. The test writes everything, `armed`
 * last; the process counts and says what it hit. lib/GroupShare/Faults.pm knows the same layout.
 */
#ifndef GS_TEST_FAULTS_H
#define GS_TEST_FAULTS_H

#include <stdint.h>

/* Kinds of calls; those with a path count only below the root. */
enum {
	CALL_OPEN = 1 << 0,
	CALL_READ = 1 << 1,
	CALL_WRITE = 1 << 2,
	CALL_SYNC = 1 << 3, /* fsync, fdatasync, sync_file_range of a file */
	CALL_RENAME = 1 << 4,
	CALL_UNLINK = 1 << 5,
	CALL_ALLOCATE = 1 << 6,
	CALL_STAT = 1 << 7, /* fstat, fstatat, statx, fstatvfs, faccessat */
	CALL_MKDIR = 1 << 8,
	CALL_SYNC_DIR = 1 << 9, /* fsync of a directory */
	CALL_MALLOC = 1 << 10,  /* malloc, calloc, realloc from the program itself */
	CALL_LIBRARY = 1 << 11, /* the same from the libraries it uses, but libuv, which aborts by design */
};

enum {
	EFFECT_FAIL = 1, /* with `error` */
	EFFECT_SHORT,    /* a read or write does half */
	EFFECT_KILL,     /* SIGKILL before the call */
	EFFECT_SKIP,     /* reports success and does nothing */
	EFFECT_SLOW,     /* sleeps `error` milliseconds, then does it */
};

typedef struct Control {
	_Atomic uint32_t armed;
	uint32_t calls, effect;
	int32_t error;
	uint32_t first, last; /* which of the calls are hit, counted from 1 */
	_Atomic uint32_t count, hits;
	char what[192]; /* the last that was hit: "openat DIRECTORY/NAME", "malloc libjansson" */
	char only[64];  /* unless empty: calls whose `what` has it are counted, and no others */
} Control;

#endif
