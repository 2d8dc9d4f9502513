/* SPDX-License-Identifier: PostgreSQL */
/*
 * The share list and the deletion, for the gateway (api_*) and for DBAs. The list is paged by name, which is unique
 * among an owner's pending and stored shares.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "body.h"
#include "names.h"
#include "plan.h"
#include "share.h"

#define SHARES_PAGE_MOST 100

static const char *const list_params[] = {"limit", "after", NULL};
static const char *const delete_params[] = {"share", NULL};

/* One row beyond the page says whether there is a next one. */
static GsPlan list_plan = {
	.sql = "WITH page AS (SELECT s.*, row_number() OVER (ORDER BY s.name) AS n FROM groupshare.share s"
		   "   WHERE s.owner = $1 AND s.state IN ('pending', 'stored') AND s.name > $2 ORDER BY s.name LIMIT $3 + 1)"
		   " SELECT jsonb_build_object('shares', coalesce(jsonb_agg(jsonb_build_object("
		   "     'id', p.id, 'name', p.name, 'size', p.size_bytes, 'sha256', encode(p.sha256, 'hex'),"
		   "     'state', p.state, 'created_at', groupshare.wire_time(p.created_at),"
		   "     'stored_at', groupshare.wire_time(p.stored_at),"
		   "     'devices', (SELECT coalesce(jsonb_agg(d.name ORDER BY d.name), '[]') FROM groupshare.share_copy c"
		   "        JOIN groupshare.device d ON d.id = c.device_id WHERE c.share_id = p.id AND c.state = p.state),"
		   "     'groups', CASE WHEN p.all_groups THEN to_jsonb('all'::text) ELSE"
		   "        (SELECT coalesce(jsonb_agg(v.group_id ORDER BY v.group_id), '[]')"
		   "         FROM groupshare.share_group v WHERE v.share_id = p.id) END)"
		   "   ORDER BY p.name) FILTER (WHERE p.n <= $3), '[]'),"
		   "   'next', CASE WHEN count(*) > $3 THEN max(p.name) FILTER (WHERE p.n = $3) END)"
		   " FROM page p",
	.types = {UUIDOID, TEXTOID, INT8OID},
};

PG_FUNCTION_INFO_V1(gs_api_shares);
Datum gs_api_shares(PG_FUNCTION_ARGS)
{
	GsRequest *request = gs_request_begin(fcinfo, true, list_params, NULL);
	int64 limit = SHARES_PAGE_MOST;
	char *after;
	Datum values[3];

	gs_body_digits(request->params, "limit", false, 1, SHARES_PAGE_MOST, &limit);
	after = gs_body_text(request->params, "after", false);
	values[0] = UUIDPGetDatum(&request->terminal->id);
	values[1] = CStringGetTextDatum(after != NULL ? after : "");
	values[2] = Int64GetDatum(limit);
	gs_plan_run(&list_plan, values, NULL, 1);
	return gs_request_reply(fcinfo, 200, gs_result_jsonb(0, 1), NULL);
}

PG_FUNCTION_INFO_V1(gs_api_delete_share);
Datum gs_api_delete_share(PG_FUNCTION_ARGS)
{
	GsRequest *request = gs_request_begin(fcinfo, true, delete_params, NULL);

	gs_share_delete(request, gs_body_uuid(request->params, "share", true));
	return gs_request_reply(fcinfo, 204, NULL, NULL);
}

PG_FUNCTION_INFO_V1(gs_delete_share);
/* delete_share(terminal, share) */
Datum gs_delete_share(PG_FUNCTION_ARGS)
{
	gs_plan_open();
	gs_share_delete(gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0))), PG_GETARG_UUID_P(1));
	gs_plan_close();
	PG_RETURN_VOID();
}
