/* SPDX-License-Identifier: PostgreSQL */
/*
 * Promising bytes, and the queue in front of it.
 *
 * Whether the device still fits is found out under the lock of its ledger row, on the row as its last holder left it,
 * which then gets the bytes (gs_row_update writes no other version). The lock lasts until the transaction ends, its
 * flush to disk included; so those who want a busy device would stand at the row in dozens, all be woken by each
 * commit, and all but one lie down again at the row's next version. Therefore they first take a lock of the device's
 * own, whose queue is in order and wakes one at a time; at the row itself there are then only reports, receipts and the
 * like, and one notice.
 *
 * Waiting happens in a subtransaction with a lock_timeout, so that giving up leaves the notice whole. It is only
 * allowed while no ledger row is held (gs_ledger_held): who waits for the queue holds nothing that a holder of a ledger
 * row can still want, who waits for the row only its device's place in the queue. Nobody who holds a ledger row waits
 * for a queue. So no cycle can arise (the order of ledger rows among themselves: reservation.c).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"

#include "guard.h"
#include "ledger.h"
#include "lookup.h"
#include "objection.h"
#include "reserve.h"
#include "row.h"
#include "standing.h"

#define QUEUE_SPACE 0x6773 /* sets the queues apart from users' advisory locks, whose objsubid is 1 or 2 */

static GsTable ledger_table = {.name = "device_ledger", .columns = {"reserved_bytes"}};

/* The ledger row is locked: what it says is how its last holder left it. */
static bool promise(const GsQuestion *question, const GsCursor *ledger)
{
	GsStanding standing = gs_standing_of(ledger);
	Datum reserved;

	if (gs_objection(&standing, question->size, question->avoid) != NULL)
		return false;
	reserved = Int64GetDatum(gs_lookup_int64(ledger, GS_LEDGER_RESERVED, 0) + question->size);
	gs_row_update(&ledger_table, ledger, &reserved, NULL);
	return true;
}

/* False: by LockWaitSkip, another transaction holds the row; or something speaks against the device now. */
static bool reserve(const GsQuestion *question, const pg_uuid_t *id, LockWaitPolicy wait)
{
	const GsKey key = GS_KEY_UUID(1, id);
	GsCursor ledger;
	bool reserved = false;

	if (gs_lookup_one(&ledger, &gs_standing_ledger, &key, 1) && gs_lookup_lock(&ledger, wait)) {
		gs_ledger_note_held();
		reserved = promise(question, &ledger);
	}
	gs_lookup_close(&ledger);
	return reserved;
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
	bool queues = !gs_ledger_held();

	if (queues && LockAcquire(&queue, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	if (reserve(question, device, LockWaitSkip))
		return true;
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
	char timeout[16];
	int settings = NewGUCNestLevel();

	snprintf(timeout, sizeof(timeout), "%d", turn->wait_ms);
	(void)set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void)LockAcquire(&queue, ExclusiveLock, false, false);
	turn->reserved = reserve(turn->question, turn->device, LockWaitBlock);
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
