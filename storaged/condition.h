/* SPDX-License-Identifier: PostgreSQL */
/* Conditional requests (RFC 9110 section 13) against one strong entity tag; objects have no modification date. Pure. */
#ifndef GS_CONDITION_H
#define GS_CONDITION_H

#include <stdbool.h>

typedef enum GsCondition {
	GS_CONDITION_PROCEED,
	GS_CONDITION_NOT_MODIFIED, /* 304 */
	GS_CONDITION_FAILED        /* 412 */
} GsCondition;

/* Field values, NULL when absent; `etag` with its quotes. */
GsCondition gs_condition_evaluate(const char *if_match, const char *if_none_match, const char *etag);
/* May Range be honoured? A weak tag or a date never matches. */
bool gs_condition_range(const char *if_range, const char *etag);

#endif
