/* SPDX-License-Identifier: PostgreSQL */
/*
 * Foreign keys of rows that row.c writes. PostgreSQL's own check of one is a statement with an executor, which costs
 * more than the row. Here the row referred to is found by the index of the constraint and locked, which is all that
 * the check's statement does. What can't be shown that way is left to PostgreSQL's check, which also makes the errors.
 */
#ifndef GS_ROW_KEYS_H
#define GS_ROW_KEYS_H

#include "postgres.h"

#include "access/skey.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/relcache.h"

/* A constraint whose check at an insertion row.c may do. */
typedef struct GsReference {
	int trigger; /* the check's place in the table's list of triggers */
	int16 type;  /* of that trigger, as the catalog has it */
	Oid table;   /* referred to */
	Oid index;
	int count;
	AttrNumber columns[INDEX_MAX_KEYS];  /* of the row that refers, in the order of the index */
	AttrNumber referred[INDEX_MAX_KEYS]; /* of the row referred to */
	ScanKeyData keys[INDEX_MAX_KEYS];    /* without values */
} GsReference;

typedef struct GsReferences {
	int count;
	GsReference *list;
	uint64 known; /* the state of the catalog then */
} GsReferences;

/* Those of the table that `result` describes, in the current memory context. Deferrable ones, those that refer to their
 * own table or to a partitioned one, and those that compare different types are not among them. */
void gs_references_learn(GsReferences *references, const ResultRelInfo *result, Relation relation);

/* Locks what the row refers to until the transaction ends. The check of each constraint that holds is switched off in
 * `triggers`, a copy of which kept what is of this one row; the others are switched on. */
void gs_references_hold(const GsReferences *references, TriggerDesc *triggers, TupleTableSlot *row);

/* The row at that place was inserted or read: what is written next often refers to it. */
void gs_references_note(Oid table, const ItemPointerData *at);

#endif
