/* SPDX-License-Identifier: PostgreSQL */
/*
 * Web pages of other origins (the CORS protocol of the Fetch standard): which may use the API, and what their browsers
 * are told. No credentials mode: neither daemon knows cookies, and a page that has no session or ticket gets by this
 * what any program gets. The daemon's own routes (/healthz, /readyz, /metrics) are no API and take no part.
 */
#ifndef GS_CORS_H
#define GS_CORS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/stream.h"

#define GS_CORS_MAX_AGE "7200" /* seconds that a browser may remember a preflight; Chromium takes no more */
#define GS_CORS_MAX_FIELDS 5

/* What a program's API uses beyond what the Fetch standard lets pass anyway; lower case, ", " between names. */
typedef struct GsCorsNames {
	const char *request; /* header fields that a page may send */
	const char *answer;  /* header fields that a page may read */
} GsCorsNames;

typedef enum GsCorsKind {
	GS_CORS_OFF,     /* no origins in the settings, or no path of the API */
	GS_CORS_OTHER,   /* no page asks, or one of an origin that is not allowed: only Vary is said */
	GS_CORS_ALLOWED, /* a page's request */
	GS_CORS_PREFLIGHT
} GsCorsKind;

/* Of one request. */
typedef struct GsCors {
	GsCorsKind kind;
	const char *origin; /* what is allowed: the page's origin, or "*" */
} GsCors;

/* The setting: origins with blanks between them, or "*". NULL for fine, else what is wrong; NULL is no origin. */
const char *gs_cors_check(const char *origins);
/* `origin` and `wants` (Access-Control-Request-Method): header fields of the request, NULL when absent. The result
 * points into `origin`. */
GsCors gs_cors_judge(const char *origins, const char *method, const char *origin, const char *wants);
/* The fields that the answer gets, whoever makes it; `allow`: the methods of the path. Returns their number. */
size_t gs_cors_fields(const GsCors *cors, const GsCorsNames *names, const char *allow,
					  GsHeader fields[GS_CORS_MAX_FIELDS]);

#endif
