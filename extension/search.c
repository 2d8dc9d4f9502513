/* SPDX-License-Identifier: PostgreSQL */
/*
 * Search for groups by name. A listed group is found by every condition, an exact-name-only one by its whole name, a
 * hidden one by its members alone, so that to anybody else it does not differ from no group: what others search walks
 * indexes in which it is not, and no page ends with it. Names are compared by their keys (name_key.c), without case and
 * accents, byte by byte. Pages go by (name_key, id), which `after` holds whole.
 *
 * Exact and prefix are ranges of an index. A part that many names have is found by walking the names in their order,
 * one that few have by its grams; which of both it is, nobody knows before. So: a short walk, which finds a frequent
 * one; then the grams, given up when they lead to more than CANDIDATES; then a long walk. A page of that may hold few
 * groups, or none, and goes on where the walk ended: it costs the same whatever there is, and no group is left out.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "body.h"
#include "errcodes.h"
#include "name_key.h"
#include "names.h"
#include "plan.h"
#include "reply.h"
#include "request.h"

#define PAGE_MAX 100
#define UUID_TEXT_BYTES 36

PG_FUNCTION_INFO_V1(gs_search_groups);
PG_FUNCTION_INFO_V1(gs_api_search_groups);

#define SHORT_WALK 500
#define LONG_WALK 10000
#define CANDIDATES 2000

/* $1 caller, $2 and $3 the place (name_key, id) after which the page starts, $4 name or part, $5 page. */
#define AFTER "(l.name_key, l.id) > ($2, $3)"

/* The first of those with this listing that `condition` admits. */
#define FIRST(listing, condition)                                                     \
	"(SELECT l.id, l.name_key FROM groupshare.sharing_group l WHERE l.state = 'live'" \
	"   AND l.listing = '" listing "' AND " AFTER " AND " condition " ORDER BY l.name_key, l.id LIMIT $5 + 1)"

/* The caller's own groups that others do not find: with one of these listings. */
#define OWN(listings, condition)                                                                                \
	"SELECT l.id, l.name_key FROM groupshare.membership m JOIN groupshare.sharing_group l ON l.id = m.group_id" \
	" WHERE m.terminal_id = $1 AND m.state IN ('member', 'administrator')"                                      \
	"   AND l.state = 'live' AND l.listing IN (" listings ") AND " AFTER " AND " condition

/* The page of which `rows` (id, name_key) are the first $5 + 1 at least; `next` where there is no more of them. */
#define PAGE(rows, next)                                                                                               \
	"SELECT jsonb_build_object("                                                                                       \
	"  'groups', coalesce(jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name, 'join', g.join_rule) ORDER BY p.n)" \
	"      FILTER (WHERE p.n <= $5), '[]'),"                                                                           \
	"  'next', CASE WHEN count(*) > $5 THEN (array_agg(p.id || p.name_key ORDER BY p.n))[$5] ELSE " next " END),"      \
	"  count(*) > $5"                                                                                                  \
	"  FROM (SELECT r.id, r.name_key, row_number() OVER (ORDER BY r.name_key, r.id) AS n FROM (" rows ") r"            \
	"         ORDER BY r.name_key, r.id LIMIT $5 + 1) p"                                                               \
	"  JOIN groupshare.sharing_group g ON g.id = p.id"

#define HAS_PART "position($4 IN l.name_key) > 0"

#define IS_NAME "l.name_key = $4"
/* From what starts with $4: no character is above U+10FFFF. */
#define HAS_PREFIX "l.name_key < ($4 || chr(1114111))"

static GsPlan search_exact = {
	PAGE(FIRST("listed", IS_NAME) " UNION ALL " FIRST("exact", IS_NAME) " UNION ALL " OWN("'hidden'", IS_NAME), "NULL"),
	{UUIDOID, TEXTOID, UUIDOID, TEXTOID, INT4OID},
	.by_key = true,
};
static GsPlan search_prefix = {
	PAGE(FIRST("listed", HAS_PREFIX) " UNION ALL " OWN("'exact', 'hidden'", HAS_PREFIX), "NULL"),
	{UUIDOID, TEXTOID, UUIDOID, TEXTOID, INT4OID},
	.by_key = true,
};
/* $6 names; the third column says whether that was all. */
static GsPlan walk_part = {
	"WITH l AS MATERIALIZED (SELECT l.id, l.name_key FROM groupshare.sharing_group l WHERE l.state = 'live'"
	"   AND l.listing = 'listed' AND " AFTER " ORDER BY l.name_key, l.id LIMIT $6),"
	" e AS MATERIALIZED (SELECT name_key, id FROM l ORDER BY name_key, id OFFSET $6 - 1)"
	" SELECT w.*, NOT EXISTS (SELECT 1 FROM e) FROM (" PAGE(
		"SELECT id, name_key FROM l WHERE " HAS_PART
		" UNION ALL " OWN("'exact', 'hidden'",
						  HAS_PART) " AND NOT EXISTS (SELECT 1 FROM e WHERE (l.name_key, l.id) > (e.name_key, e.id))",
		"(SELECT e.id || e.name_key FROM e)") ") w",
	{UUIDOID, TEXTOID, UUIDOID, TEXTOID, INT4OID, INT4OID},
	.by_key = true,
};
/* $6 candidates; the third column says whether that was all. */
static GsPlan gram_part = {
	"WITH c AS MATERIALIZED (SELECT l.id, l.name_key FROM groupshare.sharing_group l WHERE l.state = 'live'"
	"   AND l.listing = 'listed' AND l.name_grams @> groupshare.name_part_grams($4) LIMIT $6 + 1)"
	" SELECT w.*, (SELECT count(*) FROM c) <= $6 FROM (" PAGE(
		"SELECT id, name_key FROM c l WHERE (SELECT count(*) FROM c) <= $6 AND " AFTER " AND " HAS_PART
		" UNION ALL " OWN("'exact', 'hidden'", HAS_PART),
		"NULL") ") w",
	{UUIDOID, TEXTOID, UUIDOID, TEXTOID, INT4OID, INT4OID},
	.by_key = true,
};

/* By one way: the page when it is whole, and else NULL. `values` of search(). */
static Jsonb *try_part(GsPlan *plan, Datum *values, int most)
{
	values[5] = Int32GetDatum(most);
	(void)gs_plan_run(plan, values, NULL, 1);
	return (plan == &walk_part && gs_result_bool(0, 2)) || gs_result_bool(0, 3) ? gs_result_jsonb(0, 1) : NULL;
}

static Jsonb *search_part(Datum *values)
{
	Jsonb *page = try_part(&walk_part, values, SHORT_WALK);

	if (page == NULL)
		page = try_part(&gram_part, values, CANDIDATES);
	if (page != NULL)
		return page;
	values[5] = Int32GetDatum(LONG_WALK);
	(void)gs_plan_run(&walk_part, values, NULL, 1);
	return gs_result_jsonb(0, 1);
}

/* The place that `after` says, or NULL and none. */
static char *place_of(const char *after, pg_uuid_t *id)
{
	GsReply wrap;

	if (after == NULL)
		return NULL;
	if (strlen(after) <= UUID_TEXT_BYTES)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"after\" must be the \"next\" of another page")));
	gs_reply_begin(&wrap);
	gs_reply_text(&wrap, "after", pnstrdup(after, UUID_TEXT_BYTES));
	*id = *gs_body_uuid(gs_reply_end(&wrap), "after", true);
	return pstrdup(after + UUID_TEXT_BYTES);
}

static Jsonb *search(const pg_uuid_t *caller, const char *name, const char *match, const char *after, int64 limit)
{
	const char *key = gs_name_key(name, strlen(name));
	bool part = strcmp(match, "part") == 0, exact = strcmp(match, "exact") == 0;
	const char *start = part ? "" : key;
	pg_uuid_t id = {0};
	char *place = place_of(after, &id);
	Datum values[6] = {UUIDPGetDatum(caller)};

	if (!part && !exact && strcmp(match, "prefix") != 0)
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"match\" must be \"exact\", \"prefix\" or \"part\"")));
	/* No page starts before what the condition finds first, whatever `after` says. */
	if (place != NULL && strcmp(place, start) >= 0)
		start = place;
	else
		memset(&id, 0, sizeof(id));
	values[1] = CStringGetTextDatum(start);
	values[2] = UUIDPGetDatum(&id);
	values[3] = CStringGetTextDatum(key);
	values[4] = Int32GetDatum(limit);
	if (part)
		return search_part(values);
	(void)gs_plan_run(exact ? &search_exact : &search_prefix, values, NULL, 1);
	return gs_result_jsonb(0, 1);
}

Datum gs_api_search_groups(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"name", "match", "limit", "after", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);
	char *name = gs_body_group_name(request->params, "name", true);
	char *match = gs_body_text(request->params, "match", false);
	char *after = gs_body_text(request->params, "after", false);
	int64 limit = PAGE_MAX;
	Jsonb *reply;

	(void)gs_body_digits(request->params, "limit", false, 1, PAGE_MAX, &limit);
	reply = search(&request->terminal->id, name, match == NULL ? "exact" : match, after, limit);
	return gs_request_reply(fcinfo, 200, reply, NULL);
}

Datum gs_search_groups(PG_FUNCTION_ARGS)
{
	GsRequest *request;
	Jsonb *reply;

	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	reply = search(&request->terminal->id, text_to_cstring(PG_GETARG_TEXT_PP(1)), text_to_cstring(PG_GETARG_TEXT_PP(2)),
				   NULL, PAGE_MAX);
	gs_plan_close();
	PG_RETURN_JSONB_P(reply);
}
