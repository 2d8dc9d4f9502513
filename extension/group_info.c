/* SPDX-License-Identifier: PostgreSQL */
/*
 * Group info. Only reads, no lock. The shape is made by the functions of sql/22-group-info.sql; here is decided who
 * sees which page. A list inside a page is cut shorter than the page (NESTED), which bounds the product; `members_next`
 * and `shares_next` say that there is more, and the calls with `group` and `terminal` fetch it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "access.h"
#include "body.h"
#include "errcodes.h"
#include "group_info.h"
#include "names.h"
#include "plan.h"
#include "request.h"

#define NESTED 20

PG_FUNCTION_INFO_V1(gs_my_groups);
PG_FUNCTION_INFO_V1(gs_api_my_groups);

static GsPlan find_page = {
	"SELECT p.page -> 'groups', p.page -> 'next'"
	"  FROM (SELECT groupshare.group_info_page($1, $2, $3, $4) AS page OFFSET 0) p",
	{UUIDOID, UUIDOID, INT4OID, INT4OID},
};
static GsPlan find_one = {"SELECT groupshare.group_info($1, $2, $3)", {UUIDOID, UUIDOID, INT4OID}};
static GsPlan find_members = {
	"SELECT p.page -> 'members', p.page -> 'next'"
	"  FROM (SELECT groupshare.group_info_members($1, $2, $3, $4) AS page OFFSET 0) p",
	{UUIDOID, UUIDOID, INT4OID, INT4OID},
};
static GsPlan find_shares = {
	"SELECT p.page -> 'shares', p.page -> 'next'"
	"  FROM (SELECT groupshare.group_info_shares($1, m.terminal_id, $3, $4) AS page"
	"          FROM groupshare.membership m JOIN groupshare.terminal t ON t.id = m.terminal_id"
	"         WHERE m.group_id = $1 AND t.identifier = $2 AND m.state IN ('member', 'administrator') OFFSET 0) p",
	{UUIDOID, TEXTOID, TEXTOID, INT4OID},
};

static Datum uuid_or_null(const pg_uuid_t *uuid, char *null)
{
	*null = uuid == NULL ? 'n' : ' ';
	return UUIDPGetDatum(uuid);
}

static void add_page(GsReply *reply, const char *list)
{
	Jsonb *page = gs_result_jsonb(0, 1), *next = gs_result_jsonb(0, 2);

	gs_reply_jsonb(reply, list, page);
	gs_reply_jsonb(reply, "next", next);
}

void gs_group_info_page(GsReply *reply, const pg_uuid_t *viewer, const pg_uuid_t *after, int64 limit)
{
	char nulls[] = {' ', ' ', ' ', ' '};
	Datum values[] = {UUIDPGetDatum(viewer), uuid_or_null(after, &nulls[1]), Int32GetDatum(limit),
					  Int32GetDatum(NESTED)};

	(void)gs_plan_run(&find_page, values, nulls, 1);
	add_page(reply, "groups");
}

Jsonb *gs_group_info_one(const pg_uuid_t *viewer, const pg_uuid_t *group)
{
	Datum values[] = {UUIDPGetDatum(viewer), UUIDPGetDatum(group), Int32GetDatum(NESTED)};

	(void)gs_plan_run(&find_one, values, NULL, 1);
	return gs_result_jsonb(0, 1);
}

static void add_members(GsReply *reply, const pg_uuid_t *group, Jsonb *params, int64 limit)
{
	char nulls[] = {' ', ' ', ' ', ' '};
	Datum values[] = {UUIDPGetDatum(group), uuid_or_null(gs_body_uuid(params, "after", false), &nulls[1]),
					  Int32GetDatum(limit), Int32GetDatum(NESTED)};

	(void)gs_plan_run(&find_members, values, nulls, 1);
	gs_reply_uuid(reply, "group", group);
	add_page(reply, "members");
}

static void add_shares(GsReply *reply, const pg_uuid_t *group, const char *owner, Jsonb *params, int64 limit)
{
	char *after = gs_body_text(params, "after", false);
	char nulls[] = {' ', ' ', after == NULL ? 'n' : ' ', ' '};
	Datum values[] = {UUIDPGetDatum(group), CStringGetTextDatum(owner),
					  after == NULL ? (Datum)0 : CStringGetTextDatum(after), Int32GetDatum(limit)};

	if (gs_plan_run(&find_shares, values, nulls, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("the group has no such member")));
	gs_reply_uuid(reply, "group", group);
	gs_reply_text(reply, "terminal", owner);
	add_page(reply, "shares");
}

Datum gs_api_my_groups(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"limit", "after", "group", "terminal", "if_none_match", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);
	pg_uuid_t *group = gs_body_uuid(request->params, "group", false);
	char *owner = gs_body_identifier(request->params, "terminal", false);
	int64 limit = GS_GROUP_INFO_PAGE;
	GsReply reply;

	(void)gs_body_digits(request->params, "limit", false, 1, GS_GROUP_INFO_PAGE, &limit);
	if (owner != NULL && group == NULL)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"terminal\" needs \"group\"")));
	if (group != NULL)
		gs_access_require(&request->terminal->id, group, GS_ROLE_MEMBER);
	gs_reply_begin(&reply);
	if (owner != NULL) {
		add_shares(&reply, group, owner, request->params, limit);
	} else if (group != NULL) {
		add_members(&reply, group, request->params, limit);
	} else {
		gs_reply_text(&reply, "server", gs_request_self()->name);
		gs_reply_text(&reply, "terminal", request->terminal->identifier);
		gs_group_info_page(&reply, &request->terminal->id, gs_body_uuid(request->params, "after", false), limit);
	}
	return gs_request_reply_tagged(fcinfo, request, gs_reply_end(&reply));
}

Datum gs_my_groups(PG_FUNCTION_ARGS)
{
	GsRequest *request;
	GsReply reply;

	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	gs_reply_begin(&reply);
	gs_reply_text(&reply, "server", gs_request_self()->name);
	gs_reply_text(&reply, "terminal", request->terminal->identifier);
	gs_group_info_page(&reply, &request->terminal->id, NULL, GS_GROUP_INFO_PAGE);
	gs_plan_close();
	PG_RETURN_JSONB_P(gs_reply_end(&reply));
}
