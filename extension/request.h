/* SPDX-License-Identifier: PostgreSQL */
/*
 * One request to the api_* functions: who asks (verified), from where, under which id. Every api_* entry point calls
 * gs_request_begin first and gs_request_reply last; what it does between is a decision of its own module.
 */
#ifndef GS_REQUEST_H
#define GS_REQUEST_H

#include "postgres.h"
#include "fmgr.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* A terminal as read under the request's snapshot; palloc'd. */
typedef struct GsTerminal {
	pg_uuid_t id;
	pg_uuid_t home;
	char *identifier;
	char *plan;
	int32 epoch;
	char *location; /* its own setting, NULL = by its address */
	bool has_point; /* of the location; its degrees */
	double latitude, longitude;
	/* Of its plan; PG_INT64_MAX: no limit. */
	int64 max_object, quota, max_shares;
	bool counts_held;    /* of deleted shares */
	int64 transfer_rate; /* bytes a second; 0: no limit */
} GsTerminal;

typedef struct GsRequest {
	GsTerminal *terminal; /* NULL for calls without a session */
	inet *peer;           /* NULL when called by a DBA */
	char *request_id;     /* NULL when called by a DBA */
	Jsonb *params;        /* never NULL; an empty object when absent */
	Jsonb *body;          /* NULL when absent */
} GsRequest;

/*
 * Reads the five api arguments, opens SPI (gs_plan_open), and when `session` verifies the token (GS002). `known_params`
 * and `known_body` are NULL-terminated lists; known_body NULL = no body allowed except `{}`.
 */
GsRequest *gs_request_begin(FunctionCallInfo fcinfo, bool session, const char *const *known_params,
							const char *const *known_body);

/* Closes SPI and builds the (status, reply, etag) row. `reply` and `etag` may be NULL. */
Datum gs_request_reply(FunctionCallInfo fcinfo, int status, Jsonb *reply, const char *etag);

char *gs_request_etag(Jsonb *reply);

/* The same with the reply's ETag: 304 without a reply when it equals params.if_none_match, otherwise 200. */
Datum gs_request_reply_tagged(FunctionCallInfo fcinfo, const GsRequest *request, Jsonb *reply, const char *etag);

/* For typed functions and tests: a request on behalf of a terminal named by a DBA; SPI must be open already (the caller
 * brackets with gs_plan_open / gs_plan_close). GS012 when there is none, GS002 when revoked or without permission. */
GsRequest *gs_request_for(const char *identifier);

/* This database's own row in the service list; GS040 when there is none. SPI must be open. */
typedef struct GsSelf {
	pg_uuid_t id;
	char *name;
} GsSelf;
GsSelf *gs_request_self(void);

/* Reads a terminal from GS_TERMINAL_COLUMNS (of terminal t and its plan p), starting at `col` of row 0. */
#define GS_TERMINAL_COLUMNS                                                                                     \
	"t.id, t.home, t.identifier, t.plan, t.location, t.epoch, t.latitude IS NOT NULL, coalesce(t.latitude, 0)," \
	" coalesce(t.longitude, 0), coalesce(p.transfer_rate_bytes, 0), p.max_object_bytes, p.quota_bytes,"         \
	" p.max_shares::bigint, p.free_held_bytes IS NOT NULL"
GsTerminal *gs_request_terminal(int col);

/* One audit row in this transaction. `subject` and `detail` may be NULL; actor is the request's terminal or the
 * session role; `request` may be NULL (a DBA's own command). */
void gs_audit(const GsRequest *request, const char *action, const char *subject, Jsonb *detail);

/* The same of a terminal's membership: to whom it was done. `subject` is the group, or the inquiry that was decided. */
void gs_audit_member(const GsRequest *request, const char *action, const pg_uuid_t *subject, const pg_uuid_t *terminal,
					 Jsonb *detail);

/* One outbox row for one terminal / for each administrator of a group. */
void gs_event_terminal(const pg_uuid_t *terminal, const char *kind, Jsonb *data);
void gs_event_administrators(const pg_uuid_t *group, const char *kind, Jsonb *data);

/* One event for all members of a group, whatever their number / of the groups in `shown`, uuid[], but for those who are
 * members of one in `hidden`, uuid[] too. */
void gs_event_group(const pg_uuid_t *group, const char *kind, Jsonb *data);
void gs_event_groups(ArrayType *shown, ArrayType *hidden, const char *kind, Jsonb *data);

#endif
