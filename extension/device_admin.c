/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a DBA does with storage devices: add, drain, decommission, move, limit, rotate the ticket key. The rules that
 * must also hold against a DBA's own UPDATE (areas follow the location, nothing is decommissioned that still holds
 * shares) are triggers in sql/35-constraints-storage.sql; these functions add what a row can't: roles, names, audit,
 * hints.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/user.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "device_named.h"
#include "errcodes.h"
#include "names.h"
#include "origin.h"
#include "plan.h"
#include "reply.h"
#include "request.h"
#include "server.h"

#define STORAGE_ROLE "groupshare_storage"

static GsPlan add_plan = {
	.sql = "INSERT INTO groupshare.device (home, name, login_role, location) VALUES ($1, $2, $3::name, $4)"
		   " ON CONFLICT DO NOTHING RETURNING id",
	.types = {UUIDOID, TEXTOID, TEXTOID, TEXTOID},
};

static GsPlan set_state_plan = {
	.sql = "UPDATE groupshare.device SET state = $2 WHERE name = $1 RETURNING NULL::jsonb",
	.types = {TEXTOID, TEXTOID},
};

static GsPlan set_location_plan = {
	.sql = "UPDATE groupshare.device SET location = $2, latitude = $3, longitude = $4 WHERE name = $1"
		   " RETURNING jsonb_strip_nulls(jsonb_build_object('location', location, 'latitude', latitude,"
		   "   'longitude', longitude))",
	.types = {TEXTOID, TEXTOID, FLOAT8OID, FLOAT8OID},
};

static GsPlan set_limits_plan = {
	.sql = "UPDATE groupshare.device SET headroom_bytes = $2, high_water_percent = $3, capacity_limit_bytes = $4"
		   " WHERE name = $1 RETURNING jsonb_strip_nulls(jsonb_build_object('headroom_bytes', headroom_bytes,"
		   "   'high_water_percent', high_water_percent, 'capacity_limit_bytes', capacity_limit_bytes))",
	.types = {TEXTOID, INT8OID, INT4OID, INT8OID},
};

static GsPlan lock_device_plan = {
	.sql = "SELECT d.id FROM groupshare.device d WHERE d.name = $1 FOR NO KEY UPDATE",
	.types = {TEXTOID},
};

static GsPlan retire_key_plan = {
	.sql = "UPDATE groupshare.device_key SET retired_at = now() WHERE device_id = $1 AND retired_at IS NULL",
	.types = {UUIDOID},
};

static GsPlan revoke_keys_plan = {
	.sql = "DELETE FROM groupshare.device_key WHERE device_id = $1",
	.types = {UUIDOID},
};

static GsPlan make_key_plan = {
	.sql = "INSERT INTO groupshare.device_key (device_id, key) VALUES ($1, groupshare.random_key()) RETURNING kid",
	.types = {UUIDOID},
};

static void check_role(const char *role)
{
	HeapTuple tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(role));
	bool can_login;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role \"%s\" does not exist", role),
						errhint("Run CREATE ROLE %s LOGIN first.", quote_identifier(role))));
	can_login = ((Form_pg_authid)GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	if (!can_login)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("role \"%s\" can't log in", role),
						errhint("Run ALTER ROLE %s LOGIN first.", quote_identifier(role))));
	if (!OidIsValid(get_role_oid(STORAGE_ROLE, true)))
		ereport(ERROR, (errcode(GS_ERR_NOT_SET_UP), errmsg("role \"" STORAGE_ROLE "\" does not exist"),
						errhint("Run SELECT groupshare.setup_roles().")));
}

static void grant_storage_role(const char *role)
{
	GrantRoleStmt *grant = makeNode(GrantRoleStmt);
	AccessPriv *granted = makeNode(AccessPriv);
	RoleSpec *grantee = makeNode(RoleSpec);

	granted->priv_name = STORAGE_ROLE;
	grantee->roletype = ROLESPEC_CSTRING;
	grantee->rolename = pstrdup(role);
	grantee->location = -1;
	grant->granted_roles = list_make1(granted);
	grant->grantee_roles = list_make1(grantee);
	grant->is_grant = true;
	GrantRole(grant);
}

PG_FUNCTION_INFO_V1(gs_add_storage_device);
/* add_storage_device(name, login_role, location) */
Datum gs_add_storage_device(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *role = NameStr(*PG_GETARG_NAME(1));
	char *location = text_to_cstring(PG_GETARG_TEXT_PP(2));
	pg_uuid_t *device;
	Datum values[4];

	if (!gs_name_valid(name, strlen(name)))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"%s\" is no valid device name", name)));
	gs_origin_check_location(location);
	check_role(role);
	gs_plan_open();
	values[0] = UUIDPGetDatum(&gs_server_setup(NULL)->id);
	values[1] = CStringGetTextDatum(name);
	values[2] = CStringGetTextDatum(role);
	values[3] = CStringGetTextDatum(location);
	if (gs_plan_run(&add_plan, values, NULL, 0) == 0)
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("the name or the login role belongs to another device"),
						errhint("SELECT name, login_role FROM groupshare.devices lists them.")));
	device = gs_result_uuid(0, 1);
	grant_storage_role(role);
	gs_audit(NULL, "add_storage_device", name, NULL);
	gs_plan_close();
	PG_RETURN_UUID_P(device);
}

/* Runs `plan` with the device's name and what else it takes; what it answers goes into the audit. */
static Datum change_device(FunctionCallInfo fcinfo, GsPlan *plan, Datum *values, const char *nulls, const char *action)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	values[0] = CStringGetTextDatum(name);
	gs_plan_open();
	if (gs_plan_run(plan, values, nulls, 0) == 0)
		gs_device_missing(name);
	gs_audit(NULL, action, name, gs_result_isnull(0, 1) ? NULL : gs_result_jsonb(0, 1));
	gs_plan_close();
	PG_RETURN_VOID();
}

static Datum change_state(FunctionCallInfo fcinfo, const char *state, const char *action)
{
	return change_device(fcinfo, &set_state_plan, (Datum[]){0, CStringGetTextDatum(state)}, NULL, action);
}

PG_FUNCTION_INFO_V1(gs_drain_device);
Datum gs_drain_device(PG_FUNCTION_ARGS)
{
	return change_state(fcinfo, "draining", "drain_device");
}

PG_FUNCTION_INFO_V1(gs_undrain_device);
Datum gs_undrain_device(PG_FUNCTION_ARGS)
{
	return change_state(fcinfo, "active", "undrain_device");
}

PG_FUNCTION_INFO_V1(gs_decommission_device);
Datum gs_decommission_device(PG_FUNCTION_ARGS)
{
	return change_state(fcinfo, "decommissioned", "decommission_device");
}

static void require(FunctionCallInfo fcinfo, int arguments)
{
	for (int i = 0; i < arguments; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("argument %d must not be null", i + 1)));
}

/* Argument `i` as a value of the plan, unless it is null. */
static void take(FunctionCallInfo fcinfo, int i, Datum *values, char *nulls)
{
	nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	if (!PG_ARGISNULL(i))
		values[i] = PG_GETARG_DATUM(i);
}

PG_FUNCTION_INFO_V1(gs_move_device);
/* move_device(name, location, latitude, longitude) */
Datum gs_move_device(PG_FUNCTION_ARGS)
{
	Datum values[4] = {0};
	char nulls[4] = "    ";
	char *location;

	require(fcinfo, 2);
	location = text_to_cstring(PG_GETARG_TEXT_PP(1));
	gs_origin_check_location(location);
	gs_origin_check_point(fcinfo, 2);
	values[1] = CStringGetTextDatum(location);
	take(fcinfo, 2, values, nulls);
	take(fcinfo, 3, values, nulls);
	return change_device(fcinfo, &set_location_plan, values, nulls, "move_device");
}

static void check_limits(FunctionCallInfo fcinfo)
{
	if ((!PG_ARGISNULL(1) && PG_GETARG_INT64(1) < 0) || (!PG_ARGISNULL(3) && PG_GETARG_INT64(3) < 0))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
						errmsg("headroom_bytes and capacity_limit_bytes must not be negative")));
	if (!PG_ARGISNULL(2) && (PG_GETARG_INT32(2) < 1 || PG_GETARG_INT32(2) > 100))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("high_water_percent must be between 1 and 100")));
}

PG_FUNCTION_INFO_V1(gs_set_device_limits);
/* set_device_limits(name, headroom_bytes, high_water_percent, capacity_limit_bytes) */
Datum gs_set_device_limits(PG_FUNCTION_ARGS)
{
	Datum values[4] = {0};
	char nulls[4] = "    ";

	require(fcinfo, 1);
	check_limits(fcinfo);
	for (int i = 1; i < 4; i++)
		take(fcinfo, i, values, nulls);
	return change_device(fcinfo, &set_limits_plan, values, nulls, "set_device_limits");
}

PG_FUNCTION_INFO_V1(gs_rotate_device_key);
/* rotate_device_key(name, revoke) */
Datum gs_rotate_device_key(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum by_name[] = {CStringGetTextDatum(name)};
	Datum by_id[1];
	char *kid;

	gs_plan_open();
	if (gs_plan_run(&lock_device_plan, by_name, NULL, 0) == 0)
		gs_device_missing(name);
	by_id[0] = UUIDPGetDatum(gs_result_uuid(0, 1));
	gs_plan_run(PG_GETARG_BOOL(1) ? &revoke_keys_plan : &retire_key_plan, by_id, NULL, 0);
	gs_plan_run(&make_key_plan, by_id, NULL, 0);
	kid = gs_result_text(0, 1);
	gs_audit(NULL, "rotate_device_key", name, NULL);
	gs_plan_close();
	PG_RETURN_TEXT_P(cstring_to_text(kid));
}
