/* SPDX-License-Identifier: PostgreSQL */
/*
 * Armed points for the fault tests, compiled in with -DGS_FAULTS only (build/faults/groupshare-storaged):
 * GROUPSHARE_STORAGED_EXIT_AT=step ends the process there as kill -9 would;
 * GROUPSHARE_STORAGED_FAIL_AT=step:errno-number[:ms] makes that call fail, after so many milliseconds.
 */
#ifndef GS_FAULT_H
#define GS_FAULT_H

#ifdef GS_FAULTS
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void gs_fault_exit(const char *step)
{
	const char *armed = getenv("GROUPSHARE_STORAGED_EXIT_AT");

	if (armed != NULL && strcmp(armed, step) == 0)
		_exit(137);
}

/* 0, or the errno that the step is to fail with. */
static inline int gs_fault_errno(const char *step)
{
	const char *armed = getenv("GROUPSHARE_STORAGED_FAIL_AT"), *after;
	size_t size = strlen(step);

	if (armed == NULL || strncmp(armed, step, size) != 0 || armed[size] != ':')
		return 0;
	after = strchr(armed + size + 1, ':');
	if (after != NULL)
		usleep((useconds_t)atoi(after + 1) * 1000);
	return atoi(armed + size + 1);
}
#else
#define gs_fault_exit(step) ((void)0)
#define gs_fault_errno(step) 0
#endif

#endif
