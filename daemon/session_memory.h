/* SPDX-License-Identifier: PostgreSQL */
/*
 * The memory of one nghttp2 session, kept in a list, so that it can be given back without taking the session apart.
 * After an allocation that was refused nghttp2 1.52 can't be trusted with that: nghttp2_submit_data, which it calls
 * itself for an answer's body, frees the item that its stream goes on naming, and nghttp2_session_del frees that once
 * more or ends the process. Loop thread only.
 */
#ifndef GS_SESSION_MEMORY_H
#define GS_SESSION_MEMORY_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

typedef struct GsSessionPiece {
	struct GsSessionPiece *prev, *next;
} GsSessionPiece;

typedef struct GsSessionMemory {
	nghttp2_mem functions; /* what the session is made with */
	GsSessionPiece pieces; /* a ring; this one is nobody's memory */
	bool refused;          /* an allocation was, once */
} GsSessionMemory;

/* Must stay where it is. */
void gs_session_memory_open(GsSessionMemory *memory);
/* The end of `session`, which may be NULL, and of all its memory. One that was never opened, all zeroes, has none. */
void gs_session_memory_close(GsSessionMemory *memory, nghttp2_session *session);

/* Where the memory comes from: realloc, except in a test that refuses some. */
extern void *(*gs_session_memory_realloc)(void *old, size_t size);

#endif
