/* SPDX-License-Identifier: PostgreSQL */
/*
 * Expressions are made as the executor would make them for a statement, but in the memory context of what is kept and
 * without a plan's state. What is made here is only read afterwards; what an access method caches in an IndexInfo, and
 * triggers' FmgrInfo, is of one call (row.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "catalog.h"
#include "row_kept.h"

static void learn_columns(GsTableKept *kept, const GsTable *table, Relation relation)
{
	const TupleDesc descriptor = RelationGetDescr(relation);

	kept->descriptor = CreateTupleDescCopy(descriptor);
	kept->columns = palloc0(sizeof(GsColumn) * descriptor->natts);
	for (int i = 0; i < GS_ROW_COLUMNS && table->columns[i] != NULL; i++) {
		kept->numbers[i] = gs_catalog_column(RelationGetRelid(relation), table->name, table->columns[i]);
		kept->columns[kept->numbers[i] - 1].given = true;
		kept->named = bms_add_member(kept->named, kept->numbers[i] - FirstLowInvalidHeapAttributeNumber);
		kept->given++;
	}
	for (int i = 0; i < descriptor->natts; i++) {
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		GsColumn *column = &kept->columns[i];
		Expr *otherwise;

		if (attribute->attisdropped || attribute->attgenerated)
			continue;
		column->domain = get_typtype(attribute->atttypid) == TYPTYPE_DOMAIN;
		otherwise = column->given ? NULL : (Expr *)build_column_default(relation, i + 1);
		if (otherwise != NULL)
			column->otherwise = ExecInitExpr(expression_planner(otherwise), NULL);
	}
}

static void learn_checks(GsTableKept *kept, Relation relation)
{
	const TupleConstr *rules = RelationGetDescr(relation)->constr;

	if (rules == NULL || rules->num_check == 0)
		return;
	kept->result.ri_ConstraintExprs = palloc(sizeof(ExprState *) * rules->num_check);
	for (int i = 0; i < rules->num_check; i++)
		kept->result.ri_ConstraintExprs[i] =
			ExecInitExpr(expression_planner(stringToNode(rules->check[i].ccbin)), NULL);
}

static IndexInfo *describe_index(Oid oid)
{
	Relation index = index_open(oid, RowExclusiveLock);
	IndexInfo *info = BuildIndexInfo(index);
	ListCell *cell;

	if (info->ii_Predicate != NIL)
		info->ii_PredicateState = ExecInitQual((List *)expression_planner((Expr *)info->ii_Predicate), NULL);
	foreach (cell, info->ii_Expressions)
		info->ii_ExpressionsState =
			lappend(info->ii_ExpressionsState, ExecInitExpr(expression_planner(lfirst(cell)), NULL));
	index_close(index, RowExclusiveLock);
	return info;
}

static void learn_indexes(GsTableKept *kept, Relation relation)
{
	List *oids = RelationGetIndexList(relation);
	ListCell *cell;
	int n = 0;

	kept->indexes = palloc(sizeof(Oid) * Max(list_length(oids), 1));
	kept->result.ri_IndexRelationInfo = palloc(sizeof(IndexInfo *) * Max(list_length(oids), 1));
	foreach (cell, oids) {
		kept->indexes[n] = lfirst_oid(cell);
		kept->result.ri_IndexRelationInfo[n++] = describe_index(lfirst_oid(cell));
	}
	kept->result.ri_NumIndices = n;
}

/* Conditions of triggers, as trigger.c makes them. */
static void learn_conditions(GsTableKept *kept)
{
	const TriggerDesc *triggers = kept->result.ri_TrigDesc;

	if (triggers == NULL)
		return;
	kept->result.ri_TrigWhenExprs = palloc0(sizeof(ExprState *) * triggers->numtriggers);
	for (int i = 0; i < triggers->numtriggers; i++) {
		Node *condition;

		if (triggers->triggers[i].tgqual == NULL)
			continue;
		condition = stringToNode(triggers->triggers[i].tgqual);
		ChangeVarNodes(condition, PRS2_OLD_VARNO, INNER_VAR, 0);
		ChangeVarNodes(condition, PRS2_NEW_VARNO, OUTER_VAR, 0);
		kept->result.ri_TrigWhenExprs[i] =
			ExecInitQual((List *)expression_planner((Expr *)make_ands_implicit((Expr *)condition)), NULL);
	}
}

static GsTableKept *learn(const GsTable *table, Relation relation)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "groupshare table", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	GsTableKept *kept = palloc0(sizeof(*kept));

	kept->context = context;
	kept->known = gs_catalog_state();
	kept->oid = RelationGetRelid(relation);
	InitResultRelInfo(&kept->result, relation, 1, NULL, 0);
	learn_columns(kept, table, relation);
	learn_checks(kept, relation);
	learn_indexes(kept, relation);
	learn_conditions(kept);
	gs_references_learn(&kept->references, &kept->result, relation);
	MemoryContextSwitchTo(caller);
	return kept;
}

bool gs_row_is_known(const GsTable *table)
{
	return table->kept != NULL && table->kept->known == gs_catalog_state();
}

GsTableKept *gs_row_take(GsTable *table, Relation relation)
{
	const bool known = gs_row_is_known(table);
	GsTableKept *kept = table->kept;

	table->kept = NULL;
	if (known) {
		MemoryContextSetParent(kept->context, CurrentMemoryContext);
		return kept;
	}
	if (kept != NULL)
		MemoryContextDelete(kept->context);
	return learn(table, relation);
}

void gs_row_give_back(GsTable *table, GsTableKept *kept)
{
	if (table->kept != NULL)
		return;
	MemoryContextSetParent(kept->context, CacheMemoryContext);
	table->kept = kept;
}
