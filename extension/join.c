/* SPDX-License-Identifier: PostgreSQL */
/*
 * Ways in and out of a group, as terminals ask for them: join, leave, remove, ban, roles. Lock order: the group's row,
 * then the caller's row (a share lock, so that a revocation under way is waited for), then memberships. Absent,
 * dissolved and (to who has no business with it) hidden groups answer alike.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "access.h"
#include "body.h"
#include "errcodes.h"
#include "group_info.h"
#include "inquiry.h"
#include "invite.h"
#include "member.h"
#include "names.h"
#include "plan.h"
#include "reply.h"

PG_FUNCTION_INFO_V1(gs_join_group);
PG_FUNCTION_INFO_V1(gs_leave_group);
PG_FUNCTION_INFO_V1(gs_remove_member);
PG_FUNCTION_INFO_V1(gs_set_member);
PG_FUNCTION_INFO_V1(gs_api_join_group);
PG_FUNCTION_INFO_V1(gs_api_remove_member);
PG_FUNCTION_INFO_V1(gs_api_set_member);

static GsPlan hold_terminal = {
	"SELECT 1 FROM groupshare.terminal WHERE id = $1 AND epoch = $2 AND revoked_at IS NULL FOR SHARE",
	{UUIDOID, INT4OID},
};
static GsPlan find_listed = {
	"SELECT 1 FROM groupshare.group_listed WHERE group_id = $1 AND identifier = $2",
	{UUIDOID, TEXTOID},
};
static GsPlan find_terminal = {"SELECT id FROM groupshare.terminal WHERE identifier = $1", {TEXTOID}};
static GsPlan clear_steps_down = {
	"UPDATE groupshare.sharing_group SET steps_down = NULL WHERE id = $1",
	{UUIDOID},
};
static GsPlan find_other_administrator = {
	"SELECT 1 FROM groupshare.membership WHERE group_id = $1 AND state = 'administrator' AND terminal_id <> $2",
	{UUIDOID, UUIDOID},
};

static void no_such_group(void)
{
	ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no such group")));
}

/* A refusal by a hidden group must not tell that the group exists. */
static void refuse_join(const GsGroup *group)
{
	if (group->hidden)
		no_such_group();
	ereport(ERROR, (errcode(GS_ERR_JOIN_REFUSED), errmsg("the terminal cannot join this group")));
}

static void come_in(const GsRequest *request, const GsGroup *group, GsMemberState state)
{
	const pg_uuid_t *terminal = &request->terminal->id;

	gs_inquiry_close(group, terminal, "cancelled");
	gs_member_set(&group->id, terminal, state);
	gs_member_tell(group, terminal, state);
	gs_audit_member(request, "join_group", &group->id, terminal, NULL);
	if (state == GS_MEMBER_ADMINISTRATOR && group->steps_down != NULL) {
		if (gs_member_state(&group->id, group->steps_down) == GS_MEMBER_ADMINISTRATOR)
			gs_member_set_role(request, group, group->steps_down, false);
		(void)gs_plan_run(&clear_steps_down, (Datum[]){UUIDPGetDatum(&group->id)}, NULL, 0);
	}
}

/* By the rule "confirm": the open inquiry, or a new one. */
static pg_uuid_t *ask(const GsRequest *request, const GsGroup *group, GsMemberState state)
{
	pg_uuid_t *inquiry = NULL;

	if (state == GS_MEMBER_PENDING)
		inquiry = gs_inquiry_open_one(&group->id, &request->terminal->id);
	if (inquiry != NULL)
		return inquiry;
	inquiry = gs_inquiry_open(request, group);
	if (state != GS_MEMBER_PENDING)
		gs_member_set(&group->id, &request->terminal->id, GS_MEMBER_PENDING);
	gs_audit_member(request, "ask_to_join", &group->id, &request->terminal->id, NULL);
	return inquiry;
}

/* NULL: the terminal is a member now; otherwise the inquiry that has to be decided. */
static pg_uuid_t *join(const GsRequest *request, const pg_uuid_t *id)
{
	const GsTerminal *terminal = request->terminal;
	GsGroup *group = gs_group_lock(id);
	GsMemberState state;

	if (group == NULL)
		no_such_group();
	if (gs_plan_run(&hold_terminal, (Datum[]){UUIDPGetDatum(&terminal->id), Int32GetDatum(terminal->epoch)}, NULL, 1) ==
		0)
		ereport(ERROR, (errcode(GS_ERR_SESSION_INVALID), errmsg("the session is not valid")));
	state = gs_member_state(id, &terminal->id);
	if (state == GS_MEMBER_MEMBER || state == GS_MEMBER_ADMINISTRATOR)
		return NULL;
	if (group->state != GS_GROUP_LIVE)
		no_such_group();
	if (state == GS_MEMBER_BANNED)
		refuse_join(group);
	if (state == GS_MEMBER_INVITED) {
		come_in(request, group, gs_member_offered(id, &terminal->id));
		return NULL;
	}
	if (group->rule == GS_JOIN_CONFIRM)
		return ask(request, group, state);
	if (group->rule == GS_JOIN_LISTED &&
		gs_plan_run(&find_listed, (Datum[]){UUIDPGetDatum(id), CStringGetTextDatum(terminal->identifier)}, NULL, 1) ==
			0)
		refuse_join(group);
	come_in(request, group, GS_MEMBER_MEMBER);
	return NULL;
}

/* Returns the state that the member is in afterwards; the caller leaves or puts `target` out. */
static GsMemberState put_out(const GsRequest *request, const pg_uuid_t *id, const char *target, GsGroup **group)
{
	bool self = strcmp(target, request->terminal->identifier) == 0;
	GsMemberState to = self ? GS_MEMBER_LEFT : GS_MEMBER_REMOVED;
	GsMemberState from = GS_MEMBER_NONE;
	pg_uuid_t *terminal = &request->terminal->id;

	if (!self) {
		*group = gs_group_lock_for(request, id, true);
		terminal = NULL;
		if (gs_plan_run(&find_terminal, (Datum[]){CStringGetTextDatum(target)}, NULL, 1) > 0)
			terminal = gs_result_uuid(0, 1);
	} else if (gs_member_state(id, terminal) != GS_MEMBER_NONE) {
		*group = gs_group_lock(id);
	}
	if (*group != NULL && terminal != NULL)
		from = gs_member_state(id, terminal);
	/* A ban is no membership that one could leave. */
	if (from == GS_MEMBER_NONE || from == GS_MEMBER_BANNED || !gs_member_may_move(from, to))
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("the group has no such member")));
	gs_member_depart(request, *group, terminal, to);
	return to;
}

/* What a ban, a lifted ban or a new role asks for. */
typedef struct Change {
	const char *target;
	bool has_role, administrator;
	bool has_banned, banned;
	bool has_invited, invited;
} Change;

static GsMemberState set_banned(const GsRequest *request, GsGroup *group, const pg_uuid_t *terminal, bool banned)
{
	GsMemberState state = terminal == NULL ? GS_MEMBER_NONE : gs_member_state(&group->id, terminal);

	if (banned && state != GS_MEMBER_BANNED) {
		/* The same answer for an identifier that belongs to nobody: it does not tell who is a terminal. */
		if (terminal != NULL)
			gs_member_depart(request, group, terminal, GS_MEMBER_BANNED);
		return GS_MEMBER_BANNED;
	}
	if (!banned && state == GS_MEMBER_BANNED) {
		gs_member_set(&group->id, terminal, GS_MEMBER_REMOVED);
		gs_audit_member(request, "unban", &group->id, terminal, NULL);
		return GS_MEMBER_REMOVED;
	}
	return banned ? GS_MEMBER_BANNED : state;
}

static GsMemberState set_role(const GsRequest *request, GsGroup *group, const pg_uuid_t *terminal, bool administrator)
{
	GsMemberState state = terminal == NULL ? GS_MEMBER_NONE : gs_member_state(&group->id, terminal);
	GsMemberState to = administrator ? GS_MEMBER_ADMINISTRATOR : GS_MEMBER_MEMBER;

	if (state != GS_MEMBER_MEMBER && state != GS_MEMBER_ADMINISTRATOR)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("the group has no such member")));
	if (state == to)
		return state;
	if (!administrator && gs_plan_run(&find_other_administrator,
									  (Datum[]){UUIDPGetDatum(&group->id), UUIDPGetDatum(terminal)}, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("a group needs an administrator"),
						errhint("Make another member administrator first.")));
	gs_member_set_role(request, group, terminal, administrator);
	return to;
}

/* What an identifier of nobody is answered, an outsider is too. */
static GsMemberState set_invited(const GsRequest *request, GsGroup *group, const pg_uuid_t *terminal,
								 const Change *change)
{
	if (terminal == NULL)
		return change->invited ? GS_MEMBER_INVITED : GS_MEMBER_NONE;
	if (change->invited)
		return gs_invite(request, group, terminal, change->administrator);
	return gs_invite_withdraw(request, group, terminal);
}

static GsMemberState change_member(const GsRequest *request, const pg_uuid_t *id, const Change *change)
{
	GsGroup *group = gs_group_lock_for(request, id, true);
	pg_uuid_t *terminal = NULL;

	if (change->has_role + change->has_banned + change->has_invited != 1 &&
		!(change->has_invited && change->invited && change->has_role && !change->has_banned))
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("one of \"role\", \"banned\" and \"invited\" is needed"),
				 errhint("An invitation may say the role too.")));
	if (change->has_banned && strcmp(change->target, request->terminal->identifier) == 0)
		ereport(ERROR,
				(errcode(GS_ERR_CONFLICT), errmsg("an administrator can't ban itself"), errhint("It can leave.")));
	if (gs_plan_run(&find_terminal, (Datum[]){CStringGetTextDatum(change->target)}, NULL, 1) > 0)
		terminal = gs_result_uuid(0, 1);
	if (change->has_invited)
		return set_invited(request, group, terminal, change);
	if (change->has_banned)
		return set_banned(request, group, terminal, change->banned);
	return set_role(request, group, terminal, change->administrator);
}

static char *identifier_arg(FunctionCallInfo fcinfo, int number)
{
	text *arg = PG_GETARG_TEXT_PP(number);
	char *identifier = gs_name_identifier(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));

	if (identifier == NULL)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("not a terminal identifier")));
	return identifier;
}

Datum gs_join_group(PG_FUNCTION_ARGS)
{
	GsRequest *request;
	pg_uuid_t *inquiry;

	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	inquiry = join(request, PG_GETARG_UUID_P(1));
	gs_plan_close();
	if (inquiry == NULL)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(inquiry);
}

Datum gs_leave_group(PG_FUNCTION_ARGS)
{
	GsRequest *request;
	GsGroup *group = NULL;
	const char *state;

	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	(void)put_out(request, PG_GETARG_UUID_P(1), request->terminal->identifier, &group);
	state = gs_group_state_name(group->state);
	gs_plan_close();
	PG_RETURN_TEXT_P(cstring_to_text(state));
}

Datum gs_remove_member(PG_FUNCTION_ARGS)
{
	GsRequest *request;
	GsGroup *group = NULL;

	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	(void)put_out(request, PG_GETARG_UUID_P(1), identifier_arg(fcinfo, 2), &group);
	gs_plan_close();
	PG_RETURN_VOID();
}

static void read_role(Change *change, const char *role)
{
	change->has_role = role != NULL;
	if (role == NULL)
		return;
	change->administrator = strcmp(role, "administrator") == 0;
	if (!change->administrator && strcmp(role, "member") != 0)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"role\" must be \"administrator\" or \"member\"")));
}

Datum gs_set_member(PG_FUNCTION_ARGS)
{
	Change change = {0};
	GsRequest *request;
	GsMemberState state;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("a terminal, a group and a member are needed")));
	change.target = identifier_arg(fcinfo, 2);
	read_role(&change, PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	change.has_banned = !PG_ARGISNULL(4);
	change.banned = change.has_banned && PG_GETARG_BOOL(4);
	change.has_invited = !PG_ARGISNULL(5);
	change.invited = change.has_invited && PG_GETARG_BOOL(5);
	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	state = change_member(request, PG_GETARG_UUID_P(1), &change);
	gs_plan_close();
	if (state == GS_MEMBER_NONE)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(gs_member_state_name(state)));
}

Datum gs_api_join_group(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"group", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);
	pg_uuid_t *id = gs_body_uuid(request->params, "group", true);
	pg_uuid_t *inquiry = join(request, id);
	GsReply reply;

	gs_reply_begin(&reply);
	if (inquiry != NULL) {
		gs_reply_text(&reply, "state", "pending");
		gs_reply_uuid(&reply, "inquiry", inquiry);
		return gs_request_reply(fcinfo, 202, gs_reply_end(&reply), NULL);
	}
	gs_reply_text(&reply, "state", "member");
	gs_reply_text(&reply, "role", gs_member_state_name(gs_member_state(id, &request->terminal->id)));
	gs_reply_jsonb(&reply, "group", gs_group_info_one(&request->terminal->id, id));
	return gs_request_reply(fcinfo, 200, gs_reply_end(&reply), NULL);
}

Datum gs_api_remove_member(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"group", "terminal", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);
	pg_uuid_t *id = gs_body_uuid(request->params, "group", true);
	GsGroup *group = NULL;
	GsMemberState state = put_out(request, id, gs_body_identifier(request->params, "terminal", true), &group);
	GsReply reply;

	gs_reply_begin(&reply);
	gs_reply_text(&reply, "state", gs_member_state_name(state));
	gs_reply_text(&reply, "group_state", gs_group_state_name(group->state));
	return gs_request_reply(fcinfo, 200, gs_reply_end(&reply), NULL);
}

Datum gs_api_set_member(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"group", "terminal", NULL};
	static const char *const body[] = {"role", "banned", "invited", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, body);
	pg_uuid_t *id = gs_body_uuid(request->params, "group", true);
	Change change = {.target = gs_body_identifier(request->params, "terminal", true)};
	GsMemberState state;
	bool inside;
	GsReply reply;

	read_role(&change, gs_body_text(request->body, "role", false));
	change.has_banned = gs_body_bool(request->body, "banned", false, &change.banned);
	change.has_invited = gs_body_bool(request->body, "invited", false, &change.invited);
	state = change_member(request, id, &change);
	inside = state == GS_MEMBER_MEMBER || state == GS_MEMBER_ADMINISTRATOR;
	gs_reply_begin(&reply);
	gs_reply_text(&reply, "terminal", change.target);
	gs_reply_text(&reply, "role", inside ? gs_member_state_name(state) : NULL);
	gs_reply_text(&reply, "state", gs_member_state_name(state));
	return gs_request_reply(fcinfo, 200, gs_reply_end(&reply), NULL);
}
