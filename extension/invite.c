/* SPDX-License-Identifier: PostgreSQL */
/*
 * Invitations. The membership remembers the role that is offered. Inviting who has asked to join decides its inquiry:
 * both want it. Inviting who is banned lifts the ban: the same administrators decide both. An invitation shows the
 * group's name to the invited terminal and nothing of the terminal to the group. Locks: the caller holds the group's;
 * then membership and inquiry.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "inquiry.h"
#include "invite.h"
#include "plan.h"
#include "reply.h"

#define LISTED_MOST 100

static GsPlan find_invitations = {
	"SELECT coalesce(jsonb_agg(jsonb_build_object('group', i.id, 'group_name', i.name, 'role', i.invited_role,"
	"   'since', groupshare.wire_time(i.since)) ORDER BY i.since DESC, i.id), '[]')"
	" FROM (SELECT g.id, g.name, m.invited_role, m.since FROM groupshare.membership m"
	"         JOIN groupshare.sharing_group g ON g.id = m.group_id"
	"        WHERE m.terminal_id = $1 AND m.state = 'invited' AND g.state = 'live'"
	"        ORDER BY m.since DESC, g.id LIMIT $2) i",
	{UUIDOID, INT4OID},
};

static GsMemberState let_in(const GsRequest *request, GsGroup *group, const pg_uuid_t *terminal, bool administrator)
{
	gs_inquiry_allow(request, group, terminal);
	if (!administrator)
		return GS_MEMBER_MEMBER;
	gs_member_set(&group->id, terminal, GS_MEMBER_ADMINISTRATOR);
	gs_member_tell(group, terminal, GS_MEMBER_ADMINISTRATOR);
	return GS_MEMBER_ADMINISTRATOR;
}

GsMemberState gs_invite(const GsRequest *request, GsGroup *group, const pg_uuid_t *terminal, bool administrator)
{
	GsMemberState state = gs_member_state(&group->id, terminal);

	if (state == GS_MEMBER_MEMBER || state == GS_MEMBER_ADMINISTRATOR)
		return state;
	gs_audit_member(request, "invite", &group->id, terminal, gs_member_role_detail(administrator));
	if (state == GS_MEMBER_PENDING)
		return let_in(request, group, terminal, administrator);
	if (state == GS_MEMBER_BANNED)
		gs_member_set(&group->id, terminal, GS_MEMBER_REMOVED);
	gs_member_invite(&group->id, terminal, administrator);
	gs_event_terminal(terminal, "group", gs_group_event(group, "invited"));
	return GS_MEMBER_INVITED;
}

GsMemberState gs_invite_withdraw(const GsRequest *request, const GsGroup *group, const pg_uuid_t *terminal)
{
	GsMemberState state = gs_member_state(&group->id, terminal);

	if (state != GS_MEMBER_INVITED)
		return state;
	gs_member_set(&group->id, terminal, GS_MEMBER_REMOVED);
	gs_audit_member(request, "withdraw_invitation", &group->id, terminal, NULL);
	return GS_MEMBER_REMOVED;
}

Jsonb *gs_invite_list(const pg_uuid_t *terminal)
{
	(void)gs_plan_run(&find_invitations, (Datum[]){UUIDPGetDatum(terminal), Int32GetDatum(LISTED_MOST)}, NULL, 1);
	return gs_result_jsonb(0, 1);
}
