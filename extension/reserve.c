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
 * Waiting happens in a subtransaction with a lock_timeout, so that giving up leaves the notice whole; the row is then
 * mostly free and written outside of it, which spares a transaction number each time. Waiting is only allowed while no
 * ledger row is held (gs_ledger_held): who waits for the queue holds nothing that a holder of a ledger row can still
 * want, who waits for the row only its device's place in the queue. Nobody who holds a ledger row waits for a queue. So
 * no cycle can arise (the order of ledger rows among themselves: reservation.c).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/resowner.h"

#include "guard.h"
#include "ledger.h"
#include "lookup.h"
#include "objection.h"
#include "reserve.h"
#include "row.h"
#include "standing.h"

#define QUEUE_SPACE 0x6773 /* sets the queues apart from users' advisory locks, whose objsubid is 1 or 2 */

static GsTable ledger_table = {.name = "device_ledger", .columns = {"reserved_bytes"}};

typedef enum Outcome { RESERVED, OBJECTED, HELD } Outcome;

static bool objects(const GsQuestion *question, const GsCursor *ledger)
{
	GsStanding standing = gs_standing_of(ledger);

	return gs_objection(&standing, question->size, question->avoid) != NULL;
}

/* The ledger row is locked: what it says is how its last holder left it. False: something speaks against the device. */
static bool promise(const GsQuestion *question, const GsCursor *ledger)
{
	Datum reserved;

	if (objects(question, ledger))
		return false;
	reserved = Int64GetDatum(gs_lookup_int64(ledger, GS_LEDGER_RESERVED, 0) + question->size);
	return gs_row_update(&ledger_table, ledger, &reserved, NULL);
}

/* A row that speaks against its device before it is locked is left alone. HELD: by LockWaitSkip only. */
static Outcome reserve(const GsQuestion *question, const pg_uuid_t *id, LockWaitPolicy wait)
{
	const GsKey key = GS_KEY_UUID(1, id);
	Outcome outcome = OBJECTED;
	GsCursor ledger;

	if (gs_lookup_one_at(&ledger, &gs_standing_ledger, &key, gs_standing_place(id)) && !objects(question, &ledger)) {
		if (!gs_lookup_lock(&ledger, wait))
			outcome = HELD;
		else if (promise(question, &ledger))
			outcome = RESERVED;
		else if (wait == LockWaitSkip) /* who has waited gives the row back with its subtransaction */
			gs_ledger_note_held();
	}
	gs_lookup_close(&ledger);
	return outcome;
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
	if (reserve(question, device, LockWaitSkip) == RESERVED)
		return true;
	if (queues)
		LockRelease(&queue, ExclusiveLock, false);
	return false;
}

typedef struct Turn {
	const GsQuestion *question;
	const pg_uuid_t *device;
	LOCKTAG queue;
	Outcome outcome;
} Turn;

static GsGuardEnd wait_for_turn(void *argument)
{
	Turn *turn = argument;

	(void)LockAcquire(&turn->queue, ExclusiveLock, false, false);
	return GS_GUARD_KEEP;
}

static GsGuardEnd wait_for_row(void *argument)
{
	Turn *turn = argument;

	turn->outcome = reserve(turn->question, turn->device, LockWaitBlock);
	return turn->outcome == RESERVED ? GS_GUARD_KEEP : GS_GUARD_UNDO;
}

/* The subtransaction that got the lock has left it to the transaction. */
static void leave_queue(const LOCKTAG *queue)
{
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = CurTransactionResourceOwner;
	(void)LockRelease(queue, ExclusiveLock, false);
	CurrentResourceOwner = owner;
}

bool gs_reserve_queue(const GsQuestion *question, const pg_uuid_t *device, int wait_ms)
{
	Turn turn = {.question = question, .device = device, .queue = queue_of(device)};

	if (!gs_guard_in_time(wait_for_turn, &turn, wait_ms))
		return false;
	turn.outcome = reserve(question, device, LockWaitSkip);
	if (turn.outcome == HELD && !gs_guard_in_time(wait_for_row, &turn, wait_ms))
		turn.outcome = HELD;
	if (turn.outcome != RESERVED)
		leave_queue(&turn.queue);
	return turn.outcome == RESERVED;
}
