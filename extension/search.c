/* SPDX-License-Identifier: PostgreSQL */
/*
 * Search for groups by name. A listed group is found by every condition, an exact-name-only one by its whole name, a
 * hidden one by its members alone, so that to anybody else it does not differ from no group. Names are compared by
 * their keys (name_key.c): without case and accents. Exact and prefix walk the index sharing_group_name; part finds its
 * candidates by their grams in sharing_group_part. Pages go by (name_key, id), which `after` holds whole.
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

/* $1 caller or NULL, $2 name, $3 and $4 the last row's name_key and id or NULL, $5 page. The operators with ~ compare
 * bytes, as the index does; no character is above U+10FFFF. */
#define SEARCH(condition, listings)                                                                                    \
	"SELECT jsonb_build_object("                                                                                       \
	"  'groups', coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'name', p.name, 'join', p.join_rule) ORDER BY p.n)" \
	"      FILTER (WHERE p.n <= $5), '[]'),"                                                                           \
	"  'next', CASE WHEN count(*) > $5 THEN (array_agg(p.id || p.name_key ORDER BY p.n))[$5] END)"                     \
	"  FROM (SELECT g.*, row_number() OVER (ORDER BY g.name_key USING ~<~, g.id) AS n"                                 \
	"          FROM groupshare.sharing_group g"                                                                        \
	"         WHERE g.state = 'live' AND " condition                                                                   \
	"           AND ($3 IS NULL OR g.name_key ~>~ $3 OR (g.name_key = $3 AND g.id > $4))"                              \
	"           AND (g.listing IN (" listings ") OR EXISTS (SELECT 1 FROM groupshare.membership m"                     \
	"                 WHERE m.group_id = g.id AND m.terminal_id = $1 AND m.state IN ('member', 'administrator')))"     \
	"         ORDER BY g.name_key USING ~<~, g.id LIMIT $5 + 1) p"

static GsPlan search_exact = {
	SEARCH("g.name_key = $2", "'listed', 'exact'"),
	{UUIDOID, TEXTOID, TEXTOID, UUIDOID, INT4OID},
};
static GsPlan search_prefix = {
	SEARCH("g.name_key ~>=~ $2 AND g.name_key ~<~ ($2 || chr(1114111))", "'listed'"),
	{UUIDOID, TEXTOID, TEXTOID, UUIDOID, INT4OID},
};
static GsPlan search_part = {
	SEARCH("g.name_grams @> groupshare.name_part_grams($2) AND position($2 IN g.name_key) > 0", "'listed'"),
	{UUIDOID, TEXTOID, TEXTOID, UUIDOID, INT4OID},
};

static GsPlan *plan_of(const char *match)
{
	static const struct {
		const char *match;
		GsPlan *plan;
	} table[] = {{"exact", &search_exact}, {"prefix", &search_prefix}, {"part", &search_part}};

	for (size_t i = 0; i < lengthof(table); i++)
		if (strcmp(match, table[i].match) == 0)
			return table[i].plan;
	ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"match\" must be \"exact\", \"prefix\" or \"part\"")));
}

static Jsonb *search(const pg_uuid_t *caller, const char *name, const char *match, const char *after, int64 limit)
{
	char nulls[] = "     ";
	pg_uuid_t *last = NULL;
	Datum values[5] = {UUIDPGetDatum(caller), CStringGetTextDatum(gs_name_key(name, strlen(name))), (Datum)0, (Datum)0,
					   Int32GetDatum(limit)};
	GsPlan *plan = plan_of(match);

	nulls[0] = caller == NULL ? 'n' : ' ';
	nulls[2] = nulls[3] = after == NULL ? 'n' : ' ';
	if (after != NULL) {
		GsReply wrap;

		if (strlen(after) <= UUID_TEXT_BYTES)
			ereport(ERROR,
					(errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"after\" must be the \"next\" of another page")));
		gs_reply_begin(&wrap);
		gs_reply_text(&wrap, "after", pnstrdup(after, UUID_TEXT_BYTES));
		last = gs_body_uuid(gs_reply_end(&wrap), "after", true);
		values[2] = CStringGetTextDatum(after + UUID_TEXT_BYTES);
		values[3] = UUIDPGetDatum(last);
	}
	(void)gs_plan_run(plan, values, nulls, 1);
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
