/* SPDX-License-Identifier: PostgreSQL */
/*
 * Structured field values (RFC 9651), as far as a resumable upload and its digests need them: one Item, or one member
 * of a Dictionary. The whole field is read by the grammar, so that a value is never taken out of one that is malformed;
 * parameters are read and ignored, since none is defined for these fields. Pure.
 */
#ifndef GS_STRUCTURED_H
#define GS_STRUCTURED_H

#include <stddef.h>
#include <stdint.h>

typedef enum GsItemType {
	GS_ITEM_OTHER, /* well formed, and nothing that is asked for here: decimal, string, token, date, inner list */
	GS_ITEM_INTEGER,
	GS_ITEM_BOOLEAN,
	GS_ITEM_BYTES
} GsItemType;

typedef struct GsItem {
	GsItemType type;
	int64_t number; /* INTEGER; BOOLEAN: 1 or 0 */
	const char *bytes;
	size_t size; /* BYTES: the base64 between the colons, within the field; not decoded */
} GsItem;

typedef enum GsStructured {
	GS_STRUCTURED_NONE = 0,
	GS_STRUCTURED_FOUND = 1,
	GS_STRUCTURED_MALFORMED = -1
} GsStructured;

/* The field is one Item. `field` NULL: NONE. Integers may have 16 digits instead of the RFC's 15: tus knows no such
 * bound, and the length of an object is below 2^53. */
__attribute__((warn_unused_result)) GsStructured gs_structured_item(const char *field, GsItem *item);

/* The field is a Dictionary; the member `key`, the last of several (RFC 9651 section 4.2.2). */
__attribute__((warn_unused_result)) GsStructured gs_structured_member(const char *field, const char *key, GsItem *item);

#endif
