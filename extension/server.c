/* SPDX-License-Identifier: PostgreSQL */
/*
 * Control servers and the service list: which server manages which terminal. DBAs keep the list the same on each server
 * with the functions here; a trigger on the tables tells the gateways of changes. setup_server locks groupshare.self
 * against a second setup before it looks.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "errcodes.h"
#include "names.h"
#include "plan.h"
#include "reply.h"
#include "server.h"
#include "settings.h"

PG_FUNCTION_INFO_V1(gs_setup_server);
PG_FUNCTION_INFO_V1(gs_add_control_server);
PG_FUNCTION_INFO_V1(gs_route_terminal);
PG_FUNCTION_INFO_V1(gs_rotate_secrets);
PG_FUNCTION_INFO_V1(gs_api_hello);

static GsPlan find_self = {"SELECT s.name FROM groupshare.self f JOIN groupshare.server s ON s.id = f.server_id",
						   {InvalidOid}};
static GsPlan lock_self = {"LOCK TABLE groupshare.self IN SHARE ROW EXCLUSIVE MODE", {InvalidOid}};
static GsPlan insert_self = {
	"WITH made AS (INSERT INTO groupshare.server (name) VALUES ($1) RETURNING id)"
	" INSERT INTO groupshare.self (server_id) SELECT id FROM made",
	{TEXTOID},
};
static GsPlan insert_plan = {"INSERT INTO groupshare.plan (name) VALUES ('standard') ON CONFLICT DO NOTHING",
							 {InvalidOid}};

static GsPlan insert_server = {
	"INSERT INTO groupshare.server (name, id) VALUES ($1, $2)"
	" ON CONFLICT (id) DO UPDATE SET name = excluded.name",
	{TEXTOID, UUIDOID},
};

static GsPlan upsert_entry = {
	"WITH entry AS (INSERT INTO groupshare.service_entry (identifier, server_id)"
	"   SELECT $1, s.id FROM groupshare.server s WHERE s.name = $2"
	"   ON CONFLICT (identifier) DO UPDATE SET server_id = excluded.server_id, updated_at = now() RETURNING 1)"
	" SELECT jsonb_build_object('from', (SELECT s.name FROM groupshare.service_entry e"
	"   JOIN groupshare.server s ON s.id = e.server_id WHERE e.identifier = $1), 'to', $2) FROM entry",
	{TEXTOID, TEXTOID},
};

static GsPlan lock_secrets = {"LOCK TABLE groupshare.secret IN SHARE ROW EXCLUSIVE MODE", {InvalidOid}};
/* A retired key is of no use once the youngest token that it signed has expired. */
static GsPlan retire_secrets = {
	"WITH gone AS (DELETE FROM groupshare.secret WHERE $1 OR retired_at < now() - make_interval(secs => $2) RETURNING "
	"1)"
	" UPDATE groupshare.secret SET retired_at = now() WHERE NOT $1 AND retired_at IS NULL",
	{BOOLOID, FLOAT8OID},
};
static GsPlan insert_secrets = {
	"INSERT INTO groupshare.secret (purpose, key)"
	" SELECT purpose, groupshare.random_key() FROM unnest(ARRAY['session', 'challenge']) purpose",
	{InvalidOid},
};

static GsPlan find_version = {"SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'groupshare'",
							  {InvalidOid}};

GsSelf *gs_server_setup(const char *name)
{
	if (gs_plan_run(&find_self, NULL, NULL, 1) == 0) {
		(void)gs_plan_run(&lock_self, NULL, NULL, 0);
		if (gs_plan_run(&find_self, NULL, NULL, 1) == 0) {
			const char *made = name != NULL ? name : get_database_name(MyDatabaseId);

			(void)gs_plan_run(&insert_self, (Datum[]){CStringGetTextDatum(made)}, NULL, 0);
			(void)gs_plan_run(&insert_plan, NULL, NULL, 0);
			gs_audit(NULL, "setup_server", made, NULL);
			return gs_request_self();
		}
	}
	if (name != NULL && strcmp(gs_result_text(0, 1), name) != 0)
		ereport(ERROR, (errcode(GS_ERR_CONFLICT),
						errmsg("this database is already the control server \"%s\"", gs_result_text(0, 1)),
						errhint("A server keeps its name: sessions and the other servers' lists hold it.")));
	return gs_request_self();
}

Datum gs_setup_server(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(*id));

	gs_plan_open();
	*id = gs_server_setup(PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0)))->id;
	gs_plan_close();
	PG_RETURN_UUID_P(id);
}

Datum gs_add_control_server(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	GsSelf *self;

	gs_plan_open();
	self = gs_server_setup(NULL);
	if (memcmp(&self->id, PG_GETARG_UUID_P(1), sizeof(self->id)) == 0)
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("this is the id of this control server itself")));
	(void)gs_plan_run(&insert_server, (Datum[]){PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)}, NULL, 0);
	gs_audit(NULL, "add_control_server", name, NULL);
	gs_plan_close();
	PG_RETURN_VOID();
}

Datum gs_route_terminal(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);
	char *identifier = gs_name_identifier(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));
	char *server = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (identifier == NULL)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("not a terminal identifier")));
	gs_plan_open();
	if (gs_plan_run(&upsert_entry, (Datum[]){CStringGetTextDatum(identifier), PG_GETARG_DATUM(1)}, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no control server \"%s\"", server),
						errhint("Add it by groupshare.add_control_server().")));
	gs_audit(NULL, "route_terminal", identifier, gs_result_jsonb(0, 1));
	gs_plan_close();
	PG_RETURN_VOID();
}

Datum gs_rotate_secrets(PG_FUNCTION_ARGS)
{
	float8 lifetime_s = Max(gs_session_lifetime_s, gs_challenge_lifetime_s);

	gs_plan_open();
	(void)gs_plan_run(&lock_secrets, NULL, NULL, 0);
	(void)gs_plan_run(&retire_secrets, (Datum[]){PG_GETARG_DATUM(0), Float8GetDatum(lifetime_s)}, NULL, 0);
	(void)gs_plan_run(&insert_secrets, NULL, NULL, 0);
	gs_audit(NULL, "rotate_secrets", PG_GETARG_BOOL(0) ? "revoked" : "retired", NULL);
	gs_plan_close();
	PG_RETURN_VOID();
}

Datum gs_api_hello(PG_FUNCTION_ARGS)
{
	GsReply reply;
	GsSelf *self;

	gs_plan_open();
	self = gs_request_self();
	gs_reply_begin(&reply);
	gs_reply_text(&reply, "server", self->name);
	gs_reply_uuid(&reply, "id", &self->id);
	(void)gs_plan_run(&find_version, NULL, NULL, 1);
	gs_reply_text(&reply, "version", gs_result_text(0, 1));
	gs_plan_close();
	PG_RETURN_JSONB_P(gs_reply_end(&reply));
}
