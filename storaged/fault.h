/* SPDX-License-Identifier: PostgreSQL */
/*
 * Armed points for the fault tests, compiled in with -DGS_FAULTS only (build/faults/groupshare-storaged):
 * GROUPSHARE_STORAGED_EXIT_AT=step[:n] ends the process there as kill -9 would, the n-th time it comes by; with @FILE
 * instead, that file says where, as long as it is there, and is gone when it has happened;
 * GROUPSHARE_STORAGED_FAIL_AT=step:errno-number[:ms] makes that call fail, after so many milliseconds.
 */
#ifndef GS_FAULT_H
#define GS_FAULT_H

#ifdef GS_FAULTS
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is armed: copied from the file, or the variable itself. "": nothing. */
static inline const char *gs_fault_armed(const char *variable, char *text, int size)
{
	FILE *file = variable[0] == '@' ? fopen(variable + 1, "re") : NULL;

	if (variable[0] != '@')
		return variable;
	if (file == NULL || fgets(text, size, file) == NULL)
		text[0] = '\0';
	if (file != NULL)
		fclose(file);
	return text;
}

static inline void gs_fault_exit(const char *step)
{
	static atomic_int passed;
	const char *variable = getenv("GROUPSHARE_STORAGED_EXIT_AT"), *armed;
	size_t size = strlen(step);
	char text[64];

	if (variable == NULL)
		return;
	armed = gs_fault_armed(variable, text, sizeof(text));
	if (strncmp(armed, step, size) != 0 || (armed[size] != '\0' && armed[size] != ':'))
		return;
	if (armed[size] == ':' && atomic_fetch_add(&passed, 1) + 1 < atoi(armed + size + 1))
		return;
	if (variable[0] == '@')
		unlink(variable + 1);
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
