/* SPDX-License-Identifier: PostgreSQL */
/*
 * The statement that promises bytes, and the queue in front of it.
 *
 * The statement finds out whether the device still fits and adds to its ledger row under the row's lock: after a wait
 * PostgreSQL looks at the conditions again, on the row as its last holder left it. The lock lasts until the transaction
 * ends, its flush to disk included; so those who want a busy device would stand at the row in dozens, all be woken by
 * each commit, and all but one lie down again at the row's next version. Therefore they first take a lock of the
 * device's own, whose queue is in order and wakes one at a time; at the row itself there are then only reports,
 * receipts and the like, and one notice.
 *
 * Waiting happens in a subtransaction with a lock_timeout, so that giving up leaves the notice whole. It is only
 * allowed while no ledger row is held (gs_ledger_held): who waits for the queue holds nothing that a holder of a ledger
 * row can still want, who waits for the row only its device's place in the queue. Nobody who holds a ledger row waits
 * for a queue. So no cycle can arise (the order of ledger rows among themselves: reservation.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"

#include "guard.h"
#include "ledger.h"
#include "lookup.h"
#include "objection.h"
#include "plan.h"
#include "reserve.h"

#define QUEUE_SPACE 0x6773 /* sets the queues apart from users' advisory locks, whose objsubid is 1 or 2 */

enum { PARAMETERS = 3 };

#define RESERVE                                                                     \
	" UPDATE groupshare.device_ledger l SET reserved_bytes = l.reserved_bytes + $2" \
	" FROM groupshare.device d WHERE l.device_id = $1 AND d.id = $1 AND" OBJECTION "IS NULL"
static GsPlan reserve_plan = {
	.sql = RESERVE,
	.types = {UUIDOID, OBJECTION_TYPES},
	.by_key = true,
};

static GsLookup ledger_lookup = {.table = "device_ledger", .index = "device_ledger_pkey", .columns = {"device_id"}};

/* False: another transaction holds the row. */
static bool lock_free_ledger(const pg_uuid_t *device)
{
	const GsKey key = GS_KEY_UUID(1, device);
	GsCursor cursor;
	bool locked = gs_lookup_one(&cursor, &ledger_lookup, &key, 1) && gs_lookup_lock(&cursor, LockWaitSkip);

	gs_lookup_close(&cursor);
	return locked;
}

static LOCKTAG queue_of(const pg_uuid_t *device)
{
	LOCKTAG tag;
	uint32 key[2];

	memcpy(key, device->data, sizeof(key));
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, key[0], key[1], QUEUE_SPACE);
	return tag;
}

bool gs_reserve_free(const GsQuestion *question, const pg_uuid_t *device)
{
	LOCKTAG queue = queue_of(device);
	Datum values[PARAMETERS];
	bool queues = !gs_ledger_held();

	if (queues && LockAcquire(&queue, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	if (lock_free_ledger(device)) {
		gs_ledger_note_held();
		gs_objection_parameters(values, UUIDPGetDatum(device), question);
		if (gs_plan_run(&reserve_plan, values, NULL, 0) == 1)
			return true;
	}
	if (queues)
		LockRelease(&queue, ExclusiveLock, false);
	return false;
}

typedef struct Turn {
	const GsQuestion *question;
	const pg_uuid_t *device;
	int wait_ms;
	bool reserved;
} Turn;

static GsGuardEnd wait_and_reserve(void *argument)
{
	Turn *turn = argument;
	LOCKTAG queue = queue_of(turn->device);
	Datum values[PARAMETERS];
	char timeout[16];
	int settings = NewGUCNestLevel();

	snprintf(timeout, sizeof(timeout), "%d", turn->wait_ms);
	(void)set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void)LockAcquire(&queue, ExclusiveLock, false, false);
	gs_objection_parameters(values, UUIDPGetDatum(turn->device), turn->question);
	turn->reserved = gs_plan_run(&reserve_plan, values, NULL, 0) == 1;
	AtEOXact_GUC(false, settings);
	return turn->reserved ? GS_GUARD_KEEP : GS_GUARD_UNDO;
}

bool gs_reserve_queue(const GsQuestion *question, const pg_uuid_t *device, int wait_ms)
{
	Turn turn = {.question = question, .device = device, .wait_ms = wait_ms};
	ErrorData *error = gs_guard_run(wait_and_reserve, &turn);

	if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	return error == NULL && turn.reserved;
}
