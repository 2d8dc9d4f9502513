/* SPDX-License-Identifier: PostgreSQL */
/* The Range field of RFC 9110 section 14, for one range of bytes. Pure. */
#ifndef GS_RANGE_H
#define GS_RANGE_H

#include <stdint.h>

typedef enum GsRangeKind {
	GS_RANGE_WHOLE,         /* no range that we serve: not bytes, malformed, or several: the whole object, 200 */
	GS_RANGE_PART,          /* 206 */
	GS_RANGE_UNSATISFIABLE, /* 416 */
} GsRangeKind;

typedef struct GsRange {
	uint64_t offset, size; /* of the part, or of the whole object */
} GsRange;

/*
 * `value` is the field's value, NULL when absent. Several ranges are answered by the whole object, which the RFC allows
 * (section 14.2): a multipart answer helps no known client of large files and multiplies work.
 */
GsRangeKind gs_range_parse(const char *value, uint64_t size, GsRange *range);

#endif
