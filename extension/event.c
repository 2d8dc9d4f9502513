/* SPDX-License-Identifier: PostgreSQL */
/*
 * The audit trail and the outbox of events: rows written in the transaction that decides, so that they commit or vanish
 * with it. What concerns whole groups is written once, and once more for each of its groups, never for each member:
 * members find it by their groups when they fetch (fetch.c). No lock.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "lookup.h"
#include "plan.h"
#include "reply.h"
#include "request.h"
#include "row.h"

PG_FUNCTION_INFO_V1(gs_current_era);

static GsTable audit_table = {
	.name = "audit",
	.columns = {"request_id", "peer", "actor", "action", "subject", "terminal", "detail"},
};

static GsLookup terminal_lookup = {.table = "terminal", .index = "terminal_pkey", .columns = {"identifier"}};

static GsPlan insert_event = {
	"INSERT INTO groupshare.event (terminal_id, kind, data) VALUES ($1, $2, $3)",
	{UUIDOID, TEXTOID, JSONBOID},
};

static GsPlan insert_group_event = {
	"WITH told AS (INSERT INTO groupshare.group_event (kind, data) VALUES ($3, $4) RETURNING id)"
	" INSERT INTO groupshare.event_group (group_id, era, xid, event_id, hides)"
	" SELECT g.id, e.number, pg_current_xact_id(), t.id, g.hides FROM told t, (SELECT number FROM groupshare.event_era "
	"LIMIT 1) e,"
	"   (SELECT unnest($1), false UNION ALL SELECT unnest($2), true) g (id, hides)",
	{UUIDARRAYOID, UUIDARRAYOID, TEXTOID, JSONBOID},
};
static GsPlan find_era = {"SELECT number FROM groupshare.event_era", {InvalidOid}};

static GsPlan insert_administrator_events = {
	"INSERT INTO groupshare.event (terminal_id, kind, data)"
	" SELECT m.terminal_id, $2, $3 FROM groupshare.membership m"
	"  WHERE m.group_id = $1 AND m.state = 'administrator'",
	{UUIDOID, TEXTOID, JSONBOID},
};

static Datum text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum)0 : CStringGetTextDatum(text);
}

static char *identifier_of(const pg_uuid_t *terminal)
{
	const GsKey key = GS_KEY_UUID(1, terminal);
	char *identifier = NULL;
	GsCursor cursor;

	if (terminal == NULL)
		return NULL;
	if (gs_lookup_one(&cursor, &terminal_lookup, &key, 1))
		identifier = gs_lookup_text(&cursor, 1);
	gs_lookup_close(&cursor);
	return identifier;
}

static const char *actor(const GsRequest *request)
{
	if (request != NULL && request->terminal != NULL)
		return request->terminal->identifier;
	return psprintf("role %s", GetUserNameFromId(GetSessionUserId(), false));
}

static void audit(const GsRequest *request, const char *action, const char *subject, const pg_uuid_t *terminal,
				  Jsonb *detail)
{
	const bool has_peer = request != NULL && request->peer != NULL;
	Datum values[7];
	char nulls[7];

	values[0] = text_or_null(request == NULL ? NULL : request->request_id, &nulls[0]);
	nulls[1] = has_peer ? ' ' : 'n';
	values[1] = has_peer ? InetPGetDatum(request->peer) : (Datum)0;
	values[2] = text_or_null(actor(request), &nulls[2]);
	values[3] = text_or_null(action, &nulls[3]);
	values[4] = text_or_null(subject, &nulls[4]);
	values[5] = text_or_null(identifier_of(terminal), &nulls[5]);
	nulls[6] = detail == NULL ? 'n' : ' ';
	values[6] = detail == NULL ? (Datum)0 : JsonbPGetDatum(detail);
	(void)gs_row_insert(&audit_table, values, nulls);
}

void gs_audit(const GsRequest *request, const char *action, const char *subject, Jsonb *detail)
{
	audit(request, action, subject, NULL, detail);
}

void gs_audit_member(const GsRequest *request, const char *action, const pg_uuid_t *subject, const pg_uuid_t *terminal,
					 Jsonb *detail)
{
	audit(request, action, gs_reply_uuid_text(subject), terminal, detail);
}

void gs_event_terminal(const pg_uuid_t *terminal, const char *kind, Jsonb *data)
{
	Datum values[] = {UUIDPGetDatum(terminal), CStringGetTextDatum(kind), JsonbPGetDatum(data)};

	(void)gs_plan_run(&insert_event, values, NULL, 0);
}

static ArrayType *ids_of(const pg_uuid_t *group)
{
	Datum id = UUIDPGetDatum(group);

	return gs_plan_uuid_array(&id, group == NULL ? 0 : 1);
}

void gs_event_groups(ArrayType *shown, ArrayType *hidden, const char *kind, Jsonb *data)
{
	Datum values[] = {PointerGetDatum(shown), PointerGetDatum(hidden), CStringGetTextDatum(kind), JsonbPGetDatum(data)};

	if (ArrayGetNItems(ARR_NDIM(shown), ARR_DIMS(shown)) > 0)
		(void)gs_plan_run(&insert_group_event, values, NULL, 0);
}

void gs_event_group(const pg_uuid_t *group, const char *kind, Jsonb *data)
{
	gs_event_groups(ids_of(group), ids_of(NULL), kind, data);
}

/* current_era() */
Datum gs_current_era(PG_FUNCTION_ARGS)
{
	int64 era;

	gs_plan_open();
	if (gs_plan_run(&find_era, NULL, NULL, 1) == 0)
		elog(ERROR, "the row of groupshare.event_era is missing");
	era = gs_result_int64(0, 1);
	gs_plan_close();
	PG_RETURN_INT64(era);
}

void gs_event_administrators(const pg_uuid_t *group, const char *kind, Jsonb *data)
{
	Datum values[] = {UUIDPGetDatum(group), CStringGetTextDatum(kind), JsonbPGetDatum(data)};

	(void)gs_plan_run(&insert_administrator_events, values, NULL, 0);
}
