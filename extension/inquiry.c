/* SPDX-License-Identifier: PostgreSQL */
/*
 * Inquiries. One open row a terminal and group (a unique index); the first decision stands, because it is an UPDATE
 * guarded by state = 'open' under the group's lock. Administrators learn of an inquiry by an event and by listing; the
 * requester learns the outcome the same way. Locks: group, inquiry, membership.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "access.h"
#include "body.h"
#include "errcodes.h"
#include "inquiry.h"
#include "invite.h"
#include "member.h"
#include "plan.h"
#include "reply.h"
#include "settings.h"

#define PAGE_MAX 100
/* So often may a terminal ask one group within groupshare.refusal_pause, however the requests ended. */
#define REQUESTS_MAX 3

PG_FUNCTION_INFO_V1(gs_decide_inquiry);
PG_FUNCTION_INFO_V1(gs_api_inquiries);
PG_FUNCTION_INFO_V1(gs_api_decide_inquiry);

static GsPlan find_open = {
	"SELECT id FROM groupshare.inquiry WHERE group_id = $1 AND terminal_id = $2 AND state = 'open'",
	{UUIDOID, UUIDOID},
};
static GsPlan find_recent = {
	"SELECT count(*) FILTER (WHERE state = 'refused' AND decided_at > clock_timestamp() - make_interval(secs => $3)),"
	"       count(*) FILTER (WHERE created_at > clock_timestamp() - make_interval(secs => $3))"
	"  FROM groupshare.inquiry WHERE group_id = $1 AND terminal_id = $2",
	{UUIDOID, UUIDOID, FLOAT8OID},
};
static GsPlan insert_inquiry = {
	"INSERT INTO groupshare.inquiry (home, group_id, terminal_id)"
	" SELECT g.home, g.id, $2 FROM groupshare.sharing_group g WHERE g.id = $1 RETURNING id",
	{UUIDOID, UUIDOID},
};
static GsPlan close_one = {
	"UPDATE groupshare.inquiry SET state = $3, decided_at = clock_timestamp()"
	" WHERE group_id = $1 AND terminal_id = $2 AND state = 'open' RETURNING id",
	{UUIDOID, UUIDOID, TEXTOID},
};
static GsPlan find_of_group = {
	"SELECT terminal_id FROM groupshare.inquiry WHERE group_id = $1 AND state = 'open' ORDER BY terminal_id",
	{UUIDOID},
};
static GsPlan find_inquiry = {
	"SELECT i.group_id, i.terminal_id FROM groupshare.inquiry i WHERE i.id = $1",
	{UUIDOID},
};
static GsPlan decide_open = {
	"UPDATE groupshare.inquiry SET state = $2, decided_at = clock_timestamp(), decided_by = $3 WHERE id = $1 AND state "
	"= 'open'",
	{UUIDOID, TEXTOID, UUIDOID},
};
static GsPlan find_decision = {
	"SELECT i.state, t.identifier, i.decided_at FROM groupshare.inquiry i"
	"  LEFT JOIN groupshare.terminal t ON t.id = i.decided_by WHERE i.id = $1",
	{UUIDOID},
};
static GsPlan find_overdue = {
	"SELECT o.group_id, o.terminal_id, o.id FROM (SELECT i.* FROM groupshare.inquiry i"
	"    WHERE i.state = 'open' AND i.created_at < now() - make_interval(secs => $1) ORDER BY i.created_at LIMIT $2) o"
	" ORDER BY o.group_id, o.terminal_id",
	{FLOAT8OID, INT8OID},
};
/* Of each group that the caller administrates no more than the page; $2: the last id of the page before. */
static GsPlan find_page = {
	"SELECT coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'group', p.group_id, 'group_name', p.group_name,"
	"      'terminal', p.identifier, 'state', p.state, 'mine', p.mine, 'created_at', "
	"groupshare.wire_time(p.created_at),"
	"      'decided_at', groupshare.wire_time(p.decided_at)) ORDER BY p.n) FILTER (WHERE p.n <= $3), '[]'),"
	"  to_jsonb(CASE WHEN count(*) > $3 THEN (array_agg(p.id ORDER BY p.n))[$3] END)"
	"  FROM (SELECT q.*, row_number() OVER (ORDER BY q.id) AS n FROM ("
	"    SELECT i.id, i.group_id, g.name AS group_name, t.identifier, i.state, i.terminal_id = $1 AS mine, "
	"i.created_at,"
	"           i.decided_at"
	"      FROM groupshare.inquiry i JOIN groupshare.sharing_group g ON g.id = i.group_id"
	"      JOIN groupshare.terminal t ON t.id = i.terminal_id"
	"     WHERE i.terminal_id = $1 AND i.created_at > now() - interval '30 days' AND i.id > $2"
	"    UNION ALL"
	"    SELECT i.id, i.group_id, g.name, t.identifier, i.state, false, i.created_at, i.decided_at"
	"      FROM groupshare.membership m JOIN groupshare.sharing_group g ON g.id = m.group_id"
	"      CROSS JOIN LATERAL (SELECT o.* FROM groupshare.inquiry o WHERE o.group_id = m.group_id AND o.state = 'open'"
	"         AND o.id > $2 AND o.terminal_id <> $1 ORDER BY o.id LIMIT $3 + 1) i"
	"      JOIN groupshare.terminal t ON t.id = i.terminal_id"
	"     WHERE m.terminal_id = $1 AND m.state = 'administrator' AND g.state = 'live') q"
	"   ORDER BY q.id LIMIT $3 + 1) p",
	{UUIDOID, UUIDOID, INT4OID},
	.by_key = true,
};

pg_uuid_t *gs_inquiry_open_one(const pg_uuid_t *group, const pg_uuid_t *terminal)
{
	if (gs_plan_run(&find_open, (Datum[]){UUIDPGetDatum(group), UUIDPGetDatum(terminal)}, NULL, 1) == 0)
		return NULL;
	return gs_result_uuid(0, 1);
}

static Jsonb *inquiry_event(const pg_uuid_t *id, const GsGroup *group, const char *terminal, const char *state)
{
	GsReply data;

	gs_reply_begin(&data);
	gs_reply_uuid(&data, "inquiry", id);
	gs_reply_uuid(&data, "group", &group->id);
	gs_reply_text(&data, "group_name", group->name);
	if (terminal != NULL)
		gs_reply_text(&data, "terminal", terminal);
	gs_reply_text(&data, "state", state);
	return gs_reply_end(&data);
}

pg_uuid_t *gs_inquiry_open(const GsRequest *request, const GsGroup *group)
{
	Datum values[] = {UUIDPGetDatum(&group->id), UUIDPGetDatum(&request->terminal->id),
					  Float8GetDatum(gs_refusal_pause_s)};
	pg_uuid_t *id;

	(void)gs_plan_run(&find_recent, values, NULL, 1);
	if (gs_result_int64(0, 1) > 0 || gs_result_int64(0, 2) >= REQUESTS_MAX)
		ereport(ERROR, (errcode(GS_ERR_TOO_MANY_REQUESTS), errmsg("this group can't be asked again yet"),
						errhint("Wait; the pause after a refusal or too many requests is %d s.", gs_refusal_pause_s)));
	(void)gs_plan_run(&insert_inquiry, values, NULL, 0);
	id = gs_result_uuid(0, 1);
	gs_event_administrators(&group->id, "inquiry", inquiry_event(id, group, request->terminal->identifier, "open"));
	return id;
}

void gs_inquiry_close(const GsGroup *group, const pg_uuid_t *terminal, const char *state)
{
	Datum values[] = {UUIDPGetDatum(&group->id), UUIDPGetDatum(terminal), CStringGetTextDatum(state)};

	if (gs_plan_run(&close_one, values, NULL, 0) > 0 && strcmp(state, "refused") == 0)
		gs_event_terminal(terminal, "decision", inquiry_event(gs_result_uuid(0, 1), group, NULL, state));
}

/* Closes one without a decision and lets the requester go; the group is locked. */
static void end_undecided(const GsGroup *group, const pg_uuid_t *terminal, const char *state)
{
	pg_uuid_t *id = gs_inquiry_open_one(&group->id, terminal);

	if (id == NULL)
		return;
	gs_inquiry_close(group, terminal, state);
	if (gs_member_state(&group->id, terminal) == GS_MEMBER_PENDING)
		gs_member_set(&group->id, terminal, GS_MEMBER_LEFT);
	gs_event_terminal(terminal, "decision", inquiry_event(id, group, NULL, state));
}

void gs_inquiry_close_group(const GsGroup *group)
{
	uint64 rows = gs_plan_run(&find_of_group, (Datum[]){UUIDPGetDatum(&group->id)}, NULL, 0);
	pg_uuid_t **terminals = palloc(sizeof(*terminals) * Max(rows, 1));

	for (uint64 i = 0; i < rows; i++)
		terminals[i] = gs_result_uuid(i, 1);
	for (uint64 i = 0; i < rows; i++)
		end_undecided(group, terminals[i], "cancelled");
}

uint64 gs_inquiry_expire(int64 limit)
{
	uint64 rows =
		gs_plan_run(&find_overdue, (Datum[]){Float8GetDatum(gs_inquiry_lifetime_s), Int64GetDatum(limit)}, NULL, 0);
	pg_uuid_t **groups = palloc(sizeof(*groups) * Max(rows, 1));
	pg_uuid_t **terminals = palloc(sizeof(*terminals) * Max(rows, 1));
	pg_uuid_t **overdue = palloc(sizeof(*overdue) * Max(rows, 1));

	for (uint64 i = 0; i < rows; i++) {
		groups[i] = gs_result_uuid(i, 1);
		terminals[i] = gs_result_uuid(i, 2);
		overdue[i] = gs_result_uuid(i, 3);
	}
	for (uint64 i = 0; i < rows; i++) {
		GsGroup *group = gs_group_lock(groups[i]);
		pg_uuid_t *open = group == NULL ? NULL : gs_inquiry_open_one(groups[i], terminals[i]);

		/* Until the lock was had it may have been decided, and the terminal may have asked anew. */
		if (open != NULL && memcmp(open, overdue[i], sizeof(*open)) == 0)
			end_undecided(group, terminals[i], "expired");
	}
	return rows;
}

static void refuse_decided(const pg_uuid_t *id)
{
	char *by;

	(void)gs_plan_run(&find_decision, (Datum[]){UUIDPGetDatum(id)}, NULL, 1);
	by = gs_result_text(0, 2);
	ereport(ERROR, (errcode(GS_ERR_INQUIRY_DECIDED), errmsg("the inquiry is decided already"),
					errdetail("It was %s%s%s at %s.", gs_result_text(0, 1), by == NULL ? "" : " by ",
							  by == NULL ? "" : by, gs_reply_time_text(gs_result_timestamp(0, 3)))));
}

/* Finds the group and requester of an inquiry that the caller may know of, and locks the group. */
static GsGroup *lock_inquiry(const GsRequest *request, const pg_uuid_t *id, bool cancel, pg_uuid_t *requester)
{
	const pg_uuid_t *caller = &request->terminal->id;
	GsGroup *group = NULL;
	bool mine = false, administrator = false;

	if (gs_plan_run(&find_inquiry, (Datum[]){UUIDPGetDatum(id)}, NULL, 1) > 0) {
		pg_uuid_t *group_id = gs_result_uuid(0, 1);

		*requester = *gs_result_uuid(0, 2);
		mine = memcmp(requester, caller, sizeof(*caller)) == 0;
		if (mine || gs_access_role(caller, group_id) == GS_ROLE_ADMINISTRATOR)
			group = gs_group_lock(group_id);
		administrator = group != NULL && gs_access_role(caller, group_id) == GS_ROLE_ADMINISTRATOR;
	}
	if (group == NULL || (!mine && !administrator))
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no such inquiry")));
	if (cancel ? !mine : !administrator)
		ereport(ERROR, (errcode(GS_ERR_FORBIDDEN), cancel ? errmsg("only the terminal that asked can cancel")
														  : errmsg("only an administrator of the group can decide")));
	return group;
}

/* Writes a decision down and tells it; the group is locked. */
static void settle(const GsRequest *request, const GsGroup *group, const pg_uuid_t *id, const pg_uuid_t *requester,
				   const char *state)
{
	bool allow = strcmp(state, "allowed") == 0, cancel = strcmp(state, "cancelled") == 0;

	if (gs_plan_run(&decide_open,
					(Datum[]){UUIDPGetDatum(id), CStringGetTextDatum(state), UUIDPGetDatum(&request->terminal->id)},
					NULL, 0) == 0)
		refuse_decided(id);
	gs_member_set(&group->id, requester, allow ? GS_MEMBER_MEMBER : cancel ? GS_MEMBER_LEFT : GS_MEMBER_REFUSED);
	if (allow)
		gs_member_tell(group, requester, GS_MEMBER_MEMBER);
	if (!cancel)
		gs_event_terminal(requester, "decision", inquiry_event(id, group, NULL, state));
	gs_event_administrators(&group->id, "inquiry", inquiry_event(id, group, NULL, state));
	gs_audit_member(request, "decide_inquiry", id, requester, inquiry_event(id, group, NULL, state));
}

void gs_inquiry_allow(const GsRequest *request, const GsGroup *group, const pg_uuid_t *terminal)
{
	pg_uuid_t *id = gs_inquiry_open_one(&group->id, terminal);

	if (id == NULL)
		elog(ERROR, "a pending membership without an open inquiry");
	settle(request, group, id, terminal, "allowed");
}

/* Returns the inquiry's new state. */
static const char *decide(const GsRequest *request, const pg_uuid_t *id, const char *decision)
{
	bool allow = strcmp(decision, "allow") == 0, cancel = strcmp(decision, "cancel") == 0;
	const char *state = allow ? "allowed" : cancel ? "cancelled" : "refused";
	pg_uuid_t requester;
	GsGroup *group;

	if (!allow && !cancel && strcmp(decision, "refuse") != 0)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
						errmsg("\"decision\" must be \"allow\", \"refuse\" or \"cancel\"")));
	group = lock_inquiry(request, id, cancel, &requester);
	settle(request, group, id, &requester, state);
	return state;
}

Datum gs_decide_inquiry(PG_FUNCTION_ARGS)
{
	GsRequest *request;
	const char *state;

	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	state = decide(request, PG_GETARG_UUID_P(1), text_to_cstring(PG_GETARG_TEXT_PP(2)));
	gs_plan_close();
	PG_RETURN_TEXT_P(cstring_to_text(state));
}

Datum gs_api_decide_inquiry(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"inquiry", NULL};
	static const char *const body[] = {"decision", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, body);
	pg_uuid_t *id = gs_body_uuid(request->params, "inquiry", true);
	const char *state = decide(request, id, gs_body_text(request->body, "decision", true));
	GsReply reply;

	gs_reply_begin(&reply);
	gs_reply_uuid(&reply, "id", id);
	gs_reply_text(&reply, "state", state);
	return gs_request_reply(fcinfo, 200, gs_reply_end(&reply), NULL);
}

Datum gs_api_inquiries(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"limit", "after", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);
	pg_uuid_t *after = gs_body_uuid(request->params, "after", false);
	pg_uuid_t first = {0};
	int64 limit = PAGE_MAX;
	Jsonb *page, *next;
	GsReply reply;

	(void)gs_body_digits(request->params, "limit", false, 1, PAGE_MAX, &limit);
	(void)gs_plan_run(
		&find_page,
		(Datum[]){UUIDPGetDatum(&request->terminal->id), UUIDPGetDatum(after ?: &first), Int32GetDatum(limit)}, NULL,
		1);
	page = gs_result_jsonb(0, 1);
	next = gs_result_jsonb(0, 2);
	gs_reply_begin(&reply);
	gs_reply_jsonb(&reply, "inquiries", page);
	gs_reply_jsonb(&reply, "invitations", after == NULL ? gs_invite_list(&request->terminal->id) : NULL);
	gs_reply_jsonb(&reply, "next", next);
	return gs_request_reply(fcinfo, 200, gs_reply_end(&reply), NULL);
}
