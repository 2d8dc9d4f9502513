/* SPDX-License-Identifier: PostgreSQL */
/*
 * One table, searched from its top: an exact SQLSTATE stands above a prefix of it. Retry-After says when asking again
 * makes sense: at once for a lost race, later for a device or a disk that has to change first.
 */
#include "gateway/sqlstate.h"

#include <stddef.h>
#include <string.h>

#define MALFORMED "A value is malformed or out of range."
#define COLLIDED "The request collided with another one or took too long; nothing was done."
#define AWAY "The database is not available; nothing was done."
#define INTERNAL "The request failed; the reason is in the server's log."

static const GsSqlstate table[] = {
	{"GS001", 401, "connection_failed", 0, NULL},
	{"GS002", 401, "session_invalid", 0, NULL},
	{"GS003", 403, "enrolment_failed", 0, NULL},
	{"GS010", 400, "invalid_parameter", 0, NULL},
	{"GS011", 400, "unknown_member", 0, NULL},
	{"GS012", 404, "not_found", 0, NULL},
	{"GS013", 403, "forbidden", 0, NULL},
	{"GS014", 403, "join_refused", 0, NULL},
	{"GS015", 409, "conflict", 0, NULL},
	{"GS016", 409, "share_exists", 0, NULL},
	{"GS017", 409, "inquiry_decided", 0, NULL},
	{"GS018", 409, "group_not_live", 0, NULL},
	{"GS019", 403, "not_a_member", 0, NULL},
	{"GS020", 413, "too_large", 0, NULL},
	{"GS021", 413, "quota_exceeded", 0, NULL},
	{"GS022", 507, "no_room", 60, NULL},
	{"GS023", 503, "devices_busy", 1, NULL},
	{"GS024", 409, "share_pending", 0, NULL},
	{"GS025", 503, "device_unavailable", 5, NULL},
	{"GS026", 429, "too_many_requests", 10, NULL},
	{"GS027", 410, "share_damaged", 0, NULL},
	{"GS030", 403, "unknown_device", 0, NULL},
	{"GS031", 409, "stale_epoch", 0, NULL},
	{"GS032", 409, "receipt_mismatch", 0, NULL},
	{"GS033", 409, "announce_first", 0, NULL},
	{"GS040", 500, "not_set_up", 0, NULL},
	{"22", 400, "invalid_parameter", 0, MALFORMED},
	{"40001", 503, "try_again", 1, COLLIDED},
	{"40P01", 503, "try_again", 1, COLLIDED},
	{"55P03", 503, "try_again", 1, COLLIDED},
	{"57014", 503, "try_again", 1, COLLIDED},
	{"25006", 503, "unavailable", 2, AWAY}, /* a standby, or one that is only to be read for a while */
	{"57P0", 503, "unavailable", 2, AWAY},
	{"08", 503, "unavailable", 2, AWAY},
	{"53", 503, "unavailable", 2, AWAY},
	{"", 500, "internal", 0, INTERNAL},
};

const GsSqlstate *gs_sqlstate_find(const char *sqlstate)
{
	const GsSqlstate *row = table;

	/* Ends at the last row at the latest: everything begins with "". */
	while (strncmp(sqlstate, row->prefix, strlen(row->prefix)) != 0)
		row++;
	return row;
}
