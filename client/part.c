/* SPDX-License-Identifier: PostgreSQL */
/*
 * Part files. Whatever is decided here, the digest of the whole is checked before the final name is given: a part file
 * that a power cut has torn costs a download, never a wrong file.
 */
#include "client/part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/name.h"

#define DIGITS 16

GsPartPlan gs_part_plan(const struct stat *st, uid_t uid, int64_t size, size_t map_bytes)
{
	if (!S_ISREG(st->st_mode) || st->st_uid != uid || st->st_nlink != 1 || (st->st_mode & 077) != 0)
		return GS_PART_REFUSE;
	if (st->st_size == size)
		return GS_PART_WHOLE;
	if (st->st_size == size + (int64_t)map_bytes)
		return GS_PART_MAP;
	return st->st_size == 0 || st->st_size > size ? GS_PART_START : GS_PART_RESUME;
}

char *gs_part_path(const char *output, const char *sha256_hex)
{
	const char *name = gs_name_of_path(output);
	size_t most = GS_NAME_MAX_BYTES - (sizeof(".") - 1) - DIGITS - (sizeof(".part") - 1);
	size_t keep = strlen(name);
	char *path;

	if (keep > most) {
		keep = most;
		while (keep > 0 && ((unsigned char)name[keep] & 0xC0) == 0x80)
			keep--;
	}
	if (asprintf(&path, "%.*s%.*s.%.*s.part", (int)(name - output), output, (int)keep, name, DIGITS, sha256_hex) < 0)
		return NULL;
	return path;
}
