/* SPDX-License-Identifier: PostgreSQL */
/*
 * Rows of the extension's own tables by one of their indexes, without a statement: for the look-ups of hot paths, where
 * starting and ending an executor costs many times what the index does. Reads what a statement at that moment would
 * read. A partial index finds its own rows only.
 */
#ifndef GS_LOOKUP_H
#define GS_LOOKUP_H

#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "executor/tuptable.h"
#include "nodes/lockoptions.h"
#include "utils/fmgroids.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "catalog.h"

#define GS_LOOKUP_COLUMNS 16
#define GS_LOOKUP_KEYS 4

/* Which table, by which index, and what is read of it; names in schema groupshare. The rest is lookup.c's. */
typedef struct GsLookup {
	const char *table;
	const char *index;
	const char *columns[GS_LOOKUP_COLUMNS + 1]; /* ended by NULL */
	GsRight may_read, may_lock;
	uint64 known; /* of which state of the catalog what follows is */
	Oid table_oid;
	Oid index_oid;
	AttrNumber numbers[GS_LOOKUP_COLUMNS];
	AttrNumber key; /* the column of the table that the index has first; invalid until the index was first opened */
	Oid key_collation;
} GsLookup;

/* A condition on the index's columns, which are given in their order. */
typedef struct GsKey {
	AttrNumber column; /* of the index, from 1 */
	StrategyNumber strategy;
	RegProcedure compare;
	Datum value;
} GsKey;

#define GS_KEY_UUID(column, value) ((GsKey){(column), BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(value)})
#define GS_KEY_TEXT(column, value) ((GsKey){(column), BTEqualStrategyNumber, F_TEXTEQ, (value)})
#define GS_KEY_INT4(column, value) ((GsKey){(column), BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(value)})
#define GS_KEY_TRUE(column) ((GsKey){(column), BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(true)})

typedef struct GsCursor {
	GsLookup *lookup;
	Relation table;
	Relation index;                    /* NULL before the first gs_lookup_find */
	IndexScanDesc scan;                /* likewise */
	struct IndexFetchTableData *fetch; /* gs_lookup_at's; NULL before */
	TupleTableSlot *row;
} GsCursor;

/* The table, locked as by a statement that reads, and from the first gs_lookup_find on its index. After an error
 * PostgreSQL cleans up. */
void gs_lookup_open(GsCursor *cursor, GsLookup *lookup);
void gs_lookup_close(GsCursor *cursor);

/* Looks for the rows that all keys hold for, in the index's order, by the active snapshot: between gs_plan_freeze and
 * gs_plan_thaw. Then gs_lookup_next goes from row to row. */
void gs_lookup_find(GsCursor *cursor, const GsKey *keys, int count);
bool gs_lookup_next(GsCursor *cursor);

/* The row that `key` holds for, of a unique index on one column, as gs_lookup_find and gs_lookup_next would find it. In
 * `at` is kept where its index entry points, and there the row is looked for first: invalid at the first time, or where
 * it once was, or anywhere. For the same rows over and over: most of a look-up's cost is the index. */
bool gs_lookup_at(GsCursor *cursor, const GsKey *key, ItemPointer at);

/* The first row that the keys hold for, by a snapshot of now, own changes included. What is not copied out of the row
 * is gone with gs_lookup_close, which the caller owes in any case. */
bool gs_lookup_one(GsCursor *cursor, GsLookup *lookup, const GsKey *keys, int count);
bool gs_lookup_one_at(GsCursor *cursor, GsLookup *lookup, const GsKey *key, ItemPointer at);

/* Is a block of a table that is locked there to be read? Only the first time costs a system call. */
bool gs_lookup_has_block(Relation table, BlockNumber block);

/* Locks the row as SELECT FOR NO KEY UPDATE does, and reads it anew; the keys must be columns that do not change.
 * False: it is gone, or, by LockWaitSkip, another transaction holds it. */
bool gs_lookup_lock(GsCursor *cursor, LockWaitPolicy wait);

/* Column `col` (1-based, in the order of GsLookup.columns) of the present row. Text, bytea and uuid: copies. */
Datum gs_lookup_datum(const GsCursor *cursor, int col, bool *isnull);
bool gs_lookup_isnull(const GsCursor *cursor, int col);
int64 gs_lookup_int64(const GsCursor *cursor, int col, int64 if_null);
int32 gs_lookup_int32(const GsCursor *cursor, int col, int32 if_null);
bool gs_lookup_bool(const GsCursor *cursor, int col);
double gs_lookup_float8(const GsCursor *cursor, int col, double if_null);
TimestampTz gs_lookup_timestamp(const GsCursor *cursor, int col, TimestampTz if_null);
char *gs_lookup_text(const GsCursor *cursor, int col);   /* NULL for NULL */
bytea *gs_lookup_bytea(const GsCursor *cursor, int col); /* likewise */
pg_uuid_t gs_lookup_uuid(const GsCursor *cursor, int col);

#endif
