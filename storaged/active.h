/* SPDX-License-Identifier: PostgreSQL */
/*
 * The objects that somebody is at work on. An entry is embedded in its owner and claims the object: only the owner
 * starts disk work that changes it. This is what orders all changes to one object. Loop thread only.
 */
#ifndef GS_ACTIVE_H
#define GS_ACTIVE_H

#include <stddef.h>

#include "storaged/uuid.h"

#define GS_ACTIVE_BUCKETS 4096

typedef enum GsActiveKind {
	GS_ACTIVE_UPLOAD,  /* a PUT or PATCH (put.c) */
	GS_ACTIVE_RECEIPT, /* stored, its receipt is not acknowledged yet (receipt.c) */
	GS_ACTIVE_FETCH,   /* being fetched from another device (fetch.c) */
	GS_ACTIVE_REMOVAL, /* being deleted (work.c, staged.c) */
	GS_ACTIVE_STAGED   /* nobody's, in a table of its own (staged.c) */
} GsActiveKind;

typedef struct GsActive {
	GsUuid object;
	GsActiveKind kind;
	struct GsActive *next;
} GsActive;

typedef struct GsActiveTable {
	GsActive *buckets[GS_ACTIVE_BUCKETS];
} GsActiveTable;

GsActive *gs_active_find(const GsActiveTable *table, const GsUuid *object);
/* The object must not be claimed. */
void gs_active_add(GsActiveTable *table, GsActive *entry, const GsUuid *object, GsActiveKind kind);
void gs_active_remove(GsActiveTable *table, GsActive *entry);

#endif
