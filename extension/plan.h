/* SPDX-License-Identifier: PostgreSQL */
/*
 * The only door to SPI. A statement is a static GsPlan with constant text; its plan is prepared on first use and kept
 * for the backend's life. Callers bracket with gs_plan_open / gs_plan_close (nesting is allowed) and read results
 * through the accessors below; everything that must outlive gs_plan_close is copied to the caller's context by
 * gs_result_*.
 */
#ifndef GS_PLAN_H
#define GS_PLAN_H

#include "postgres.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "catalog/pg_type_d.h"
#include "utils/uuid.h"

#define GS_PLAN_MAX_ARGS 16

typedef struct GsPlan {
	const char *sql;             /* constant text, schema-qualified throughout */
	Oid types[GS_PLAN_MAX_ARGS]; /* argument types, ended by InvalidOid */
	void *saved;                 /* the kept SPIPlanPtr; NULL until first use */
	bool by_key;                 /* planned once, and never to read a whole table: for look-ups by a key on hot paths */
} GsPlan;

/* An argument of type uuid[] of `count` UUIDs. */
ArrayType *gs_plan_uuid_array(Datum *ids, int count);

/* Connect to / leave SPI. Opened once per SQL-callable function; a nested open is a nested SPI level. */
void gs_plan_open(void);
void gs_plan_close(void);

/*
 * Run it with `values` (one a type; nulls[i] == 'n' is NULL, nulls may be NULL for none). Returns the number of rows
 * processed or returned. The result stays readable until the next gs_plan_run or gs_plan_close at this level.
 * `limit` bounds the rows (0 = all).
 */
uint64 gs_plan_run(GsPlan *plan, const Datum *values, const char *nulls, int64 limit);

/*
 * The same for a check that must see what others have committed until now, also in a transaction whose snapshot is
 * older (REPEATABLE READ): only for statements that read, after the rows in question were locked.
 */
uint64 gs_plan_run_latest(GsPlan *plan, const Datum *values, int64 limit);

/*
 * Several statements that only read and must see one state of the database: between gs_plan_freeze and gs_plan_thaw
 * they are run by gs_plan_run_frozen. What this transaction has written so far is seen.
 */
void gs_plan_freeze(void);
uint64 gs_plan_run_frozen(GsPlan *plan, const Datum *values, const char *nulls, int64 limit);
void gs_plan_thaw(void);

/*
 * Does work that looks up a few rows. A plan by key that is made while a table is empty would scan it, and go on
 * scanning it while it grows, until the next ANALYZE; so would those of the foreign keys that its rows are checked by:
 * here none is made like that. Nor is any worth compiling, which a scan that can't be avoided after all would look
 * like.
 */
void gs_plan_by_key(void (*work)(void *), void *argument);

/* Column `col` (1-based) of row `row` (0-based) of the latest result, in memory that outlives gs_plan_close. */
bool gs_result_isnull(uint64 row, int col);
int64 gs_result_int64(uint64 row, int col); /* int4 and int8 columns */
bool gs_result_bool(uint64 row, int col);
double gs_result_float8(uint64 row, int col);
char *gs_result_text(uint64 row, int col);       /* palloc'd in the outer context; NULL for NULL; text, name */
pg_uuid_t *gs_result_uuid(uint64 row, int col);  /* likewise */
Jsonb *gs_result_jsonb(uint64 row, int col);     /* likewise */
bytea *gs_result_bytea(uint64 row, int col);     /* likewise */
ArrayType *gs_result_array(uint64 row, int col); /* likewise */
TimestampTz gs_result_timestamp(uint64 row, int col);

#endif
