/* SPDX-License-Identifier: PostgreSQL */
/* Connection strings of control servers in settings: checked and shown without what is secret in them. */
#ifndef GS_DAEMON_CONNINFO_H
#define GS_DAEMON_CONNINFO_H

#include <stdio.h>

/* NULL for fine, else a static text, which quotes nothing of it. */
const char *gs_conninfo_check(const char *conninfo);

/* " keyword='value'" for each of its options, passwords as ***. */
void gs_conninfo_dump(const char *conninfo, FILE *out);

/* SQL, one text of a connection's first call: the server's end finds out within a minute that ours has gone without a
 * word, while it waits for us (keepalives) and while it sends (user timeout), instead of keeping the connection for
 * hours. Of no effect on unix sockets. */
#define GS_CONNINFO_PROBES                                              \
	"pg_catalog.set_config('tcp_keepalives_idle', '30', false) || "     \
	"pg_catalog.set_config('tcp_keepalives_interval', '10', false) || " \
	"pg_catalog.set_config('tcp_keepalives_count', '3', false) || "     \
	"pg_catalog.set_config('tcp_user_timeout', '60000', false)"

#endif
