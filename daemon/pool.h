/* SPDX-License-Identifier: PostgreSQL */
/* A request's memory: allocations are never freed singly, all go at once with gs_pool_clear. */
#ifndef GS_POOL_H
#define GS_POOL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct GsPoolBlock GsPoolBlock;
typedef struct GsPool {
	GsPoolBlock *blocks; /* the newest small block first; large allocations behind it */
	size_t bytes;        /* allocated from the system */
	bool exhausted;      /* an allocation failed: what looks malformed may only be missing */
} GsPool;

/* A zeroed GsPool is an empty pool. Aligned for any type; NULL when out of memory. */
void *gs_pool_alloc(GsPool *pool, size_t size);
/* NUL-terminated copy of `size` bytes. */
char *gs_pool_copy(GsPool *pool, const void *bytes, size_t size);
void gs_pool_clear(GsPool *pool);

#endif
