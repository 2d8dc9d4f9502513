/* SPDX-License-Identifier: PostgreSQL */
/* Connection strings of control servers in settings: checked and shown without what is secret in them. */
#ifndef GS_DAEMON_CONNINFO_H
#define GS_DAEMON_CONNINFO_H

#include <stdio.h>

/* NULL for fine, else a static text, which quotes nothing of it. */
const char *gs_conninfo_check(const char *conninfo);

/* " keyword='value'" for each of its options, passwords as ***. */
void gs_conninfo_dump(const char *conninfo, FILE *out);

#endif
