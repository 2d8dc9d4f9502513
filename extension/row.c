/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing rows without the executor's plans, by the parts that its ModifyTable node is made of.
 *
 * Invariants: the current role's right to write is checked as for a statement; the table is locked as by one until the
 * transaction ends, its indexes while they are written; triggers fire as for a statement that writes this one row,
 * those of foreign keys at its end.
 *
 * What a statement would prepare is kept from call to call (row_kept.c).
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "plan.h"
#include "row_kept.h"

/* One call. */
typedef struct Write {
	GsTable *table;
	Relation relation;
	GsTableKept *kept;
	EState *estate;
	ResultRelInfo *result;
	TupleTableSlot *row;
	TransitionCaptureState *capture;
} Write;

static Relation open_table(GsTable *table, AclMode mode)
{
	Oid oid = gs_row_is_known(table) ? table->kept->oid : gs_catalog_relation(table->name);

	PreventCommandIfReadOnly(mode == ACL_INSERT ? "INSERT" : "UPDATE");
	gs_catalog_require(&table->right, oid, table->name, mode);
	return table_open(oid, RowExclusiveLock);
}

/* Which columns a statement would have named: triggers ask for them. */
static List *range_table(const GsTableKept *kept, Relation relation, AclMode mode)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(relation);
	entry->relkind = relation->rd_rel->relkind;
	entry->rellockmode = RowExclusiveLock;
	*(mode == ACL_INSERT ? &entry->insertedCols : &entry->updatedCols) = kept->named;
	return list_make1(entry);
}

/* What a statement would be rewritten by, or routed to. */
static void refuse_detours(const GsTable *table, Relation relation)
{
	if (relation->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("groupshare.%s is no ordinary table", table->name)));
	if (relation->rd_rules != NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("groupshare.%s has rules, which groupshare would not follow", table->name),
						errhint("Drop them; triggers are followed.")));
}

static void begin(Write *write, GsTable *table, CmdType command)
{
	const AclMode mode = command == CMD_INSERT ? ACL_INSERT : ACL_UPDATE;
	ResultRelInfo *result;

	write->table = table;
	write->relation = open_table(table, mode);
	refuse_detours(table, write->relation);
	write->estate = CreateExecutorState();
	MemoryContextSwitchTo(write->estate->es_query_cxt);
	write->kept = gs_row_take(table, write->relation);
	ExecInitRangeTable(write->estate, range_table(write->kept, write->relation, mode));
	write->estate->es_snapshot = GetActiveSnapshot();
	write->estate->es_output_cid = GetCurrentCommandId(true);
	result = write->result = palloc(sizeof(*result));
	*result = write->kept->result;
	result->ri_RelationDesc = write->relation;
	if (result->ri_TrigDesc != NULL)
		result->ri_TrigFunctions = palloc0(sizeof(FmgrInfo) * result->ri_TrigDesc->numtriggers);
	result->ri_IndexRelationDescs = palloc0(sizeof(Relation) * Max(result->ri_NumIndices, 1));
	write->estate->es_opened_result_relations = list_make1(result);
	CheckValidResultRel(result, command);
	write->row = MakeSingleTupleTableSlot(write->kept->descriptor, &TTSOpsVirtual);
	AfterTriggerBeginQuery();
	write->capture = MakeTransitionCaptureState(result->ri_TrigDesc, RelationGetRelid(write->relation), command);
}

static void fire_triggers(void *estate)
{
	AfterTriggerEndQuery(estate);
}

/* Foreign keys are checked here. */
static void end(Write *write, MemoryContext caller)
{
	gs_plan_by_key(fire_triggers, write->estate);
	ExecResetTupleTable(write->estate->es_tupleTable, false);
	ExecCloseResultRelations(write->estate);
	table_close(write->relation, NoLock);
	gs_row_give_back(write->table, write->kept);
	MemoryContextSwitchTo(caller);
	FreeExecutorState(write->estate);
	CommandCounterIncrement();
}

static void put(const Write *write, AttrNumber number, Datum value, bool isnull)
{
	GsColumn *column = &write->kept->columns[number - 1];

	if (column->domain)
		domain_check(value, isnull, TupleDescAttr(write->kept->descriptor, number - 1)->atttypid, &column->domain_rules,
					 write->kept->context);
	write->row->tts_values[number - 1] = value;
	write->row->tts_isnull[number - 1] = isnull;
}

static void put_given(const Write *write, const Datum *values, const char *nulls)
{
	for (int i = 0; i < write->kept->given; i++)
		put(write, write->kept->numbers[i], values[i], nulls != NULL && nulls[i] == 'n');
}

static void put_defaults(const Write *write)
{
	ExprContext *context = GetPerTupleExprContext(write->estate);

	for (int i = 0; i < write->kept->descriptor->natts; i++) {
		GsColumn *column = &write->kept->columns[i];
		bool isnull = true;
		Datum value = (Datum)0;

		if (column->given)
			continue;
		if (column->otherwise != NULL)
			value = ExecEvalExprSwitchContext(column->otherwise, context, &isnull);
		put(write, i + 1, value, isnull);
	}
}

static void check(Write *write, CmdType command)
{
	const TupleConstr *rules = RelationGetDescr(write->relation)->constr;

	write->row->tts_tableOid = RelationGetRelid(write->relation);
	if (rules != NULL && rules->has_generated_stored)
		ExecComputeStoredGenerated(write->result, write->estate, write->row, command);
	if (rules != NULL)
		ExecConstraints(write->result, write->row, write->estate);
	if (write->relation->rd_rel->relispartition)
		(void)ExecPartitionCheck(write->result, write->row, write->estate, true);
}

/* Those whose condition holds for the row; the others are neither written nor read. */
static void open_indexes(Write *write)
{
	ExprContext *context = GetPerTupleExprContext(write->estate);

	context->ecxt_scantuple = write->row;
	for (int i = 0; i < write->result->ri_NumIndices; i++) {
		IndexInfo *info = write->result->ri_IndexRelationInfo[i];

		info->ii_AmCache = NULL;
		if (ExecQual(info->ii_PredicateState, context))
			write->result->ri_IndexRelationDescs[i] = index_open(write->kept->indexes[i], RowExclusiveLock);
	}
}

static List *write_indexes(Write *write, bool update)
{
	if (write->result->ri_NumIndices == 0)
		return NIL;
	open_indexes(write);
	return ExecInsertIndexTuples(write->result, write->row, write->estate, update, false, NULL, NIL);
}

static bool insert_row(Write *write)
{
	const TriggerDesc *triggers = write->result->ri_TrigDesc;

	if (triggers != NULL && triggers->trig_insert_before_row &&
		!ExecBRInsertTriggers(write->estate, write->result, write->row))
		return false;
	check(write, CMD_INSERT);
	gs_references_hold(&write->kept->references, write->result->ri_TrigDesc, write->row);
	simple_table_tuple_insert(write->relation, write->row);
	gs_references_note(RelationGetRelid(write->relation), &write->row->tts_tid);
	ExecARInsertTriggers(write->estate, write->result, write->row, write_indexes(write, false), write->capture);
	return true;
}

bool gs_row_insert(GsTable *table, const Datum *values, const char *nulls)
{
	MemoryContext caller = CurrentMemoryContext;
	bool written;
	Write write;

	begin(&write, table, CMD_INSERT);
	ExecBSInsertTriggers(write.estate, write.result);
	ExecClearTuple(write.row);
	put_given(&write, values, nulls);
	put_defaults(&write);
	ExecStoreVirtualTuple(write.row);
	written = insert_row(&write);
	ExecASInsertTriggers(write.estate, write.result, write.capture);
	end(&write, caller);
	return written;
}

static void copy_row(const Write *write, TupleTableSlot *from)
{
	const Size natts = write->kept->descriptor->natts;

	slot_getallattrs(from);
	ExecClearTuple(write->row);
	memcpy(write->row->tts_values, from->tts_values, sizeof(Datum) * natts);
	memcpy(write->row->tts_isnull, from->tts_isnull, sizeof(bool) * natts);
}

static bool update_row(Write *write, ItemPointer at, EPQState *others)
{
	const TriggerDesc *triggers = write->result->ri_TrigDesc;
	List *recheck = NIL;
	bool indexes;

	if (triggers != NULL && triggers->trig_update_before_row &&
		!ExecBRUpdateTriggers(write->estate, others, write->result, at, NULL, write->row, NULL))
		return false;
	check(write, CMD_UPDATE);
	simple_table_tuple_update(write->relation, at, write->row, GetActiveSnapshot(), &indexes);
	if (indexes)
		recheck = write_indexes(write, true);
	ExecARUpdateTriggers(write->estate, write->result, NULL, NULL, at, NULL, write->row, recheck, write->capture,
						 false);
	return true;
}

bool gs_row_update(GsTable *table, const GsCursor *cursor, const Datum *values, const char *nulls)
{
	MemoryContext caller = CurrentMemoryContext;
	ItemPointerData at = cursor->row->tts_tid;
	EPQState others;
	bool written;
	Write write;

	begin(&write, table, CMD_UPDATE);
	EvalPlanQualInit(&others, write.estate, NULL, NIL, -1);
	ExecBSUpdateTriggers(write.estate, write.result);
	copy_row(&write, cursor->row);
	put_given(&write, values, nulls);
	ExecStoreVirtualTuple(write.row);
	written = update_row(&write, &at, &others);
	ExecASUpdateTriggers(write.estate, write.result, write.capture);
	EvalPlanQualEnd(&others);
	end(&write, caller);
	return written;
}
