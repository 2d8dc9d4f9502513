/* SPDX-License-Identifier: PostgreSQL */
/*
 * Fetching events. An event gets its position, the recipient's cursor, when it is first fetched; fetches of one
 * recipient take turns by an advisory lock. So positions are given in the order in which they are handed out, and an
 * event of a transaction that commits late comes later, never behind a cursor that has passed. Positions are dumped
 * with the rows.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "body.h"
#include "event.h"
#include "plan.h"
#include "request.h"
#include "settings.h"

#define PAGE_MAX 100
/* First key of the advisory locks: 'gsev'. */
#define LOCK_CLASS 0x67736576

PG_FUNCTION_INFO_V1(gs_api_events);

static GsPlan find_new = {
	"SELECT 1 FROM groupshare.event WHERE terminal_id = $1 AND position IS NULL",
	{UUIDOID},
};
static GsPlan take_turn = {"SELECT pg_catalog.pg_advisory_xact_lock($1, $2)", {INT4OID, INT4OID}};
static GsPlan give_positions = {
	"WITH new AS (SELECT id, nextval('groupshare.event_position') AS position FROM"
	"   (SELECT id FROM groupshare.event WHERE terminal_id = $1 AND position IS NULL ORDER BY id LIMIT $2) ordered)"
	" UPDATE groupshare.event e SET position = new.position FROM new WHERE e.id = new.id",
	{UUIDOID, INT8OID},
};
static GsPlan find_page = {
	"SELECT jsonb_build_object("
	"  'events', coalesce(jsonb_agg(jsonb_build_object('id', p.position, 'kind', p.kind, 'at', "
	"groupshare.wire_time(p.at),"
	"      'data', p.data) ORDER BY p.n) FILTER (WHERE p.n <= $3), '[]'),"
	"  'next', CASE WHEN count(*) > $3 THEN (array_agg(p.position ORDER BY p.n))[$3] END)"
	"  FROM (SELECT e.*, row_number() OVER (ORDER BY e.position) AS n FROM groupshare.event e"
	"         WHERE e.terminal_id = $1 AND e.position > $2 ORDER BY e.position LIMIT $3 + 1) p",
	{UUIDOID, INT8OID, INT4OID},
};
static GsPlan sweep = {
	"DELETE FROM groupshare.event WHERE id IN (SELECT id FROM groupshare.event"
	"  WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
	{FLOAT8OID, INT8OID},
};

static void position_new(const pg_uuid_t *terminal)
{
	Datum id = UUIDPGetDatum(terminal);
	int32 key = (int32)hash_bytes(terminal->data, UUID_LEN);

	if (gs_plan_run(&find_new, &id, NULL, 1) == 0)
		return;
	(void)gs_plan_run(&take_turn, (Datum[]){Int32GetDatum(LOCK_CLASS), Int32GetDatum(key)}, NULL, 1);
	/* One page is enough: the next fetch goes on. */
	(void)gs_plan_run(&give_positions, (Datum[]){id, Int64GetDatum(PAGE_MAX + 1)}, NULL, 0);
}

Datum gs_api_events(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"after", "limit", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);
	int64 after = 0, limit = PAGE_MAX;

	(void)gs_body_digits(request->params, "after", false, 0, PG_INT64_MAX, &after);
	(void)gs_body_digits(request->params, "limit", false, 1, PAGE_MAX, &limit);
	position_new(&request->terminal->id);
	(void)gs_plan_run(&find_page,
					  (Datum[]){UUIDPGetDatum(&request->terminal->id), Int64GetDatum(after), Int32GetDatum(limit)},
					  NULL, 1);
	return gs_request_reply(fcinfo, 200, gs_result_jsonb(0, 1), NULL);
}

uint64 gs_event_sweep(int64 limit)
{
	return gs_plan_run(&sweep, (Datum[]){Float8GetDatum(gs_event_retention_s), Int64GetDatum(limit)}, NULL, 0);
}
