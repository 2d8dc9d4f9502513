/* SPDX-License-Identifier: PostgreSQL */
/*
 * Index look-ups without the executor. Invariants: the current role's right to read the table (to lock rows of it: to
 * update it) is checked as for a statement; a scan goes by an MVCC snapshot, so that it also takes the predicate locks
 * of SERIALIZABLE. Locks on table and index end with the look-up, as those of PostgreSQL's own look-ups in its catalog
 * do: a transaction has sixteen of them that cost nothing to others, and all further ones are kept in memory that all
 * backends fight for. Locks on rows stay.
 *
 * What a GsLookup's names mean is looked up once, and again when anything in the catalog has changed.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "lookup.h"
#include "plan.h"

/* What changes while it looks is looked up again the next time. */
static void learn(GsLookup *lookup)
{
	const uint64 state = gs_catalog_state();

	if (lookup->known == state)
		return;
	lookup->table_oid = gs_catalog_relation(lookup->table);
	lookup->index_oid = gs_catalog_relation(lookup->index);
	for (int i = 0; i < GS_LOOKUP_COLUMNS && lookup->columns[i] != NULL; i++)
		lookup->numbers[i] = gs_catalog_column(lookup->table_oid, lookup->table, lookup->columns[i]);
	lookup->key = InvalidAttrNumber;
	lookup->known = state;
}

/* With the lock comes what others have committed, a REINDEX CONCURRENTLY that drops the index which is known, say.
 * Under it the index stays. */
static Relation open_table(GsLookup *lookup)
{
	for (;;) {
		Relation table;

		learn(lookup);
		gs_catalog_require(&lookup->may_read, lookup->table_oid, lookup->table, ACL_SELECT);
		table = table_open(lookup->table_oid, AccessShareLock);
		if (lookup->known == gs_catalog_state())
			return table;
		table_close(table, AccessShareLock);
		CHECK_FOR_INTERRUPTS();
	}
}

void gs_lookup_open(GsCursor *cursor, GsLookup *lookup)
{
	cursor->lookup = lookup;
	cursor->table = open_table(lookup);
	cursor->index = NULL;
	cursor->row = table_slot_create(cursor->table, NULL);
	cursor->scan = NULL;
	cursor->fetch = NULL;
}

static void open_index(GsCursor *cursor)
{
	GsLookup *lookup = cursor->lookup;

	cursor->index = index_open(lookup->index_oid, AccessShareLock);
	lookup->key = cursor->index->rd_index->indkey.values[0];
	lookup->key_collation = cursor->index->rd_indcollation[0];
}

static void end_scan(GsCursor *cursor)
{
	ExecClearTuple(cursor->row);
	if (cursor->scan != NULL)
		index_endscan(cursor->scan);
	cursor->scan = NULL;
}

void gs_lookup_close(GsCursor *cursor)
{
	end_scan(cursor);
	if (cursor->fetch != NULL)
		table_index_fetch_end(cursor->fetch);
	ExecDropSingleTupleTableSlot(cursor->row);
	if (cursor->index != NULL)
		index_close(cursor->index, AccessShareLock);
	table_close(cursor->table, AccessShareLock);
}

/* The next look-up of the same kind goes on with the scan. */
static bool goes_on(const GsCursor *cursor, int count)
{
	return cursor->scan != NULL && cursor->scan->numberOfKeys == count &&
		   cursor->scan->xs_snapshot == GetActiveSnapshot();
}

void gs_lookup_find(GsCursor *cursor, const GsKey *keys, int count)
{
	ScanKeyData scan_keys[GS_LOOKUP_KEYS];

	Assert(count <= GS_LOOKUP_KEYS);
	if (cursor->index == NULL)
		open_index(cursor);
	for (int i = 0; i < count; i++)
		ScanKeyEntryInitialize(&scan_keys[i], 0, keys[i].column, keys[i].strategy, InvalidOid,
							   cursor->index->rd_indcollation[keys[i].column - 1], keys[i].compare, keys[i].value);
	if (goes_on(cursor, count)) {
		ExecClearTuple(cursor->row);
	} else {
		end_scan(cursor);
		cursor->scan = index_beginscan(cursor->table, cursor->index, GetActiveSnapshot(), count, 0);
	}
	index_rescan(cursor->scan, scan_keys, count, NULL, 0);
}

bool gs_lookup_next(GsCursor *cursor)
{
	return index_getnext_slot(cursor->scan, ForwardScanDirection, cursor->row);
}

/* Who makes a table shorter tells all backends before it gives the table free; whoever locks it then has forgotten the
 * number. */
bool gs_lookup_has_block(Relation table, BlockNumber block)
{
	const BlockNumber least = RelationGetSmgr(table)->smgr_cached_nblocks[MAIN_FORKNUM];

	return (least != InvalidBlockNumber && block < least) || block < RelationGetNumberOfBlocks(table);
}

/* The version that the snapshot sees of the row whose index entry points there, if that is the row wanted. */
static bool is_at(GsCursor *cursor, const GsKey *key, ItemPointerData at)
{
	const GsLookup *lookup = cursor->lookup;
	bool again = false, isnull;
	Datum value;

	if (lookup->key == InvalidAttrNumber || !gs_lookup_has_block(cursor->table, ItemPointerGetBlockNumber(&at)))
		return false;
	if (cursor->fetch == NULL)
		cursor->fetch = table_index_fetch_begin(cursor->table);
	if (!table_index_fetch_tuple(cursor->fetch, &at, GetActiveSnapshot(), cursor->row, &again, NULL))
		return false;
	value = slot_getattr(cursor->row, lookup->key, &isnull);
	return !isnull && DatumGetBool(OidFunctionCall2Coll(key->compare, lookup->key_collation, value, key->value));
}

bool gs_lookup_at(GsCursor *cursor, const GsKey *key, ItemPointer at)
{
	ItemPointer tid;

	if (ItemPointerIsValid(at) && is_at(cursor, key, *at))
		return true;
	gs_lookup_find(cursor, key, 1);
	while ((tid = index_getnext_tid(cursor->scan, ForwardScanDirection)) != NULL) {
		*at = *tid;
		if (index_fetch_heap(cursor->scan, cursor->row))
			return true;
	}
	return false;
}

static void keep_row(GsCursor *cursor, bool found)
{
	if (found)
		ExecMaterializeSlot(cursor->row);
	if (cursor->scan != NULL)
		index_endscan(cursor->scan);
	cursor->scan = NULL;
	gs_plan_thaw();
}

bool gs_lookup_one(GsCursor *cursor, GsLookup *lookup, const GsKey *keys, int count)
{
	bool found;

	gs_lookup_open(cursor, lookup);
	gs_plan_freeze();
	gs_lookup_find(cursor, keys, count);
	found = gs_lookup_next(cursor);
	keep_row(cursor, found);
	return found;
}

bool gs_lookup_one_at(GsCursor *cursor, GsLookup *lookup, const GsKey *key, ItemPointer at)
{
	bool found;

	gs_lookup_open(cursor, lookup);
	gs_plan_freeze();
	found = gs_lookup_at(cursor, key, at);
	keep_row(cursor, found);
	return found;
}

/* As nodeLockRows.c does it. */
bool gs_lookup_lock(GsCursor *cursor, LockWaitPolicy wait)
{
	const int flags =
		TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS | (IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION);
	ItemPointerData at = cursor->row->tts_tid;
	TM_FailureData failure;
	TM_Result result;

	PreventCommandIfReadOnly("SELECT FOR NO KEY UPDATE");
	gs_catalog_require(&cursor->lookup->may_lock, cursor->lookup->table_oid, cursor->lookup->table, ACL_UPDATE);
	gs_plan_freeze();
	result = table_tuple_lock(cursor->table, &at, GetActiveSnapshot(), cursor->row, GetCurrentCommandId(false),
							  LockTupleNoKeyExclusive, wait, flags, &failure);
	gs_plan_thaw();
	if ((result == TM_Updated || result == TM_Deleted) && IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access due to concurrent update")));
	if (result == TM_Ok || result == TM_WouldBlock || result == TM_Deleted)
		return result == TM_Ok;
	elog(ERROR, "could not lock a row of groupshare.%s: %d", cursor->lookup->table, (int)result);
}

Datum gs_lookup_datum(const GsCursor *cursor, int col, bool *isnull)
{
	return slot_getattr(cursor->row, cursor->lookup->numbers[col - 1], isnull);
}

bool gs_lookup_isnull(const GsCursor *cursor, int col)
{
	return slot_attisnull(cursor->row, cursor->lookup->numbers[col - 1]);
}

int64 gs_lookup_int64(const GsCursor *cursor, int col, int64 if_null)
{
	bool isnull;
	Datum value = gs_lookup_datum(cursor, col, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

int32 gs_lookup_int32(const GsCursor *cursor, int col, int32 if_null)
{
	bool isnull;
	Datum value = gs_lookup_datum(cursor, col, &isnull);

	return isnull ? if_null : DatumGetInt32(value);
}

bool gs_lookup_bool(const GsCursor *cursor, int col)
{
	bool isnull;
	Datum value = gs_lookup_datum(cursor, col, &isnull);

	return !isnull && DatumGetBool(value);
}

double gs_lookup_float8(const GsCursor *cursor, int col, double if_null)
{
	bool isnull;
	Datum value = gs_lookup_datum(cursor, col, &isnull);

	return isnull ? if_null : DatumGetFloat8(value);
}

TimestampTz gs_lookup_timestamp(const GsCursor *cursor, int col, TimestampTz if_null)
{
	return gs_lookup_int64(cursor, col, if_null);
}

char *gs_lookup_text(const GsCursor *cursor, int col)
{
	bool isnull;
	Datum value = gs_lookup_datum(cursor, col, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

pg_uuid_t gs_lookup_uuid(const GsCursor *cursor, int col)
{
	bool isnull;
	Datum value = gs_lookup_datum(cursor, col, &isnull);

	if (isnull)
		elog(ERROR, "unexpected NULL in groupshare.%s", cursor->lookup->table);
	return *DatumGetUUIDP(value);
}

bytea *gs_lookup_bytea(const GsCursor *cursor, int col)
{
	bool isnull;
	Datum value = gs_lookup_datum(cursor, col, &isnull);

	return isnull ? NULL : DatumGetByteaPCopy(value);
}
