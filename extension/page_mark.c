/* SPDX-License-Identifier: PostgreSQL */
/*
 * The greatest transaction that noted one of the subjects of a slot. Shared by all databases of the server: numbers of
 * transactions are, and a slot that tells too much costs a look at the notes.
 *
 * Invariants: a transaction marks before it commits, so who sees what it did sees its mark. A slot never goes back.
 * What was noted before the server's start has no mark: it is of transactions below `floor`, the next number when marks
 * were first used, one that was prepared before and commits later among them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "page_mark.h"

#define SLOTS (1 << 17) /* 1 MiB */

typedef struct Marks {
	pg_atomic_uint64 floor; /* 0 until the first use: at the postmaster's start no number is known */
	pg_atomic_uint64 slots[SLOTS];
} Marks;

static Marks *marks; /* NULL without shared_preload_libraries */
static shmem_request_hook_type next_request;
static shmem_startup_hook_type next_startup;

static void request_memory(void)
{
	if (next_request != NULL)
		next_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Marks)));
}

static void start_memory(void)
{
	bool found;

	if (next_startup != NULL)
		next_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	marks = ShmemInitStruct("groupshare page marks", sizeof(Marks), &found);
	if (!found) {
		pg_atomic_init_u64(&marks->floor, 0);
		for (int i = 0; i < SLOTS; i++)
			pg_atomic_init_u64(&marks->slots[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

void gs_page_mark_register(void)
{
	next_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_startup = shmem_startup_hook;
	shmem_startup_hook = start_memory;
}

static uint64 lowest(void)
{
	uint64 floor = pg_atomic_read_u64(&marks->floor);
	uint64 next;

	if (floor != 0)
		return floor;
	next = U64FromFullTransactionId(ReadNextFullTransactionId());
	return pg_atomic_compare_exchange_u64(&marks->floor, &floor, next) ? next : floor;
}

void gs_page_mark_begin(void)
{
	if (marks != NULL)
		(void)lowest();
}

static pg_atomic_uint64 *slot_of(const pg_uuid_t *subject)
{
	return &marks->slots[hash_bytes(subject->data, UUID_LEN) % SLOTS];
}

void gs_page_mark(const pg_uuid_t *subject)
{
	uint64 xid = U64FromFullTransactionId(GetTopFullTransactionId());
	pg_atomic_uint64 *slot;
	uint64 seen;

	if (marks == NULL)
		return;
	slot = slot_of(subject);
	seen = pg_atomic_read_u64(slot);
	while (seen < xid && !pg_atomic_compare_exchange_u64(slot, &seen, xid))
		;
	pg_memory_barrier();
}

bool gs_page_mark_since(const pg_uuid_t *subject, FullTransactionId xmin)
{
	uint64 before = U64FromFullTransactionId(xmin);

	if (marks == NULL)
		return true;
	pg_memory_barrier();
	return before < lowest() || pg_atomic_read_u64(slot_of(subject)) >= before;
}
