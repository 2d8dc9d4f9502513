/* SPDX-License-Identifier: PostgreSQL */
/*
 * A part of a function whose errors are answered instead of raised, or whose work is only looked at.
 */
#ifndef GS_GUARD_H
#define GS_GUARD_H

#include "postgres.h"

typedef enum GsGuardEnd {
	GS_GUARD_KEEP, /* what the body did stays */
	GS_GUARD_UNDO  /* it is undone, and the locks that it took are released */
} GsGuardEnd;

typedef GsGuardEnd (*GsGuardBody)(void *argument);

/*
 * Runs body(argument) in a subtransaction and in the caller's memory context. NULL when it came to its end; else its
 * error, in the caller's context, after all it did was undone. Who does not know the error passes it on by
 * ReThrowError: no error leaves a function while a subtransaction is open, since the session would be left in an
 * aborted block that nobody has begun.
 */
ErrorData *gs_guard_run(GsGuardBody body, void *argument);

/* The same, for a body that waits for a lock at most so long. False: that time was over, and all it did is undone. Its
 * other errors are raised. */
bool gs_guard_in_time(GsGuardBody body, void *argument, int wait_ms);

#endif
