/* SPDX-License-Identifier: PostgreSQL */
/*
 * Group info as terminals get it (doc/contracts.md section 3, GROUP). Only reads, no lock. A list inside a page is cut
 * shorter than the page (NESTED), `members_next` and `shares_next` say that there is more, and the calls with `group`
 * and `terminal` fetch it. A page of groups ends early with the one by which it holds ITEMS members and shares, so that
 * many large groups make more pages and no larger ones; each is looked up by a statement of its own, all with one
 * snapshot: in one statement the planner may look up each for each.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "access.h"
#include "body.h"
#include "errcodes.h"
#include "group_info.h"
#include "names.h"
#include "page_tag.h"
#include "plan.h"
#include "request.h"

#define NESTED 20
#define ITEMS 1000

PG_FUNCTION_INFO_V1(gs_my_groups);
PG_FUNCTION_INFO_V1(gs_api_my_groups);

/*
 * One bounded page each, and by `next` where the following one starts; one row more than the page is read to know
 * whether there is one. Each is a subquery with the column `page`, put into another where it is nested: one statement
 * with one kept plan answers all of a page, where functions in SQL would be planned anew for each member of each group
 * at each call. Each macro has its own aliases, since an argument may name those of the statement around it. A share's
 * group is a scalar subquery: of EXISTS the planner may make a table of all that are shown in the group.
 */
#define SHARES_PAGE(group, owner, after, most)                                                                  \
	"(SELECT jsonb_build_object("                                                                               \
	"   'shares', coalesce(jsonb_agg(jsonb_build_object('id', sp.id, 'name', sp.name, 'size', sp.size_bytes,"   \
	"       'sha256', pg_catalog.encode(sp.sha256, 'hex'), 'stored_at', groupshare.wire_time(sp.stored_at))"    \
	"       ORDER BY sp.n) FILTER (WHERE sp.n <= " most "), '[]'),"                                             \
	"   'next', CASE WHEN count(*) > " most " THEN (array_agg(sp.name ORDER BY sp.n))[" most "] END) AS page"   \
	" FROM (SELECT s.id, s.name, s.size_bytes, s.sha256, s.stored_at, row_number() OVER (ORDER BY s.name) AS n" \
	"         FROM groupshare.share s"                                                                          \
	"        WHERE s.owner = " owner " AND s.state = 'stored' AND s.name > " after                              \
	"          AND (s.all_groups OR (SELECT true FROM groupshare.share_group sg"                                \
	"                WHERE sg.share_id = s.id AND sg.group_id = " group "))"                                    \
	"        ORDER BY s.name LIMIT " most " + 1) sp)"

/* The identifier is looked up for each row of the page: joined, the planner might walk all of them. */
#define MEMBERS_PAGE(group, after, most, most_shares)                                                                 \
	"(SELECT jsonb_build_object("                                                                                     \
	"   'members', coalesce(jsonb_agg(jsonb_build_object('terminal', mp.identifier, 'role', mp.state,"                \
	"       'shares', ms.page -> 'shares', 'shares_next', ms.page -> 'next') ORDER BY mp.n)"                          \
	"       FILTER (WHERE mp.n <= " most "), '[]'),"                                                                  \
	"   'next', CASE WHEN count(*) > " most " THEN (array_agg(mp.terminal_id ORDER BY mp.n))[" most "] END) AS page," \
	"   count(*) + coalesce(sum(jsonb_array_length(ms.page -> 'shares')), 0) AS items"                                \
	" FROM (SELECT m.terminal_id, m.state, row_number() OVER (ORDER BY m.terminal_id) AS n,"                          \
	"              (SELECT t.identifier FROM groupshare.terminal t WHERE t.id = m.terminal_id) AS identifier"         \
	"         FROM groupshare.membership m"                                                                           \
	"        WHERE m.group_id = " group " AND m.state IN ('member', 'administrator')"                                 \
	"          AND m.terminal_id > " after "        ORDER BY m.terminal_id LIMIT " most " + 1) mp"                    \
	" LEFT JOIN LATERAL " SHARES_PAGE(group, "mp.terminal_id", "''", most_shares) " ms ON mp.n <= " most ")"

/* No row for who is no member. */
#define GROUP_INFO(viewer, group, most)                                                                         \
	"(SELECT jsonb_build_object('id', g.id, 'name', g.name, 'home', h.name, 'role', v.state, 'state', g.state," \
	"        'join', g.join_rule, 'listing', g.listing, 'description', g.description,"                          \
	"        'max_members', g.max_members, 'members', gm.page -> 'members',"                                    \
	"        'members_next', gm.page -> 'next') AS page, gm.items"                                              \
	" FROM (SELECT * FROM groupshare.sharing_group WHERE id = " group " AND state <> 'dissolved') g"            \
	" JOIN groupshare.server h ON h.id = g.home"                                                                \
	" JOIN groupshare.membership v ON v.group_id = g.id AND v.terminal_id = " viewer                            \
	"      AND v.state IN ('member', 'administrator'),"                                                         \
	" LATERAL " MEMBERS_PAGE("g.id", "'00000000-0000-0000-0000-000000000000'::uuid", most, most) " gm)"

static GsPlan find_groups = {
	"SELECT w.group_id FROM groupshare.membership w JOIN groupshare.sharing_group o ON o.id = w.group_id"
	" WHERE w.terminal_id = $1 AND w.state IN ('member', 'administrator') AND o.state <> 'dissolved'"
	"   AND w.group_id > $2 ORDER BY w.group_id LIMIT $3",
	{UUIDOID, UUIDOID, INT4OID},
	.by_key = true,
};
static GsPlan find_one = {
	"SELECT i.page, i.items FROM " GROUP_INFO("$1", "$2", "$3") " i",
	{UUIDOID, UUIDOID, INT4OID},
	.by_key = true,
};
static GsPlan find_members = {
	"SELECT p.page -> 'members', p.page -> 'next' FROM " MEMBERS_PAGE("$1", "$2", "$3", "$4") " p",
	{UUIDOID, UUIDOID, INT4OID, INT4OID},
	.by_key = true,
};
static GsPlan find_shares = {
	"SELECT p.page -> 'shares', p.page -> 'next'"
	"  FROM (SELECT w.terminal_id FROM groupshare.membership w JOIN groupshare.terminal o ON o.id = w.terminal_id"
	"         WHERE w.group_id = $1 AND o.identifier = $2 AND w.state IN ('member', 'administrator')) f,"
	"       LATERAL " SHARES_PAGE("$1", "f.terminal_id", "$3", "$4") " p",
	{UUIDOID, TEXTOID, TEXTOID, INT4OID},
	.by_key = true,
};

/* The place after which a page starts is never NULL: "NULL or greater" would be no range of an index. */
static Datum place(const pg_uuid_t *after)
{
	static const pg_uuid_t start;

	return UUIDPGetDatum(after != NULL ? after : &start);
}

static void add_page(GsReply *reply, const char *list)
{
	Jsonb *page = gs_result_jsonb(0, 1), *next = gs_result_jsonb(0, 2);

	gs_reply_jsonb(reply, list, page);
	gs_reply_jsonb(reply, "next", next);
}

/* With the snapshot that is in force: NULL when it shows no such group of the viewer's. */
static Jsonb *look_up(const pg_uuid_t *viewer, const pg_uuid_t *group, int64 *items)
{
	Datum values[] = {UUIDPGetDatum(viewer), UUIDPGetDatum(group), Int32GetDatum(NESTED)};

	if (gs_plan_run_frozen(&find_one, values, NULL, 1) == 0)
		return NULL;
	*items += gs_result_int64(0, 2);
	return gs_result_jsonb(0, 1);
}

ArrayType *gs_group_info_page(GsReply *reply, const pg_uuid_t *viewer, const pg_uuid_t *after, int64 limit)
{
	Datum values[] = {UUIDPGetDatum(viewer), place(after), Int32GetDatum(limit + 1)};
	Datum ids[GS_GROUP_INFO_PAGE + 1];
	Jsonb *groups[GS_GROUP_INFO_PAGE];
	int64 items = 0;
	int rows, count = 0;

	Assert(limit <= GS_GROUP_INFO_PAGE);
	gs_plan_freeze();
	rows = (int)gs_plan_run_frozen(&find_groups, values, NULL, 0);
	for (int i = 0; i < rows; i++)
		ids[i] = UUIDPGetDatum(gs_result_uuid(i, 1));
	while (count < Min(rows, limit) && items < ITEMS) {
		groups[count] = look_up(viewer, DatumGetUUIDP(ids[count]), &items);
		if (groups[count] == NULL)
			elog(ERROR, "a group of a page can't be looked up");
		count++;
	}
	gs_plan_thaw();
	gs_reply_list(reply, "groups", groups, count);
	gs_reply_uuid(reply, "next", count < rows ? DatumGetUUIDP(ids[count - 1]) : NULL);
	return gs_plan_uuid_array(ids, Min(count + 1, rows));
}

Jsonb *gs_group_info_one(const pg_uuid_t *viewer, const pg_uuid_t *group)
{
	int64 items = 0;
	Jsonb *one;

	gs_plan_freeze();
	one = look_up(viewer, group, &items);
	gs_plan_thaw();
	return one;
}

static void add_members(GsReply *reply, const pg_uuid_t *group, Jsonb *params, int64 limit)
{
	Datum values[] = {UUIDPGetDatum(group), place(gs_body_uuid(params, "after", false)), Int32GetDatum(limit),
					  Int32GetDatum(NESTED)};

	(void)gs_plan_run(&find_members, values, NULL, 1);
	gs_reply_uuid(reply, "group", group);
	add_page(reply, "members");
}

static void add_shares(GsReply *reply, const pg_uuid_t *group, const char *owner, Jsonb *params, int64 limit)
{
	char *after = gs_body_text(params, "after", false);
	Datum values[] = {UUIDPGetDatum(group), CStringGetTextDatum(owner), CStringGetTextDatum(after ?: ""),
					  Int32GetDatum(limit)};

	if (gs_plan_run(&find_shares, values, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("the group has no such member")));
	gs_reply_uuid(reply, "group", group);
	gs_reply_text(reply, "terminal", owner);
	add_page(reply, "shares");
}

/* SPI is closed by gs_request_reply. */
static Datum answer(FunctionCallInfo fcinfo, GsRequest *request, const pg_uuid_t *group, const char *owner,
					GsPageTag *page)
{
	char *known = gs_body_text(request->params, "if_none_match", false);
	char *after = gs_body_text(request->params, "after", false);
	int64 limit = GS_GROUP_INFO_PAGE;
	GsReply reply;
	Jsonb *whole;
	char *etag;

	(void)gs_body_digits(request->params, "limit", false, 1, GS_GROUP_INFO_PAGE, &limit);
	page->request = psprintf(GS_VERSION " %d %s %s %s", (int)limit, group == NULL ? "-" : gs_reply_uuid_text(group),
							 owner ?: "-", after ?: "");
	if (known != NULL && gs_page_tag_holds(page, known))
		return gs_request_reply(fcinfo, 304, NULL, known);
	gs_reply_begin(&reply);
	if (owner != NULL) {
		add_shares(&reply, group, owner, request->params, limit);
	} else if (group != NULL) {
		add_members(&reply, group, request->params, limit);
	} else {
		gs_reply_text(&reply, "server", gs_request_self()->name);
		gs_reply_text(&reply, "terminal", request->terminal->identifier);
		page->groups =
			gs_group_info_page(&reply, &request->terminal->id, gs_body_uuid(request->params, "after", false), limit);
	}
	whole = gs_reply_end(&reply);
	etag = gs_request_etag(whole);
	gs_page_tag_keep(page, etag);
	return gs_request_reply_tagged(fcinfo, request, whole, etag);
}

Datum gs_api_my_groups(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"limit", "after", "group", "terminal", "if_none_match", NULL};
	GsPageTag page = {.seen = gs_page_tag_begin()};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);
	pg_uuid_t *group = gs_body_uuid(request->params, "group", false);
	char *owner = gs_body_identifier(request->params, "terminal", false);

	if (owner != NULL && group == NULL)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"terminal\" needs \"group\"")));
	if (group != NULL)
		gs_access_require(&request->terminal->id, group, GS_ROLE_MEMBER);
	page.terminal = &request->terminal->id;
	if (group != NULL)
		page.groups = gs_plan_uuid_array(&(Datum){UUIDPGetDatum(group)}, 1);
	return answer(fcinfo, request, group, owner, &page);
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
	(void)gs_group_info_page(&reply, &request->terminal->id, NULL, GS_GROUP_INFO_PAGE);
	gs_plan_close();
	PG_RETURN_JSONB_P(gs_reply_end(&reply));
}
