/* SPDX-License-Identifier: PostgreSQL */
/*
 * A group's settings: its administrators here, all others in group_rules.c. The caller holds the group's lock.
 * `administrators` replaces the set: who is named and a member becomes administrator at once; who is named and no
 * member is invited and becomes one by joining, because membership shows what a terminal shares; who is not named any
 * more becomes a plain member. The caller that does not name itself goes only when another administrator is there, now
 * or when the first invited one joins. An identifier that belongs to no terminal is passed over without a word:
 * settings must not tell who is a terminal.
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "body.h"
#include "errcodes.h"
#include "group.h"
#include "group_rules.h"
#include "inquiry.h"
#include "invite.h"
#include "member.h"
#include "plan.h"
#include "reply.h"

#define ADMINISTRATORS_MAX 100

static const char *const settings_members[] = {"administrators", "join",        "listing", "name",
											   "description",    "max_members", NULL};

static GsPlan find_named = {
	"SELECT t.id FROM groupshare.terminal t WHERE t.identifier = ANY ($1) AND t.revoked_at IS NULL ORDER BY t.id",
	{TEXTARRAYOID},
};
static GsPlan find_unnamed = {
	"SELECT m.terminal_id, m.state = 'administrator' FROM groupshare.membership m"
	"  JOIN groupshare.terminal t ON t.id = m.terminal_id"
	" WHERE m.group_id = $1 AND (m.state = 'administrator' OR m.invited_role = 'administrator')"
	"   AND t.identifier <> ALL ($2)"
	" ORDER BY m.terminal_id",
	{UUIDOID, TEXTARRAYOID},
};
static GsPlan find_other_administrator = {
	"SELECT 1 FROM groupshare.membership WHERE group_id = $1 AND state = 'administrator' AND terminal_id <> $2",
	{UUIDOID, UUIDOID},
};
static GsPlan set_steps_down = {
	"UPDATE groupshare.sharing_group SET steps_down = $2 WHERE id = $1",
	{UUIDOID, UUIDOID},
};

/* Copies a column of ids out of the result, so that statements can run in the loop over it. */
static pg_uuid_t **collect(uint64 rows)
{
	pg_uuid_t **ids = palloc(sizeof(*ids) * Max(rows, 1));

	for (uint64 i = 0; i < rows; i++)
		ids[i] = gs_result_uuid(i, 1);
	return ids;
}

static void name_administrators(const GsRequest *request, const GsGroup *group, ArrayType *named)
{
	Datum array = PointerGetDatum(named);
	uint64 rows = gs_plan_run(&find_named, &array, NULL, 0);
	pg_uuid_t **ids = collect(rows);

	for (uint64 i = 0; i < rows; i++) {
		switch (gs_member_state(&group->id, ids[i])) {
		case GS_MEMBER_ADMINISTRATOR:
			break;
		case GS_MEMBER_INVITED:
			gs_member_invite(&group->id, ids[i], true);
			gs_audit_member(request, "invite", &group->id, ids[i], gs_member_role_detail(true));
			break;
		case GS_MEMBER_MEMBER:
			gs_member_set_role(request, group, ids[i], true);
			break;
		default:
			gs_inquiry_close(group, ids[i], "cancelled");
			gs_member_invite(&group->id, ids[i], true);
			gs_event_terminal(ids[i], "group", gs_group_event(group, "invited"));
			gs_audit_member(request, "invite", &group->id, ids[i], gs_member_role_detail(true));
		}
	}
}

static void unname_administrators(const GsRequest *request, const GsGroup *group, ArrayType *named)
{
	const pg_uuid_t *caller = &request->terminal->id;
	Datum values[] = {UUIDPGetDatum(&group->id), PointerGetDatum(named)};
	uint64 rows = gs_plan_run(&find_unnamed, values, NULL, 0);
	pg_uuid_t **ids = collect(rows);
	bool *is_administrator = palloc(sizeof(bool) * Max(rows, 1));
	bool caller_goes = false;

	for (uint64 i = 0; i < rows; i++)
		is_administrator[i] = gs_result_bool(i, 2);
	for (uint64 i = 0; i < rows; i++) {
		if (memcmp(ids[i], caller, sizeof(*caller)) == 0) {
			caller_goes = true;
			continue;
		}
		if (is_administrator[i])
			gs_member_set_role(request, group, ids[i], false);
		else
			(void)gs_invite_withdraw(request, group, ids[i]);
	}
	if (caller_goes &&
		gs_plan_run(&find_other_administrator, (Datum[]){values[0], UUIDPGetDatum(caller)}, NULL, 1) > 0) {
		gs_member_set_role(request, group, caller, false);
		caller_goes = false;
	}
	(void)gs_plan_run(&set_steps_down, (Datum[]){values[0], UUIDPGetDatum(caller)}, caller_goes ? NULL : " n", 0);
}

void gs_group_settings_apply(const GsRequest *request, GsGroup *group, Jsonb *settings)
{
	bool established = group->state == GS_GROUP_LIVE;
	ArrayType *named;
	int count = 0;

	gs_body_check(settings, true, settings_members);
	named = gs_group_rules_identifiers(settings, "administrators", ADMINISTRATORS_MAX, &count);
	if (named != NULL && count == 0)
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"administrators\" must name at least one terminal")));
	gs_group_rules_apply(group, settings);
	if (named != NULL) {
		gs_group_rules_refuse_banned(group, named);
		name_administrators(request, group, named);
		unname_administrators(request, group, named);
	}
	if (established)
		gs_event_group(&group->id, "group", gs_group_event(group, "settings"));
	gs_audit(request, "set_group", gs_reply_uuid_text(&group->id), settings);
}
