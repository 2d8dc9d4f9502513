/* SPDX-License-Identifier: PostgreSQL */
/*
 * After the database was brought back to an earlier point, by whatever means: what others were given since then must
 * not be taken for what this database gives from now on.
 *
 *   - sessions, challenges, codes and tickets die: their keys, or they themselves, are replaced;
 *   - each device must announce itself, which counts reservations anew and brings new ticket keys;
 *   - the counters behind event cursors and work items jump ahead of any number that was given out and is not known
 * here;
 *   - each device is asked what it has.
 */
#include "postgres.h"

#include "fmgr.h"

#include "plan.h"
#include "request.h"

/* In the order of foreign keys and locks; secrets first, as rotate_secrets does. */
static GsPlan steps[] = {
	{.sql = "LOCK TABLE groupshare.secret IN SHARE ROW EXCLUSIVE MODE"},
	{.sql = "DELETE FROM groupshare.secret"},
	{.sql = "INSERT INTO groupshare.secret (purpose, key)"
			" SELECT purpose, groupshare.random_key() FROM unnest(ARRAY['session', 'challenge']) purpose"},
	{.sql = "DELETE FROM groupshare.enrolment_code"},
	{.sql = "DELETE FROM groupshare.used_challenge"},
	{.sql = "DELETE FROM groupshare.device_key"},
	{.sql = "UPDATE groupshare.device_ledger SET epoch = NULL"},
	{.sql = "DELETE FROM groupshare.inventory_object"},
	{.sql = "DELETE FROM groupshare.inventory_finding"},
	{.sql = "DELETE FROM groupshare.inventory"},
	{.sql = "INSERT INTO groupshare.inventory (device_id, work_id, requested_at)"
			" SELECT d.id, nextval('groupshare.device_work_id_seq') + 1000000000, now()"
			" FROM groupshare.device d WHERE d.state <> 'decommissioned'"},
	{.sql = "SELECT setval('groupshare.device_work_id_seq', s.last_value + 2000000000)"
			" FROM groupshare.device_work_id_seq s"},
	{.sql = "UPDATE groupshare.event_era SET number ="
			" greatest((1000000 * extract(epoch FROM clock_timestamp()))::bigint, 1 + number,"
			"   (SELECT 1 + max(seen_era) FROM groupshare.event_cursor), (SELECT 1 + max(came_era) FROM "
			"groupshare.membership),"
			"   (SELECT 1 + max(era) FROM groupshare.event_group))"},
	{.sql = "SELECT setval('groupshare.event_position', s.last_value + 1000000000) FROM groupshare.event_position s"},
};

static GsPlan count_leaderless = {
	.sql = "SELECT count(*) FROM groupshare.sharing_group g WHERE g.state = 'live' AND NOT EXISTS"
		   " (SELECT 1 FROM groupshare.membership m WHERE m.group_id = g.id AND m.state = 'administrator')",
};

/* The rule that a live group has an administrator can't hold while rows are restored one table after another. */
static void report_leaderless(void)
{
	int64 count;

	(void)gs_plan_run(&count_leaderless, NULL, NULL, 1);
	count = gs_result_int64(0, 1);
	if (count > 0)
		ereport(WARNING,
				(errmsg("%lld live groups have no administrator", (long long)count),
				 errhint("They stand in the view groupshare.groups with administrators = 0. Make a member of each "
						 "administrator, or dissolve it.")));
}

PG_FUNCTION_INFO_V1(gs_after_restore);
/* after_restore() */
Datum gs_after_restore(PG_FUNCTION_ARGS)
{
	gs_plan_open();
	(void)gs_request_self();
	for (size_t i = 0; i < lengthof(steps); i++)
		(void)gs_plan_run(&steps[i], NULL, NULL, 0);
	gs_audit(NULL, "after_restore", NULL, NULL);
	report_leaderless();
	gs_plan_close();
	PG_RETURN_VOID();
}
