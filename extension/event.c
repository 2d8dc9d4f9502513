/* SPDX-License-Identifier: PostgreSQL */
/*
 * The audit trail and the outbox of events: rows written in the transaction that decides, so that they commit or vanish
 * with it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "plan.h"
#include "request.h"

static GsPlan insert_audit = {
	"INSERT INTO groupshare.audit (request_id, peer, actor, action, subject, detail)"
	" VALUES ($1, $2, coalesce($3, 'role ' || session_user), $4, $5, $6)",
	{TEXTOID, INETOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID},
	.by_key = true,
};

static GsPlan insert_event = {
	"INSERT INTO groupshare.event (terminal_id, kind, data) VALUES ($1, $2, $3)",
	{UUIDOID, TEXTOID, JSONBOID},
};

static GsPlan insert_member_events = {
	"INSERT INTO groupshare.event (terminal_id, kind, data)"
	" SELECT m.terminal_id, $3, $4 FROM groupshare.membership m"
	"  WHERE m.group_id = $1 AND m.state IN ('member', 'administrator') AND m.terminal_id IS DISTINCT FROM $2",
	{UUIDOID, UUIDOID, TEXTOID, JSONBOID},
};

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

void gs_audit(const GsRequest *request, const char *action, const char *subject, Jsonb *detail)
{
	Datum values[6];
	char nulls[6];

	values[0] = text_or_null(request == NULL ? NULL : request->request_id, &nulls[0]);
	nulls[1] = request == NULL || request->peer == NULL ? 'n' : ' ';
	values[1] = nulls[1] == 'n' ? (Datum)0 : InetPGetDatum(request->peer);
	values[2] =
		text_or_null(request == NULL || request->terminal == NULL ? NULL : request->terminal->identifier, &nulls[2]);
	values[3] = text_or_null(action, &nulls[3]);
	values[4] = text_or_null(subject, &nulls[4]);
	nulls[5] = detail == NULL ? 'n' : ' ';
	values[5] = detail == NULL ? (Datum)0 : JsonbPGetDatum(detail);
	(void)gs_plan_run(&insert_audit, values, nulls, 0);
}

void gs_event_terminal(const pg_uuid_t *terminal, const char *kind, Jsonb *data)
{
	Datum values[] = {UUIDPGetDatum(terminal), CStringGetTextDatum(kind), JsonbPGetDatum(data)};

	(void)gs_plan_run(&insert_event, values, NULL, 0);
}

void gs_event_members(const pg_uuid_t *group, const pg_uuid_t *except, const char *kind, Jsonb *data)
{
	Datum values[] = {UUIDPGetDatum(group), UUIDPGetDatum(except), CStringGetTextDatum(kind), JsonbPGetDatum(data)};
	char nulls[] = {' ', except == NULL ? 'n' : ' ', ' ', ' '};

	(void)gs_plan_run(&insert_member_events, values, nulls, 0);
}

void gs_event_administrators(const pg_uuid_t *group, const char *kind, Jsonb *data)
{
	Datum values[] = {UUIDPGetDatum(group), CStringGetTextDatum(kind), JsonbPGetDatum(data)};

	(void)gs_plan_run(&insert_administrator_events, values, NULL, 0);
}
