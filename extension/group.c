/* SPDX-License-Identifier: PostgreSQL */
/*
 * Groups: create, settings, search, dissolve. Lock order of all that changes groups: the group's row first (one group
 * at a time, or several in the order of their ids), then rows of memberships, inquiries and terminals. State moves only
 * new -> live -> dissolved or new -> dissolved.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "access.h"
#include "body.h"
#include "errcodes.h"
#include "group.h"
#include "group_info.h"
#include "inquiry.h"
#include "member.h"
#include "names.h"
#include "plan.h"
#include "reply.h"

/* So many groups of one creator may wait for their settings. */
#define NEW_GROUPS_MAX 16

PG_FUNCTION_INFO_V1(gs_create_group);
PG_FUNCTION_INFO_V1(gs_set_group);
PG_FUNCTION_INFO_V1(gs_dissolve_group);
PG_FUNCTION_INFO_V1(gs_api_create_group);
PG_FUNCTION_INFO_V1(gs_api_set_group);
PG_FUNCTION_INFO_V1(gs_api_dissolve_group);

static GsPlan lock_group = {
	"SELECT name, state, join_rule, listing = 'hidden', steps_down"
	"  FROM groupshare.sharing_group WHERE id = $1 FOR NO KEY UPDATE",
	{UUIDOID},
};
static GsPlan count_new = {
	"SELECT count(*) FROM groupshare.sharing_group WHERE creator = $1 AND state = 'new'",
	{UUIDOID},
};
static GsPlan insert_group = {
	"INSERT INTO groupshare.sharing_group (home, name, creator) VALUES ($1, $2, $3) RETURNING id",
	{UUIDOID, TEXTOID, UUIDOID},
};
static GsPlan dissolve = {
	"UPDATE groupshare.sharing_group SET state = 'dissolved', dissolved_at = clock_timestamp() WHERE id = $1",
	{UUIDOID},
};

static const char *const state_names[] = {
	[GS_GROUP_NEW] = "new", [GS_GROUP_LIVE] = "live", [GS_GROUP_DISSOLVED] = "dissolved"};

const char *gs_group_state_name(GsGroupState state)
{
	return state_names[state];
}

static GsJoinRule rule_from_name(const char *name)
{
	if (name == NULL)
		return GS_JOIN_UNSET;
	if (strcmp(name, "anyone") == 0)
		return GS_JOIN_ANYONE;
	return strcmp(name, "listed") == 0 ? GS_JOIN_LISTED : GS_JOIN_CONFIRM;
}

GsGroup *gs_group_lock(const pg_uuid_t *id)
{
	GsGroup *group = palloc0(sizeof(*group));
	char *state;

	if (gs_plan_run(&lock_group, (Datum[]){UUIDPGetDatum(id)}, NULL, 1) == 0)
		return NULL;
	state = gs_result_text(0, 2);
	if (strcmp(state, "dissolved") == 0)
		return NULL;
	group->id = *id;
	group->name = gs_result_text(0, 1);
	group->state = strcmp(state, "new") == 0 ? GS_GROUP_NEW : GS_GROUP_LIVE;
	group->rule = rule_from_name(gs_result_text(0, 3));
	group->hidden = gs_result_bool(0, 4);
	group->steps_down = gs_result_uuid(0, 5);
	return group;
}

GsGroup *gs_group_lock_for(const GsRequest *request, const pg_uuid_t *id, bool administrator)
{
	GsGroup *group;

	/* A look before the lock, so that a stranger can't hold up a group; the second look is the one that counts. */
	gs_access_require(&request->terminal->id, id, administrator ? GS_ROLE_ADMINISTRATOR : GS_ROLE_MEMBER);
	group = gs_group_lock(id);
	gs_access_require(&request->terminal->id, id, administrator ? GS_ROLE_ADMINISTRATOR : GS_ROLE_MEMBER);
	return group;
}

Jsonb *gs_group_event(const GsGroup *group, const char *change)
{
	GsReply data;

	gs_reply_begin(&data);
	gs_reply_uuid(&data, "group", &group->id);
	gs_reply_text(&data, "group_name", group->name);
	gs_reply_text(&data, "change", change);
	return gs_reply_end(&data);
}

void gs_group_dissolve(const GsRequest *request, GsGroup *group)
{
	gs_inquiry_close_group(group);
	gs_event_group(&group->id, "group", gs_group_event(group, "dissolved"));
	(void)gs_plan_run(&dissolve, (Datum[]){UUIDPGetDatum(&group->id)}, NULL, 0);
	group->state = GS_GROUP_DISSOLVED;
	gs_audit(request, "dissolve_group", gs_reply_uuid_text(&group->id), NULL);
}

/* The new group, locked since this transaction made it. */
static GsGroup *create(const GsRequest *request, const char *name)
{
	GsSelf *self = gs_request_self();
	Datum creator = UUIDPGetDatum(&request->terminal->id);
	pg_uuid_t *id;

	(void)gs_plan_run(&count_new, &creator, NULL, 1);
	if (gs_result_int64(0, 1) >= NEW_GROUPS_MAX)
		ereport(ERROR, (errcode(GS_ERR_TOO_MANY_REQUESTS), errmsg("too many new groups wait for their settings"),
						errhint("Give them settings, or leave them.")));
	(void)gs_plan_run(&insert_group, (Datum[]){UUIDPGetDatum(&self->id), CStringGetTextDatum(name), creator}, NULL, 0);
	id = gs_result_uuid(0, 1);
	gs_member_set(id, &request->terminal->id, GS_MEMBER_ADMINISTRATOR);
	gs_audit(request, "create_group", gs_reply_uuid_text(id), NULL);
	return gs_group_lock(id);
}

/* What the terminal is to send as settings: their present values. */
static Jsonb *setting_notice(const GsRequest *request, const GsGroup *group)
{
	static GsPlan find = {
		"SELECT jsonb_build_object("
		"  'administrators', coalesce((SELECT jsonb_agg(t.identifier ORDER BY m.state, t.identifier)"
		"      FROM groupshare.membership m JOIN groupshare.terminal t ON t.id = m.terminal_id"
		"     WHERE m.group_id = g.id AND (m.state = 'administrator' OR m.invited_role = 'administrator')), '[]'),"
		"  'join', jsonb_build_object('rule', g.join_rule, 'listed', coalesce((SELECT jsonb_agg(l.identifier"
		"      ORDER BY l.identifier) FROM groupshare.group_listed l WHERE l.group_id = g.id), '[]')),"
		"  'listing', g.listing, 'description', g.description, 'max_members', g.max_members) FROM "
		"groupshare.sharing_group g WHERE g.id = $1",
		{UUIDOID},
	};
	GsReply reply;

	(void)gs_plan_run(&find, (Datum[]){UUIDPGetDatum(&group->id)}, NULL, 1);
	gs_reply_begin(&reply);
	gs_reply_uuid(&reply, "group", &group->id);
	gs_reply_text(&reply, "state", gs_group_state_name(group->state));
	gs_reply_jsonb(&reply, "settings", gs_result_jsonb(0, 1));
	return gs_reply_end(&reply);
}

Datum gs_api_create_group(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {NULL};
	static const char *const body[] = {"name", "settings", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, body);
	char *name = gs_body_group_name(request->body, "name", true);
	Jsonb *settings = gs_body_object(request->body, "settings", false);
	GsGroup *group = create(request, name);

	if (settings != NULL)
		gs_group_settings_apply(request, group, settings);
	return gs_request_reply(fcinfo, 201, setting_notice(request, group), NULL);
}

Datum gs_create_group(PG_FUNCTION_ARGS)
{
	GsRequest *request;
	GsGroup *group;
	text *name;
	pg_uuid_t *id = palloc(sizeof(*id));

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("a terminal and a name are needed")));
	name = PG_GETARG_TEXT_PP(1);
	if (!gs_name_valid(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("not a group name")));
	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	group = create(request, text_to_cstring(name));
	if (!PG_ARGISNULL(2))
		gs_group_settings_apply(request, group, PG_GETARG_JSONB_P(2));
	*id = group->id;
	gs_plan_close();
	PG_RETURN_UUID_P(id);
}

Datum gs_api_set_group(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"group", NULL};
	static const char *const body[] = {"administrators", "join", "listing", "name", "description", "max_members", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, body);
	pg_uuid_t *id = gs_body_uuid(request->params, "group", true);

	gs_body_check(request->body, true, body);
	gs_group_settings_apply(request, gs_group_lock_for(request, id, true), request->body);
	return gs_request_reply(fcinfo, 200, gs_group_info_one(&request->terminal->id, id), NULL);
}

Datum gs_set_group(PG_FUNCTION_ARGS)
{
	GsRequest *request;

	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	gs_group_settings_apply(request, gs_group_lock_for(request, PG_GETARG_UUID_P(1), true), PG_GETARG_JSONB_P(2));
	gs_plan_close();
	PG_RETURN_VOID();
}

Datum gs_api_dissolve_group(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"group", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);

	gs_group_dissolve(request, gs_group_lock_for(request, gs_body_uuid(request->params, "group", true), true));
	return gs_request_reply(fcinfo, 204, NULL, NULL);
}

Datum gs_dissolve_group(PG_FUNCTION_ARGS)
{
	GsGroup *group;

	gs_plan_open();
	group = gs_group_lock(PG_GETARG_UUID_P(0));
	if (group == NULL)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no such group")));
	gs_group_dissolve(NULL, group);
	gs_plan_close();
	PG_RETURN_VOID();
}
