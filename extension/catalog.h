/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the catalog says about the extension's own tables, for those who keep it: a number that changes with the
 * catalog.
 */
#ifndef GS_CATALOG_H
#define GS_CATALOG_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "utils/acl.h"

/* Changes whenever a table, index, function, type, constraint, role or membership of a role has, as far as this backend
 * has heard. Never 0. */
uint64 gs_catalog_state(void);

/* A table or index of schema groupshare; an error when there is none. */
Oid gs_catalog_relation(const char *name);

/* A type of schema groupshare; an error when there is none. */
Oid gs_catalog_type(const char *name);

/* The number of a table's column; an error when there is none. `table` is for the message. */
AttrNumber gs_catalog_column(Oid relation, const char *table, const char *column);

/* A right that was asked for and there: of which state of the catalog, whose, to what. */
typedef struct GsRight {
	uint64 known;
	Oid user;
	Oid table;
	AclMode mode;
} GsRight;

/* Raises when the current role may not do that with a table. Kept in `right`, zero at first, until the catalog changes.
 */
void gs_catalog_require(GsRight *right, Oid table, const char *name, AclMode mode);

/* The columns of the row that functions answer, and of which state of the catalog that is; zero at first. */
typedef struct GsAnswer {
	uint64 known;
	TupleDesc descriptor;
} GsAnswer;

/* As get_call_result_type and BlessTupleDesc say it of the function that is called; kept in `answer` until the catalog
 * changes, for all functions that answer the same columns. An error when it answers no row. */
TupleDesc gs_catalog_answer(FunctionCallInfo call, GsAnswer *answer);

#endif
