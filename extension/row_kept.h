/* SPDX-License-Identifier: PostgreSQL */
/*
 * What row.c keeps of a table: expressions, descriptions of indexes and triggers. It refers to no open relation and to
 * no transaction, lives in a memory context of its own, and is made anew when anything in the catalog has changed.
 */
#ifndef GS_ROW_KEPT_H
#define GS_ROW_KEPT_H

#include "postgres.h"

#include "nodes/execnodes.h"

#include "row.h"
#include "row_keys.h"

typedef struct GsColumn {
	bool given;
	bool domain;
	void *domain_rules;   /* domain_check's */
	ExprState *otherwise; /* its default; NULL: null */
} GsColumn;

typedef struct GsTableKept {
	MemoryContext context;
	uint64 known; /* of which state of the catalog it is */
	Oid oid;
	TupleDesc descriptor;
	AttrNumber numbers[GS_ROW_COLUMNS]; /* of GsTable.columns */
	int given;
	Bitmapset *named;     /* the same, as a statement's range table has them */
	GsColumn *columns;    /* by attribute */
	ResultRelInfo result; /* without what is of one call */
	Oid *indexes;         /* of result.ri_IndexRelationInfo */
	GsReferences references;
} GsTableKept;

/* Is it of the catalog as it is now? */
bool gs_row_is_known(const GsTable *table);

/* Makes what is kept the caller's, in the current memory context: an error takes it along, and a trigger that writes to
 * the same table makes its own. The relation is locked: what of it matters here does not change any more. */
GsTableKept *gs_row_take(GsTable *table, Relation relation);
void gs_row_give_back(GsTable *table, GsTableKept *kept);

#endif
