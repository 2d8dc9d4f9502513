/* SPDX-License-Identifier: PostgreSQL */
/*
 * The only place where subtransactions begin and end.
 */
#include "guard.h"

#include "access/xact.h"
#include "storage/proc.h"
#include "utils/resowner.h"

ErrorData *gs_guard_run(GsGuardBody body, void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (body(argument) == GS_GUARD_KEEP)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

bool gs_guard_in_time(GsGuardBody body, void *argument, int wait_ms)
{
	const int timeout = LockTimeout;
	ErrorData *error;

	LockTimeout = wait_ms;
	error = gs_guard_run(body, argument);
	LockTimeout = timeout;
	if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	return error == NULL;
}
