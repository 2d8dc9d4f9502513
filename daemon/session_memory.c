/* SPDX-License-Identifier: PostgreSQL */
/* See session_memory.h. Each piece begins with its place in the ring; nghttp2 is given what follows. */
#include "daemon/session_memory.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES sizeof(GsSessionPiece)

_Static_assert(HEAD_BYTES % _Alignof(max_align_t) == 0, "what follows is aligned as malloc's memory is");

void *(*gs_session_memory_realloc)(void *old, size_t size) = realloc;

static GsSessionPiece *piece_of(void *bytes)
{
	return (GsSessionPiece *)((char *)bytes - HEAD_BYTES);
}

static void leave(const GsSessionPiece *piece)
{
	piece->prev->next = piece->next;
	piece->next->prev = piece->prev;
}

/* An old piece keeps its place in the ring when it is refused to grow. */
static void *resize(GsSessionMemory *memory, void *old, size_t size)
{
	GsSessionPiece *piece = NULL;

	if (size <= SIZE_MAX - HEAD_BYTES)
		piece = gs_session_memory_realloc(old != NULL ? piece_of(old) : NULL, HEAD_BYTES + size);
	if (piece == NULL) {
		memory->refused = true;
		return NULL;
	}
	if (old == NULL) {
		piece->prev = &memory->pieces;
		piece->next = memory->pieces.next;
	}
	piece->prev->next = piece->next->prev = piece;
	return (char *)piece + HEAD_BYTES;
}

static void *mem_malloc(size_t size, void *memory)
{
	return resize(memory, NULL, size);
}

static void *mem_realloc(void *old, size_t size, void *memory)
{
	return resize(memory, old, size);
}

static void *mem_calloc(size_t count, size_t size, void *memory)
{
	/* More than there can be is refused as such. */
	void *bytes = resize(memory, NULL, size == 0 || count <= SIZE_MAX / size ? count * size : SIZE_MAX);

	return bytes != NULL ? memset(bytes, 0, count * size) : NULL;
}

static void mem_free(void *bytes, void *memory)
{
	(void)memory;
	if (bytes == NULL)
		return;
	leave(piece_of(bytes));
	free(piece_of(bytes));
}

void gs_session_memory_open(GsSessionMemory *memory)
{
	*memory = (GsSessionMemory){.functions = {.mem_user_data = memory,
											  .malloc = mem_malloc,
											  .free = mem_free,
											  .calloc = mem_calloc,
											  .realloc = mem_realloc},
								.pieces = {&memory->pieces, &memory->pieces}};
}

void gs_session_memory_close(GsSessionMemory *memory, nghttp2_session *session)
{
	if (!memory->refused)
		nghttp2_session_del(session);
	while (memory->pieces.next != NULL && memory->pieces.next != &memory->pieces) {
		GsSessionPiece *piece = memory->pieces.next;

		leave(piece);
		free(piece);
	}
}
