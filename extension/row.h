/* SPDX-License-Identifier: PostgreSQL */
/*
 * Rows of the extension's own tables written without a statement, for hot paths: what a statement prepares anew each
 * time it is run (checks, defaults, predicates of indexes) is prepared once and kept. All that a statement obeys holds:
 * rights, constraints, domains, foreign keys, triggers, whoever made them.
 */
#ifndef GS_ROW_H
#define GS_ROW_H

#include "postgres.h"

#include "lookup.h"

#define GS_ROW_COLUMNS 16

/* A table and the columns that are written, the names in schema groupshare. The rest is row.c's. */
typedef struct GsTable {
	const char *name;
	const char *columns[GS_ROW_COLUMNS + 1]; /* ended by NULL */
	struct GsTableKept *kept;
	GsRight right;
} GsTable;

/* Inserts a row: one value a column (nulls[i] == 'n' is NULL, nulls may be NULL for none), the other columns get their
 * defaults. What follows in the same transaction sees it. False: a trigger that a DBA added has left it out. */
bool gs_row_insert(GsTable *table, const Datum *values, const char *nulls);

/* Gives the row that `cursor` stands on and has locked (gs_lookup_lock) new values in the table's columns. The cursor
 * still shows the old ones. False: a trigger that a DBA added has left it as it was. */
bool gs_row_update(GsTable *table, const GsCursor *cursor, const Datum *values, const char *nulls);

#endif
