/* SPDX-License-Identifier: PostgreSQL */
/*
 * Fetching events. An event gets its position, the recipient's cursor, when it is first fetched; fetches of one
 * recipient take turns by the lock of its row of event_cursor. So positions are given in the order in which they are
 * handed out, and an event of a transaction that commits late comes later, never behind a cursor that has passed.
 * Positions are dumped with the rows.
 *
 * Events of groups stand in the outbox once. A fetch takes those of the terminal's groups that are committed now and
 * were not at its last fetch, nor when it came in: what the one snapshot shows and the other does not. It gives the
 * terminal rows of its own of them and keeps the new snapshot, in one statement, so that both see the same. With more
 * than PIECE of them the snapshot becomes a target that several fetches work towards. Within a fetch they are in the
 * order of their ids, which in a group is that of its changes. No group's lock is taken, no other member waits.
 *
 * Locks: event_cursor of the terminal.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "body.h"
#include "errcodes.h"
#include "event.h"
#include "plan.h"
#include "request.h"
#include "settings.h"

#define PAGE_MAX 100
/* At least a page: so many of its groups' events does a fetch take. */
#define PIECE 500

PG_FUNCTION_INFO_V1(gs_fetch_events);
PG_FUNCTION_INFO_V1(gs_api_events);

/* The terminal's cursor, or where it has none a row that says nothing; `target` is what it may see now. */
#define CURSOR                                                                                                \
	"SELECT k.seen_era, k.seen, coalesce(k.target_era, e.number) AS target_era,"                              \
	"   coalesce(k.target, pg_current_snapshot()) AS target, k.reached_era, k.reached_xid, k.reached_event, " \
	"k.own_xid,"                                                                                              \
	"   k.own_event, pg_current_xact_id_if_assigned() AS own_now"                                             \
	"  FROM (SELECT number FROM groupshare.event_era LIMIT 1) e"                                              \
	"  LEFT JOIN groupshare.event_cursor k ON k.terminal_id = $1"

/*
 * Rows of event_group that the cursor c has before it, of each group the first $2. `s` is the latest place before which
 * there can be none. What the transaction itself has written is committed as far as it can see; its
 * own snapshot may show it as such or not, so it is told apart by its number.
 */
#define PENDING                                                                                                 \
	"groupshare.membership m"                                                                                   \
	" CROSS JOIN LATERAL (SELECT v.era, v.xid, v.event FROM (VALUES (c.seen_era, pg_snapshot_xmin(c.seen), "    \
	"0::bigint),"                                                                                               \
	"     (m.came_era, pg_snapshot_xmin(m.came_after), 0), (c.reached_era, c.reached_xid, c.reached_event))"    \
	"     v (era, xid, event) WHERE v.era IS NOT NULL ORDER BY v.era DESC, v.xid DESC, v.event DESC LIMIT 1) s" \
	" CROSS JOIN LATERAL (SELECT x.era, x.xid, x.event_id, x.hides FROM groupshare.event_group x"               \
	"   WHERE x.group_id = m.group_id AND (x.era, x.xid, x.event_id) > (s.era, s.xid, s.event)"                 \
	"     AND (x.era < c.target_era OR x.era = c.target_era AND pg_visible_in_snapshot(x.xid, c.target)"        \
	"       OR x.xid = c.own_now)"                                                                              \
	"     AND (c.seen IS NULL OR x.era > c.seen_era OR x.xid = c.own_xid OR NOT pg_visible_in_snapshot(x.xid, " \
	"c.seen))"                                                                                                  \
	"     AND (x.era > m.came_era OR x.xid = m.came_xid OR NOT pg_visible_in_snapshot(x.xid, m.came_after))"    \
	"     AND (c.own_xid IS NULL OR x.xid <> c.own_xid OR x.event_id > c.own_event)"                            \
	"   ORDER BY x.era, x.xid, x.event_id LIMIT $2) a"                                                          \
	" WHERE m.terminal_id = $1 AND m.state IN ('member', 'administrator')"

static GsPlan find_new = {
	"SELECT 1 WHERE EXISTS (SELECT 1 FROM groupshare.event WHERE terminal_id = $1 AND position IS NULL)"
	" OR EXISTS (SELECT 1 FROM (" CURSOR ") c, " PENDING ")",
	{UUIDOID, INT8OID},
};
static GsPlan make_cursor = {
	"INSERT INTO groupshare.event_cursor (terminal_id) VALUES ($1) ON CONFLICT DO NOTHING",
	{UUIDOID},
};
static GsPlan lock_cursor = {
	"SELECT 1 FROM groupshare.event_cursor WHERE terminal_id = $1 FOR NO KEY UPDATE",
	{UUIDOID},
};
static GsPlan take = {
	"WITH c AS MATERIALIZED (" CURSOR "),"
	" piece AS MATERIALIZED (SELECT a.era, a.xid, a.event_id, bool_or(a.hides) AS hides FROM c, " PENDING
	"   GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT $2),"
	" shown AS MATERIALIZED (SELECT g.id, g.kind, g.data, g.at FROM piece p"
	"   JOIN groupshare.group_event g ON g.id = p.event_id WHERE NOT p.hides),"
	" ordered AS MATERIALIZED (SELECT o.id, o.own, nextval('groupshare.event_position') AS position FROM ("
	"   SELECT n.id, true AS own FROM (SELECT e.id FROM groupshare.event e"
	"     WHERE e.terminal_id = $1 AND e.position IS NULL ORDER BY e.id LIMIT $2) n"
	"   UNION ALL SELECT s.id, false FROM shown s ORDER BY 1) o),"
	" placed AS (UPDATE groupshare.event e SET position = o.position FROM ordered o WHERE o.own AND e.id = o.id),"
	" copied AS (INSERT INTO groupshare.event (terminal_id, kind, data, at, sent, position)"
	"   SELECT $1, s.kind, s.data, s.at, true, o.position FROM ordered o JOIN shown s ON s.id = o.id WHERE NOT o.own),"
	" done AS (SELECT count(*) < $2 AS all, max(p.event_id) FILTER (WHERE p.xid = c.own_now) AS own FROM c, piece p),"
	" last AS (SELECT p.era, p.xid, p.event_id FROM piece p ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1)"
	" UPDATE groupshare.event_cursor k SET"
	"   seen_era = CASE WHEN d.all THEN c.target_era ELSE k.seen_era END,"
	"   seen = CASE WHEN d.all THEN c.target ELSE k.seen END,"
	"   target_era = CASE WHEN NOT d.all THEN c.target_era END, target = CASE WHEN NOT d.all THEN c.target END,"
	"   reached_era = CASE WHEN NOT d.all THEN l.era END, reached_xid = CASE WHEN NOT d.all THEN l.xid END,"
	"   reached_event = CASE WHEN NOT d.all THEN l.event_id END,"
	"   own_xid = pg_current_xact_id(),"
	"   own_event = coalesce(d.own, CASE WHEN k.own_xid = c.own_now THEN k.own_event END, 0)"
	"  FROM c, done d LEFT JOIN last l ON true WHERE k.terminal_id = $1",
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
	"DELETE FROM groupshare.event WHERE id = ANY (ARRAY(SELECT id FROM groupshare.event"
	"  WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))",
	{FLOAT8OID, INT8OID},
};

static GsPlan sweep_groups = {
	"WITH gone AS (DELETE FROM groupshare.group_event WHERE id = ANY (ARRAY(SELECT id FROM groupshare.group_event"
	"   WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING id),"
	" unlinked AS (DELETE FROM groupshare.event_group a USING gone g WHERE a.event_id = g.id)"
	" SELECT count(*) FROM gone",
	{FLOAT8OID, INT8OID},
};

static void position_new(const pg_uuid_t *terminal)
{
	Datum values[] = {UUIDPGetDatum(terminal), Int64GetDatum(1)};

	if (gs_plan_run(&find_new, values, NULL, 1) == 0)
		return;
	if (gs_plan_run(&lock_cursor, values, NULL, 1) == 0) {
		(void)gs_plan_run(&make_cursor, values, NULL, 0);
		(void)gs_plan_run(&lock_cursor, values, NULL, 1);
	}
	values[1] = Int64GetDatum(PIECE);
	(void)gs_plan_run(&take, values, NULL, 0);
}

static Jsonb *fetch(const pg_uuid_t *terminal, int64 after, int64 limit)
{
	position_new(terminal);
	(void)gs_plan_run(&find_page, (Datum[]){UUIDPGetDatum(terminal), Int64GetDatum(after), Int32GetDatum(limit)}, NULL,
					  1);
	return gs_result_jsonb(0, 1);
}

Datum gs_api_events(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"after", "limit", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, NULL);
	int64 after = 0, limit = PAGE_MAX;

	(void)gs_body_digits(request->params, "after", false, 0, PG_INT64_MAX, &after);
	(void)gs_body_digits(request->params, "limit", false, 1, PAGE_MAX, &limit);
	return gs_request_reply(fcinfo, 200, fetch(&request->terminal->id, after, limit), NULL);
}

/* fetch_events(terminal, after, most) */
Datum gs_fetch_events(PG_FUNCTION_ARGS)
{
	Jsonb *page;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("terminal, after and most must not be null")));
	if (PG_GETARG_INT64(1) < 0)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("after must not be negative"),
						errhint("0 is the beginning, the next page starts after the answer's \"next\".")));
	if (PG_GETARG_INT32(2) < 1 || PG_GETARG_INT32(2) > PAGE_MAX)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("most must be between 1 and %d", PAGE_MAX)));
	gs_plan_open();
	page = fetch(&gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)))->terminal->id, PG_GETARG_INT64(1),
				 PG_GETARG_INT32(2));
	gs_plan_close();
	PG_RETURN_JSONB_P(page);
}

uint64 gs_event_sweep(int64 limit)
{
	return gs_plan_run(&sweep, (Datum[]){Float8GetDatum(gs_event_retention_s), Int64GetDatum(limit)}, NULL, 0);
}

uint64 gs_event_sweep_groups(int64 limit)
{
	(void)gs_plan_run(&sweep_groups, (Datum[]){Float8GetDatum(gs_event_retention_s), Int64GetDatum(limit)}, NULL, 1);
	return (uint64)gs_result_int64(0, 1);
}
