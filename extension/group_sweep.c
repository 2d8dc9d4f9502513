/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is left of a dissolved group is swept: its memberships, the list of who may join, the row of its size. Nobody
 * sees them any more, but its members find by them that it was dissolved, as long as events are kept; so they go when
 * groupshare.event_retention has passed. The group itself stays, since history and audit speak of it, and what
 * memberships were is kept by the trigger on their deletion (history.c) as ending with the group.
 *
 * A group that a DBA brings back before that has all it had; after it, it has no administrator, which the schema
 * refuses until there is one. A group is swept again when it was dissolved again: `swept_at` is then the older time.
 *
 * Locks: the group's row, memberships or listed identifiers; rows that others hold are passed over.
 */
#include "postgres.h"

#include "group.h"
#include "plan.h"
#include "settings.h"

#define GROUPS_MOST 50

static GsPlan find_due = {
	"SELECT id FROM groupshare.sharing_group WHERE state = 'dissolved'"
	"   AND (swept_at IS NULL OR swept_at < dissolved_at) AND dissolved_at < now() - $1 * interval '1 second'"
	" ORDER BY dissolved_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
	{INT4OID, INT8OID},
};
static GsPlan sweep_members = {
	"DELETE FROM groupshare.membership WHERE group_id = $1 AND terminal_id = ANY (ARRAY(SELECT terminal_id"
	"   FROM groupshare.membership WHERE group_id = $1 ORDER BY terminal_id LIMIT $2 FOR UPDATE SKIP LOCKED))",
	{UUIDOID, INT8OID},
	.by_key = true,
};
static GsPlan sweep_listed = {
	"DELETE FROM groupshare.group_listed WHERE group_id = $1 AND identifier = ANY (ARRAY(SELECT identifier"
	"   FROM groupshare.group_listed WHERE group_id = $1 ORDER BY identifier LIMIT $2 FOR UPDATE SKIP LOCKED))",
	{UUIDOID, INT8OID},
	.by_key = true,
};
static GsPlan mark_swept = {
	"UPDATE groupshare.sharing_group SET swept_at = clock_timestamp() WHERE id = $1"
	" AND NOT EXISTS (SELECT 1 FROM groupshare.membership WHERE group_id = $1)"
	" AND NOT EXISTS (SELECT 1 FROM groupshare.group_listed WHERE group_id = $1)",
	{UUIDOID},
	.by_key = true,
};
static GsPlan forget_size = {"DELETE FROM groupshare.group_size WHERE group_id = $1", {UUIDOID}, .by_key = true};

/* At most `limit` rows of the group; returns how many. What is then left, if anything, others hold. */
static int64 sweep_group(pg_uuid_t *group, int64 limit)
{
	int64 count = gs_plan_run(&sweep_members, (Datum[]){UUIDPGetDatum(group), Int64GetDatum(limit)}, NULL, 0);

	if (count < limit)
		count += gs_plan_run(&sweep_listed, (Datum[]){UUIDPGetDatum(group), Int64GetDatum(limit - count)}, NULL, 0);
	if (count < limit && gs_plan_run(&mark_swept, (Datum[]){UUIDPGetDatum(group)}, NULL, 0) > 0)
		(void)gs_plan_run(&forget_size, (Datum[]){UUIDPGetDatum(group)}, NULL, 0);
	return count;
}

bool gs_group_sweep(int64 limit)
{
	pg_uuid_t *groups[GROUPS_MOST];
	uint64 count =
		gs_plan_run(&find_due, (Datum[]){Int32GetDatum(gs_event_retention_s), Int64GetDatum(GROUPS_MOST)}, NULL, 0);
	int64 rows = 0;

	for (uint64 i = 0; i < count; i++)
		groups[i] = gs_result_uuid(i, 1);
	for (uint64 i = 0; i < count && rows < limit; i++)
		rows += sweep_group(groups[i], limit - rows);
	return rows == limit || (count == GROUPS_MOST && rows > 0);
}
