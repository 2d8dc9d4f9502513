/* SPDX-License-Identifier: PostgreSQL */
/*
 * Whom to wake for events of groups: the members, found here and not when the event is written, in pieces. A round
 * marks some events and notes their groups in event_wake, then walks on among the members of some groups that stand
 * there. More events of a group meanwhile have it walked again, once, from its beginning. All that a round does commits
 * or vanishes with its notifications; several rounds at a time pass over each other's rows.
 *
 * Locks: group_event, event_wake in the order of groups.
 */
#include "postgres.h"

#include "event.h"
#include "plan.h"

/* Events marked in a round. */
#define EVENTS_MOST 500
/* Groups walked in a round, and members of each: together the 10,000 that event.h promises. */
#define GROUPS_MOST 40
#define MEMBERS_MOST 250

static GsPlan note_groups = {
	"WITH batch AS (SELECT id FROM groupshare.group_event WHERE NOT sent ORDER BY id LIMIT $1"
	"   FOR NO KEY UPDATE SKIP LOCKED),"
	" marked AS (UPDATE groupshare.group_event e SET sent = true FROM batch b WHERE e.id = b.id RETURNING e.id),"
	" noted AS (INSERT INTO groupshare.event_wake (group_id)"
	"   SELECT DISTINCT a.group_id FROM marked m JOIN groupshare.event_group a ON a.event_id = m.id"
	"    WHERE NOT a.hides ORDER BY 1"
	"   ON CONFLICT (group_id) DO UPDATE SET again = event_wake.again OR event_wake.after IS NOT NULL)"
	" SELECT count(*) FROM marked",
	{INT8OID},
};
static GsPlan walk = {
	"WITH walked AS (SELECT group_id, after FROM groupshare.event_wake ORDER BY group_id LIMIT $1"
	"   FOR NO KEY UPDATE SKIP LOCKED),"
	" page AS (SELECT w.group_id, m.terminal_id, m.n FROM walked w CROSS JOIN LATERAL"
	"   (SELECT q.terminal_id, row_number() OVER (ORDER BY q.terminal_id) AS n FROM groupshare.membership q"
	"     WHERE q.group_id = w.group_id AND q.state IN ('member', 'administrator')"
	"       AND (w.after IS NULL OR q.terminal_id > w.after) ORDER BY q.terminal_id LIMIT $2) m),"
	" full_page AS (SELECT group_id, terminal_id FROM page WHERE n = $2),"
	" moved AS (UPDATE groupshare.event_wake k SET after = f.terminal_id FROM full_page f WHERE k.group_id = "
	"f.group_id),"
	" ended AS (SELECT w.group_id FROM walked w WHERE NOT EXISTS (SELECT 1 FROM full_page f WHERE f.group_id = "
	"w.group_id)),"
	" restarted AS (UPDATE groupshare.event_wake k SET after = NULL, again = false FROM ended e"
	"   WHERE k.group_id = e.group_id AND k.again),"
	" gone AS (DELETE FROM groupshare.event_wake k USING ended e WHERE k.group_id = e.group_id AND NOT k.again)"
	" SELECT DISTINCT terminal_id FROM page",
	{INT8OID, INT8OID},
};
static GsPlan find_waiting = {"SELECT 1 FROM groupshare.event_wake", {InvalidOid}};

bool gs_event_wake_members(pg_uuid_t ***members, uint64 *count)
{
	bool more;

	(void)gs_plan_run(&note_groups, (Datum[]){Int64GetDatum(EVENTS_MOST)}, NULL, 1);
	more = gs_result_int64(0, 1) == EVENTS_MOST;
	*count = gs_plan_run(&walk, (Datum[]){Int64GetDatum(GROUPS_MOST), Int64GetDatum(MEMBERS_MOST)}, NULL, 0);
	*members = palloc(sizeof(**members) * Max(*count, 1));
	for (uint64 i = 0; i < *count; i++)
		(*members)[i] = gs_result_uuid(i, 1);
	return more | (gs_plan_run(&find_waiting, NULL, NULL, 1) > 0);
}
