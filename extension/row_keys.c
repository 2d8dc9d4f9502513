/* SPDX-License-Identifier: PostgreSQL */
/*
 * A row referred to counts as held when it is visible by a snapshot of now and either this transaction has inserted it
 * (nobody else sees it, and deleting it here checks what refers to it) or it could be locked as FOR KEY SHARE does, at
 * its latest version.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_trigger.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "lookup.h"
#include "plan.h"
#include "row_keys.h"

#define SEEN 4

/* How column `i` (from 0) of the index is compared with the column that refers to it; false: not as it is stored. */
static bool learn_column(GsReference *reference, const ForeignKeyCacheInfo *key, Relation relation, Relation index,
						 int i)
{
	for (int k = 0; k < key->nkeys; k++) {
		const Oid type = TupleDescAttr(RelationGetDescr(relation), key->conkey[k] - 1)->atttypid;

		if (key->confkey[k] != index->rd_index->indkey.values[i])
			continue;
		if (getBaseType(type) != index->rd_opcintype[i] ||
			get_op_opfamily_strategy(key->conpfeqop[k], index->rd_opfamily[i]) != BTEqualStrategyNumber)
			return false;
		reference->columns[i] = key->conkey[k];
		reference->referred[i] = key->confkey[k];
		ScanKeyEntryInitialize(&reference->keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[i], get_opcode(key->conpfeqop[k]), (Datum)0);
		return true;
	}
	return false;
}

static bool learn_reference(GsReference *reference, const ForeignKeyCacheInfo *key, Relation relation)
{
	Relation index = index_open(reference->index, AccessShareLock);
	bool known = index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
				 index->rd_index->indnkeyatts == key->nkeys && get_rel_relkind(key->confrelid) == RELKIND_RELATION &&
				 key->confrelid != RelationGetRelid(relation);

	reference->table = key->confrelid;
	reference->count = key->nkeys;
	for (int i = 0; known && i < key->nkeys; i++)
		known = learn_column(reference, key, relation, index, i);
	index_close(index, AccessShareLock);
	return known;
}

static bool is_check(const Trigger *trigger)
{
	return trigger->tgfoid == F_RI_FKEY_CHECK_INS && TRIGGER_FOR_INSERT(trigger->tgtype) && !trigger->tgdeferrable &&
		   OidIsValid(trigger->tgconstrindid);
}

void gs_references_learn(GsReferences *references, const ResultRelInfo *result, Relation relation)
{
	const TriggerDesc *triggers = result->ri_TrigDesc;

	if (triggers == NULL)
		return;
	references->known = gs_catalog_state();
	references->list = palloc0(sizeof(GsReference) * triggers->numtriggers);
	for (int i = 0; i < triggers->numtriggers; i++) {
		const Trigger *trigger = &triggers->triggers[i];
		GsReference *reference = &references->list[references->count];
		ListCell *cell;

		if (!is_check(trigger))
			continue;
		*reference = (GsReference){.trigger = i, .type = trigger->tgtype, .index = trigger->tgconstrindid};
		foreach (cell, RelationGetFKeyList(relation)) {
			const ForeignKeyCacheInfo *key = lfirst(cell);

			if (key->conoid == trigger->tgconstraint && learn_reference(reference, key, relation)) {
				references->count++;
				break;
			}
		}
	}
}

static bool is_own(TupleTableSlot *row)
{
	bool shared;
	HeapTuple tuple = ExecFetchSlotHeapTuple(row, false, &shared);

	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

static bool lock(Relation table, TupleTableSlot *row)
{
	ItemPointerData at = row->tts_tid;
	TM_FailureData failure;

	return table_tuple_lock(table, &at, GetActiveSnapshot(), row, GetCurrentCommandId(false), LockTupleKeyShare,
							LockWaitBlock, TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS, &failure) == TM_Ok;
}

static bool matches(const GsReference *reference, ScanKeyData *keys, TupleTableSlot *row)
{
	for (int i = 0; i < reference->count; i++) {
		bool isnull;
		Datum value = slot_getattr(row, reference->referred[i], &isnull);

		if (isnull ||
			!DatumGetBool(FunctionCall2Coll(&keys[i].sk_func, keys[i].sk_collation, value, keys[i].sk_argument)))
			return false;
	}
	return true;
}

/* Rows of which this backend knew last where they are. What does not hold any more is not visible, or can't be locked.
 */
static struct {
	Oid table;
	ItemPointerData at;
} seen[SEEN];
static int next_seen = 0;

void gs_references_note(Oid table, const ItemPointerData *at)
{
	seen[next_seen].table = table;
	seen[next_seen].at = *at;
	next_seen = (next_seen + 1) % SEEN;
}

static bool is_seen(const GsReference *reference, ScanKeyData *keys, Relation table, TupleTableSlot *row)
{
	for (int i = 0; i < SEEN; i++) {
		ItemPointer at = &seen[i].at;

		if (seen[i].table == reference->table && gs_lookup_has_block(table, ItemPointerGetBlockNumber(at)) &&
			table_tuple_fetch_row_version(table, at, GetActiveSnapshot(), row) && matches(reference, keys, row))
			return is_own(row) || lock(table, row);
	}
	return false;
}

static bool find_and_lock(const GsReference *reference, ScanKeyData *keys, Relation table, TupleTableSlot *row)
{
	Relation index = index_open(reference->index, AccessShareLock);
	IndexScanDesc scan = index_beginscan(table, index, GetActiveSnapshot(), reference->count, 0);
	bool held;

	index_rescan(scan, keys, reference->count, NULL, 0);
	held = index_getnext_slot(scan, ForwardScanDirection, row) && (is_own(row) || lock(table, row));
	ExecClearTuple(row);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return held;
}

/* What has changed in the catalog by the time of the lock may be the index: then the trigger looks itself. */
static bool hold(const GsReference *reference, ScanKeyData *keys, uint64 known)
{
	Relation table = table_open(reference->table, RowShareLock);
	TupleTableSlot *row;
	bool held;

	if (known != gs_catalog_state()) {
		table_close(table, NoLock);
		return false;
	}
	row = table_slot_create(table, NULL);
	gs_plan_freeze();
	held = is_seen(reference, keys, table, row) || find_and_lock(reference, keys, table, row);
	ExecDropSingleTupleTableSlot(row);
	gs_plan_thaw();
	table_close(table, NoLock);
	return held;
}

static bool holds(const GsReference *reference, TupleTableSlot *row, uint64 known)
{
	ScanKeyData keys[INDEX_MAX_KEYS];

	for (int i = 0; i < reference->count; i++) {
		bool isnull;

		keys[i] = reference->keys[i];
		keys[i].sk_argument = slot_getattr(row, reference->columns[i], &isnull);
		if (isnull)
			return false;
	}
	return hold(reference, keys, known);
}

void gs_references_hold(const GsReferences *references, TriggerDesc *triggers, TupleTableSlot *row)
{
	for (int i = 0; i < references->count; i++) {
		const GsReference *reference = &references->list[i];

		triggers->triggers[reference->trigger].tgtype =
			holds(reference, row, references->known) ? reference->type & ~TRIGGER_TYPE_INSERT : reference->type;
	}
}
