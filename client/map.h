/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which pieces of a content a part file holds, when they come in no order. Behind the content, from its size on, the
 * part file carries the map: "GSPART1\n", size and piece as 8 bytes each (little-endian), one bit a piece. A bit is set
 * there only after the bytes of its piece are on disk, so that a torn map claims nothing that is not there. Pure
 * functions.
 */
#ifndef GS_CLIENT_MAP_H
#define GS_CLIENT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct GsMap {
	int64_t size;
	int64_t piece; /* bytes of each but the last */
	size_t pieces;
	size_t had;     /* how many bits of `have` are set */
	uint8_t *have;  /* on the way to disk at least */
	uint8_t *taken; /* someone fetches it now */
} GsMap;

/* Bytes of the map behind a content of this size. */
size_t gs_map_bytes(int64_t size);

/* Nothing is had. false = no memory; gs_map_close() after either. */
__attribute__((warn_unused_result)) bool gs_map_open(GsMap *map, int64_t size);
void gs_map_close(GsMap *map);

/* From and to gs_map_bytes() bytes. false: that is no map of this content. */
__attribute__((warn_unused_result)) bool gs_map_load(GsMap *map, const uint8_t *bytes);
void gs_map_save(const GsMap *map, uint8_t *bytes);

/* Takes the first pieces in a row, at most `most`, that are neither had nor taken. false: there are none. */
__attribute__((warn_unused_result)) bool gs_map_take(GsMap *map, size_t most, size_t *first, size_t *count);
/* The piece is had and not taken any more. */
void gs_map_put(GsMap *map, size_t piece);
/* Pieces that were taken and did not come. */
void gs_map_give_back(GsMap *map, size_t first, size_t count);

/* The content's bytes before `piece`; of all pieces: its size. */
int64_t gs_map_offset(const GsMap *map, size_t piece);
/* Bytes that are had; how many of them are in a row from the first. */
int64_t gs_map_had_bytes(const GsMap *map);
int64_t gs_map_prefix_bytes(const GsMap *map);

#endif
