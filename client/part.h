/* SPDX-License-Identifier: PostgreSQL */
/*
 * The part file of a download: its name and whether what it holds may be continued. The name carries the content's
 * digest, so that a part of one content is never continued with another. Pure functions.
 */
#ifndef GS_CLIENT_PART_H
#define GS_CLIENT_PART_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

typedef enum GsPartPlan {
	GS_PART_REFUSE, /* not a file of ours alone: someone may have planted it */
	GS_PART_START,  /* nothing usable in it: truncate, fetch all */
	GS_PART_RESUME, /* st_size bytes are there: fetch the rest */
	GS_PART_MAP,    /* of the size of content and map (map.h): fetch what it does not claim */
	GS_PART_WHOLE   /* everything is there: only check it */
} GsPartPlan;

/* What to do with the open part file `st` for a content of `size` bytes whose map has `map_bytes`; `uid` is the
 * process's effective user. */
GsPartPlan gs_part_plan(const struct stat *st, uid_t uid, int64_t size, size_t map_bytes);

/*
 * "DIR/NAME.0123456789abcdef.part" for output "DIR/NAME": NAME is cut at a character's boundary where it would be too
 * long for a file system; the digits begin `sha256_hex`. malloc'd; NULL = no memory.
 */
char *gs_part_path(const char *output, const char *sha256_hex);

#endif
