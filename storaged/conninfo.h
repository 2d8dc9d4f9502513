/* SPDX-License-Identifier: PostgreSQL */
/*
 * A connection string made ready for PQconnectStartParams: host names are resolved here, on a pool thread, because
 * libpq would do it blocking on the loop.
 */
#ifndef GS_CONNINFO_H
#define GS_CONNINFO_H

#include <stddef.h>

#define GS_CONNINFO_OPTIONS_MAX 64
#define GS_CONNINFO_HOSTS_MAX 16
#define GS_CONNINFO_LIST_MAX 4096

typedef struct GsConninfo {
	const char *keywords[GS_CONNINFO_OPTIONS_MAX + 1]; /* ended by NULL */
	const char *values[GS_CONNINFO_OPTIONS_MAX + 1];
	void *options; /* what keywords and values point into */
	char hosts[GS_CONNINFO_LIST_MAX], addresses[GS_CONNINFO_LIST_MAX], ports[GS_CONNINFO_LIST_MAX];
	char error[256];
} GsConninfo;

/* Blocks. 0, or -1 with `error` filled. gs_conninfo_clear in either case. */
__attribute__((warn_unused_result)) int gs_conninfo_resolve(GsConninfo *conninfo, const char *text);
void gs_conninfo_clear(GsConninfo *conninfo);

#endif
