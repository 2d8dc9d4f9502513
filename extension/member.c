/* SPDX-License-Identifier: PostgreSQL */
/*
 * The state of memberships: the table of legal moves, the one setter, and what follows when somebody goes. Lock order:
 * the group's row (held by the caller), then memberships, then inquiries. Each change is told to the group's members by
 * an event. Times are the clock's under that lock, not the transaction's start: changes of a group are in one order,
 * and their times are in the same one. Who comes in is in no more groups than its plan allows.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "errcodes.h"
#include "inquiry.h"
#include "member.h"
#include "plan.h"
#include "reply.h"

#define BIT(state) (1u << (state))
#define MEMBER_STATES (GS_MEMBER_BANNED + 1)

static const char *const state_names[MEMBER_STATES] = {
	[GS_MEMBER_INVITED] = "invited", [GS_MEMBER_PENDING] = "pending",
	[GS_MEMBER_MEMBER] = "member",   [GS_MEMBER_ADMINISTRATOR] = "administrator",
	[GS_MEMBER_REFUSED] = "refused", [GS_MEMBER_LEFT] = "left",
	[GS_MEMBER_REMOVED] = "removed", [GS_MEMBER_BANNED] = "banned",
};

/* Who is outside may ask, come in by the rule, be invited, be banned. */
#define FROM_OUTSIDE (BIT(GS_MEMBER_PENDING) | BIT(GS_MEMBER_MEMBER) | BIT(GS_MEMBER_INVITED) | BIT(GS_MEMBER_BANNED))
#define GOING (BIT(GS_MEMBER_LEFT) | BIT(GS_MEMBER_REMOVED) | BIT(GS_MEMBER_BANNED))

static const unsigned legal_moves[MEMBER_STATES] = {
	/* A first row is also an administrator's: the creator's own. */
	[GS_MEMBER_NONE] = FROM_OUTSIDE | BIT(GS_MEMBER_ADMINISTRATOR),
	/* Invited again: perhaps for another role. */
	[GS_MEMBER_INVITED] = BIT(GS_MEMBER_INVITED) | BIT(GS_MEMBER_MEMBER) | BIT(GS_MEMBER_ADMINISTRATOR) | GOING,
	[GS_MEMBER_PENDING] = BIT(GS_MEMBER_MEMBER) | BIT(GS_MEMBER_INVITED) | BIT(GS_MEMBER_REFUSED) | GOING,
	[GS_MEMBER_MEMBER] = BIT(GS_MEMBER_ADMINISTRATOR) | GOING,
	[GS_MEMBER_ADMINISTRATOR] = BIT(GS_MEMBER_MEMBER) | GOING,
	[GS_MEMBER_REFUSED] = FROM_OUTSIDE,
	[GS_MEMBER_LEFT] = FROM_OUTSIDE,
	[GS_MEMBER_REMOVED] = FROM_OUTSIDE,
	/* A ban is lifted by making it a removal. */
	[GS_MEMBER_BANNED] = BIT(GS_MEMBER_REMOVED),
};

static GsPlan find_state = {
	"SELECT state FROM groupshare.membership WHERE group_id = $1 AND terminal_id = $2",
	{UUIDOID, UUIDOID},
};
static GsPlan find_offered = {
	"SELECT invited_role FROM groupshare.membership WHERE group_id = $1 AND terminal_id = $2 AND state = 'invited'",
	{UUIDOID, UUIDOID},
};
static GsPlan upsert_state = {
	"INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at, invited_role)"
	" SELECT g.id, $2, g.home, $3, CASE WHEN $4 THEN clock_timestamp() END, $5"
	"   FROM groupshare.sharing_group g WHERE g.id = $1"
	" ON CONFLICT (group_id, terminal_id) DO UPDATE SET state = excluded.state,"
	"   joined_at = coalesce(excluded.joined_at, membership.joined_at), invited_role = excluded.invited_role",
	{UUIDOID, UUIDOID, TEXTOID, BOOLOID, TEXTOID},
};
static GsPlan find_identifier = {"SELECT identifier FROM groupshare.terminal WHERE id = $1", {UUIDOID}};
static GsPlan find_administrator = {
	"SELECT 1 FROM groupshare.membership WHERE group_id = $1 AND state = 'administrator'",
	{UUIDOID},
};
static GsPlan find_oldest = {
	"SELECT terminal_id FROM groupshare.membership WHERE group_id = $1 AND state = 'member'"
	" ORDER BY joined_at, terminal_id LIMIT 1",
	{UUIDOID},
};
static GsPlan unlist = {
	"DELETE FROM groupshare.group_listed l USING groupshare.terminal t"
	" WHERE l.group_id = $1 AND t.id = $2 AND l.identifier = t.identifier",
	{UUIDOID, UUIDOID},
};
static GsPlan find_groups = {
	"SELECT group_id FROM groupshare.membership"
	" WHERE terminal_id = $1 AND state IN ('invited', 'pending', 'member', 'administrator') ORDER BY group_id",
	{UUIDOID},
};

/* Dissolved groups, which do not count, are looked at only when there are so many with them. */
#define TOO_MANY(groups)                                                                                     \
	"SELECT p.max_groups FROM groupshare.terminal t JOIN groupshare.plan p ON p.name = t.plan"               \
	" WHERE t.id = $1 AND p.max_groups IS NOT NULL AND EXISTS (SELECT 1 FROM groupshare.membership m" groups \
	"   WHERE m.terminal_id = $1 AND m.state IN ('member', 'administrator') OFFSET p.max_groups)"

static GsPlan find_too_many = {TOO_MANY(""), {UUIDOID}, .by_key = true};
static GsPlan find_too_many_alive = {
	TOO_MANY(" JOIN groupshare.sharing_group g ON g.id = m.group_id AND g.state <> 'dissolved'"),
	{UUIDOID},
	.by_key = true,
};

bool gs_member_may_move(GsMemberState from, GsMemberState to)
{
	return (legal_moves[from] & BIT(to)) != 0;
}

const char *gs_member_moves(GsMemberState from)
{
	StringInfoData moves;

	initStringInfo(&moves);
	for (int to = GS_MEMBER_NONE + 1; to < MEMBER_STATES; to++)
		if (gs_member_may_move(from, to))
			appendStringInfo(&moves, "%s%s", moves.len == 0 ? "" : ", ", state_names[to]);
	return moves.data;
}

const char *gs_member_state_name(GsMemberState state)
{
	return state_names[state];
}

GsMemberState gs_member_state_from(const char *name)
{
	for (int i = GS_MEMBER_NONE + 1; i < MEMBER_STATES; i++)
		if (strcmp(state_names[i], name) == 0)
			return (GsMemberState)i;
	elog(ERROR, "unknown state of a membership: %s", name);
}

GsMemberState gs_member_state(const pg_uuid_t *group, const pg_uuid_t *terminal)
{
	if (gs_plan_run(&find_state, (Datum[]){UUIDPGetDatum(group), UUIDPGetDatum(terminal)}, NULL, 1) == 0)
		return GS_MEMBER_NONE;
	return gs_member_state_from(gs_result_text(0, 1));
}

/*
 * After a terminal came in. Exact: page_change.c has locked the terminal until this transaction ends, so that it comes
 * into one group after the other.
 */
static void check_groups(const pg_uuid_t *terminal)
{
	Datum id = UUIDPGetDatum(terminal);

	if (gs_plan_run_latest(&find_too_many, &id, 1) == 0 || gs_plan_run_latest(&find_too_many_alive, &id, 1) == 0)
		return;
	ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("the terminal is in as many groups as its plan allows"),
					errdetail("It may be in %lld.", (long long)gs_result_int64(0, 1)), errhint("It can leave one.")));
}

static void move(const pg_uuid_t *group, const pg_uuid_t *terminal, GsMemberState to, const char *offered)
{
	GsMemberState from = gs_member_state(group, terminal);
	bool inside = from == GS_MEMBER_MEMBER || from == GS_MEMBER_ADMINISTRATOR;
	bool comes_in = !inside && (to == GS_MEMBER_MEMBER || to == GS_MEMBER_ADMINISTRATOR);

	if (!gs_member_may_move(from, to))
		elog(ERROR, "a membership can't go from %s to %s", state_names[from] ?: "nothing", state_names[to]);
	(void)gs_plan_run(&upsert_state,
					  (Datum[]){UUIDPGetDatum(group), UUIDPGetDatum(terminal), CStringGetTextDatum(state_names[to]),
								BoolGetDatum(comes_in), offered == NULL ? (Datum)0 : CStringGetTextDatum(offered)},
					  offered == NULL ? "    n" : NULL, 0);
	if (comes_in)
		check_groups(terminal);
}

void gs_member_set(const pg_uuid_t *group, const pg_uuid_t *terminal, GsMemberState to)
{
	Assert(to != GS_MEMBER_INVITED);
	move(group, terminal, to, NULL);
}

void gs_member_invite(const pg_uuid_t *group, const pg_uuid_t *terminal, bool administrator)
{
	move(group, terminal, GS_MEMBER_INVITED, state_names[administrator ? GS_MEMBER_ADMINISTRATOR : GS_MEMBER_MEMBER]);
}

GsMemberState gs_member_offered(const pg_uuid_t *group, const pg_uuid_t *terminal)
{
	if (gs_plan_run(&find_offered, (Datum[]){UUIDPGetDatum(group), UUIDPGetDatum(terminal)}, NULL, 1) == 0)
		return GS_MEMBER_NONE;
	return gs_member_state_from(gs_result_text(0, 1));
}

void gs_member_tell(const GsGroup *group, const pg_uuid_t *terminal, GsMemberState state)
{
	GsReply data;
	Jsonb *event;

	(void)gs_plan_run(&find_identifier, (Datum[]){UUIDPGetDatum(terminal)}, NULL, 1);
	gs_reply_begin(&data);
	gs_reply_uuid(&data, "group", &group->id);
	gs_reply_text(&data, "group_name", group->name);
	gs_reply_text(&data, "terminal", gs_result_text(0, 1));
	gs_reply_text(&data, "state", state_names[state]);
	event = gs_reply_end(&data);
	gs_event_group(&group->id, "member", event);
	/* Who is inside finds it with the others. */
	if (state != GS_MEMBER_MEMBER && state != GS_MEMBER_ADMINISTRATOR)
		gs_event_terminal(terminal, "member", event);
}

void gs_member_set_role(const GsRequest *request, const GsGroup *group, const pg_uuid_t *terminal, bool administrator)
{
	GsMemberState to = administrator ? GS_MEMBER_ADMINISTRATOR : GS_MEMBER_MEMBER;

	gs_member_set(&group->id, terminal, to);
	gs_member_tell(group, terminal, to);
	gs_audit_member(request, "set_role", &group->id, terminal, gs_member_role_detail(administrator));
}

Jsonb *gs_member_role_detail(bool administrator)
{
	GsReply detail;

	gs_reply_begin(&detail);
	gs_reply_text(&detail, "role", state_names[administrator ? GS_MEMBER_ADMINISTRATOR : GS_MEMBER_MEMBER]);
	return gs_reply_end(&detail);
}

static void succeed(const GsRequest *request, GsGroup *group)
{
	Datum id = UUIDPGetDatum(&group->id);
	pg_uuid_t *heir;

	if (gs_plan_run(&find_administrator, &id, NULL, 1) > 0)
		return;
	if (gs_plan_run(&find_oldest, &id, NULL, 1) == 0) {
		gs_group_dissolve(request, group);
		return;
	}
	heir = gs_result_uuid(0, 1);
	gs_member_set(&group->id, heir, GS_MEMBER_ADMINISTRATOR);
	gs_member_tell(group, heir, GS_MEMBER_ADMINISTRATOR);
	gs_audit_member(request, "succeed_administrator", &group->id, heir, NULL);
}

void gs_member_depart(const GsRequest *request, GsGroup *group, const pg_uuid_t *terminal, GsMemberState to)
{
	GsMemberState from = gs_member_state(&group->id, terminal);

	gs_inquiry_close(group, terminal, to == GS_MEMBER_LEFT ? "cancelled" : "refused");
	/* Whoever was put out does not come back by the list; the administrators can list it again. */
	if (to != GS_MEMBER_LEFT)
		(void)gs_plan_run(&unlist, (Datum[]){UUIDPGetDatum(&group->id), UUIDPGetDatum(terminal)}, NULL, 0);
	gs_member_set(&group->id, terminal, to);
	gs_audit_member(request, state_names[to], &group->id, terminal, NULL);
	if (from == GS_MEMBER_MEMBER || from == GS_MEMBER_ADMINISTRATOR)
		gs_member_tell(group, terminal, to);
	if (from == GS_MEMBER_ADMINISTRATOR)
		succeed(request, group);
}

void gs_member_leave_all(const pg_uuid_t *terminal, const char *identifier)
{
	uint64 rows = gs_plan_run(&find_groups, (Datum[]){UUIDPGetDatum(terminal)}, NULL, 0);
	pg_uuid_t **ids = palloc(sizeof(*ids) * Max(rows, 1));

	for (uint64 i = 0; i < rows; i++)
		ids[i] = gs_result_uuid(i, 1);
	for (uint64 i = 0; i < rows; i++) {
		GsGroup *group = gs_group_lock(ids[i]);
		GsMemberState state = group == NULL ? GS_MEMBER_NONE : gs_member_state(ids[i], terminal);

		if (state != GS_MEMBER_NONE && gs_member_may_move(state, GS_MEMBER_LEFT))
			gs_member_depart(NULL, group, terminal, GS_MEMBER_LEFT);
	}
}
