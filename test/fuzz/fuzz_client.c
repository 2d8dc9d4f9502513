/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/map.o client/part.o client/name.o */
/* The client's part files and names: 8 bytes are a size, then comes a map as a disk may have it, or a name. */
#include "client/map.h"
#include "client/name.h"
#include "client/part.h"
#include "test/fuzz/fuzz.h"

static void check_map(const uint8_t *bytes, size_t size)
{
	int64_t content = 0;
	uint8_t *text, *again;
	size_t first, count, have, at = 0;
	GsMap map;

	memcpy(&content, bytes, sizeof(content));
	content &= ((int64_t)1 << 53) - 1;
	have = gs_map_bytes(content);
	text = calloc(1, have);
	again = calloc(1, have);
	FUZZ_CHECK(text != NULL && again != NULL && gs_map_open(&map, content));
	memcpy(text, bytes + sizeof(content), size - sizeof(content) < have ? size - sizeof(content) : have);
	/* A beginning that is right, as often as not. */
	gs_map_save(&map, again);
	if (have > 24 && (bytes[0] & 1) != 0)
		memcpy(text, again, 24);
	if (gs_map_load(&map, text)) {
		FUZZ_CHECK(map.had <= map.pieces && gs_map_had_bytes(&map) <= content &&
				   gs_map_prefix_bytes(&map) <= gs_map_had_bytes(&map));
		while (at++ < 64 && gs_map_take(&map, 3, &first, &count))
			FUZZ_CHECK(count <= 3 && first + count <= map.pieces && gs_map_offset(&map, first + count) <= content);
	}
	gs_map_close(&map);
	free(text);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef0123456789abcdef";
	char *name = fuzz_text(bytes, size), safe[GS_NAME_MAX_BYTES + 1], *path;

	if (size >= 8)
		check_map(bytes, size);
	gs_name_make_safe(safe, name);
	FUZZ_CHECK(safe[0] != '\0' && safe[0] != '.' && safe[0] != '-' && strchr(safe, '/') == NULL &&
			   strlen(safe) <= GS_NAME_MAX_BYTES);
	path = gs_part_path(name, digits);
	FUZZ_CHECK(path != NULL && strlen(gs_name_of_path(path)) <= GS_NAME_MAX_BYTES);
	free(path);
	free(name);
	return 0;
}
