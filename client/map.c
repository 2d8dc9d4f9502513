/* SPDX-License-Identifier: PostgreSQL */
/*
 * The map of a part file. A piece is 1 MiB, or more where the map would otherwise be larger than 128 KiB.
 */
#include "client/map.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_MIN_BYTES ((int64_t)1 << 20)
#define PIECES_MAX ((int64_t)1 << 20)

static const char MAGIC[8] = {'G', 'S', 'P', 'A', 'R', 'T', '1', '\n'};
#define HEADER_BYTES (sizeof(MAGIC) + 8 + 8)

static int64_t piece_bytes(int64_t size)
{
	int64_t piece = PIECE_MIN_BYTES;

	while (size / piece >= PIECES_MAX)
		piece *= 2;
	return piece;
}

static size_t pieces_of(int64_t size)
{
	int64_t piece = piece_bytes(size);

	return (size_t)(size / piece + (size % piece != 0));
}

static bool has(const uint8_t *bits, size_t i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void set(uint8_t *bits, size_t i)
{
	bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static void clear(uint8_t *bits, size_t i)
{
	bits[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

size_t gs_map_bytes(int64_t size)
{
	return HEADER_BYTES + (pieces_of(size) + 7) / 8;
}

bool gs_map_open(GsMap *map, int64_t size)
{
	size_t bytes;

	*map = (GsMap){.size = size, .piece = piece_bytes(size), .pieces = pieces_of(size)};
	bytes = (map->pieces + 7) / 8 + 1;
	map->have = calloc(1, bytes);
	map->taken = calloc(1, bytes);
	return map->have != NULL && map->taken != NULL;
}

void gs_map_close(GsMap *map)
{
	free(map->have);
	free(map->taken);
	*map = (GsMap){0};
}

static uint64_t get_le64(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | bytes[i];
	return value;
}

static void put_le64(uint8_t *bytes, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
}

bool gs_map_load(GsMap *map, const uint8_t *bytes)
{
	const uint8_t *bits = bytes + HEADER_BYTES;

	if (memcmp(bytes, MAGIC, sizeof(MAGIC)) != 0 || get_le64(bytes + sizeof(MAGIC)) != (uint64_t)map->size ||
		get_le64(bytes + sizeof(MAGIC) + 8) != (uint64_t)map->piece)
		return false;
	for (size_t i = 0; i < map->pieces; i++) {
		if (has(bits, i))
			gs_map_put(map, i);
	}
	return true;
}

void gs_map_save(const GsMap *map, uint8_t *bytes)
{
	memcpy(bytes, MAGIC, sizeof(MAGIC));
	put_le64(bytes + sizeof(MAGIC), (uint64_t)map->size);
	put_le64(bytes + sizeof(MAGIC) + 8, (uint64_t)map->piece);
	memcpy(bytes + HEADER_BYTES, map->have, (map->pieces + 7) / 8);
}

bool gs_map_take(GsMap *map, size_t most, size_t *first, size_t *count)
{
	size_t i = 0;

	while (i < map->pieces && (has(map->have, i) || has(map->taken, i)))
		i++;
	*first = i;
	for (*count = 0; *count < most && i < map->pieces && !has(map->have, i) && !has(map->taken, i); i++, (*count)++)
		set(map->taken, i);
	return *count > 0;
}

void gs_map_put(GsMap *map, size_t piece)
{
	if (!has(map->have, piece))
		map->had++;
	set(map->have, piece);
	clear(map->taken, piece);
}

void gs_map_give_back(GsMap *map, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		clear(map->taken, i);
}

int64_t gs_map_offset(const GsMap *map, size_t piece)
{
	return piece >= map->pieces ? map->size : (int64_t)piece * map->piece;
}

int64_t gs_map_had_bytes(const GsMap *map)
{
	int64_t bytes = (int64_t)map->had * map->piece;

	if (map->pieces > 0 && has(map->have, map->pieces - 1))
		bytes -= (int64_t)map->pieces * map->piece - map->size;
	return bytes;
}

int64_t gs_map_prefix_bytes(const GsMap *map)
{
	size_t i = 0;

	while (i < map->pieces && has(map->have, i))
		i++;
	return gs_map_offset(map, i);
}
