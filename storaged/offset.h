/* SPDX-License-Identifier: PostgreSQL */
/*
 * How far an upload has come: 0 <= written <= received <= size. Received bytes are in memory, written ones are in the
 * staged file and hashed; neither count ever decreases. Pure.
 */
#ifndef GS_OFFSET_H
#define GS_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct GsOffset {
	uint64_t size;     /* exact, from the ticket */
	uint64_t received; /* taken from the peer */
	uint64_t written;  /* of those, handled by the disk */
} GsOffset;

/* `at` bytes were there before; at <= size. */
GsOffset gs_offset_at(uint64_t size, uint64_t at);
/* False when the body is longer than the size; the offset is then unchanged. */
__attribute__((warn_unused_result)) bool gs_offset_receive(GsOffset *offset, uint64_t bytes);
/* Asserts that the bytes were received before. */
void gs_offset_write(GsOffset *offset, uint64_t bytes);
/* Everything is received. */
bool gs_offset_full(const GsOffset *offset);
/* Everything received is written. */
bool gs_offset_settled(const GsOffset *offset);

#endif
