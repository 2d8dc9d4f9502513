/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the catalog says about the extension's own tables, for those who keep it: a number that changes with the
 * catalog.
 */
#ifndef GS_CATALOG_H
#define GS_CATALOG_H

#include "postgres.h"

/* Changes whenever a table, index, function, type or constraint has, as far as this backend has heard. Never 0. */
uint64 gs_catalog_state(void);

/* A table or index of schema groupshare; an error when there is none. */
Oid gs_catalog_relation(const char *name);

/* The number of a table's column; an error when there is none. `table` is for the message. */
AttrNumber gs_catalog_column(Oid relation, const char *table, const char *column);

#endif
