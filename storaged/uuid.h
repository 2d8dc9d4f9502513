/* SPDX-License-Identifier: PostgreSQL */
/*
 * Identifiers as lower-case UUID text, the only form that ever becomes a file's name: 36 bytes of [0-9a-f-] can't leave
 * the directory they are opened in.
 */
#ifndef GS_UUID_H
#define GS_UUID_H

#include <stdbool.h>
#include <string.h>

#define GS_UUID_TEXT 36

typedef struct GsUuid {
	char text[GS_UUID_TEXT + 1];
} GsUuid;

/* False when `text` is not exactly a UUID in lower case; `uuid` is then untouched. */
__attribute__((warn_unused_result)) bool gs_uuid_parse(const char *text, GsUuid *uuid);

static inline bool gs_uuid_equal(const GsUuid *a, const GsUuid *b)
{
	return memcmp(a->text, b->text, sizeof(a->text)) == 0;
}

/* Its last three digits: a place in a table by identifier, 0 to 4095. They are random; the first ones of a UUID of
 * version 7 are the time. */
unsigned gs_uuid_place(const GsUuid *uuid);

#endif
