/* SPDX-License-Identifier: PostgreSQL */
/*
 * How many are in a group, kept by triggers, so that nobody who comes in has to count them. Each change appends a row
 * with the next place and the new number, and deletes the row before it; the number is that of the last place, one
 * descent of the index. A counter that is updated would be a chain of its own dead versions, walked at each change, for
 * as long as a transaction changes many memberships or an old snapshot is open; here what is dead lies behind the place
 * that is looked up.
 *
 * Invariant: the row of the last place is exact for what is committed, because who changes it holds the group's lock
 * until it commits and reads it with the newest snapshot, at any isolation level. A row that a change could not see to
 * delete stays behind the last place and says nothing.
 *
 * Locks: the group's row.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "plan.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(gs_count_members);

static GsPlan lock_group = {
	"SELECT 1 FROM groupshare.sharing_group WHERE id = $1 FOR NO KEY UPDATE",
	{UUIDOID},
	.by_key = true,
};
static GsPlan find_last = {
	"SELECT place, members FROM groupshare.group_size WHERE group_id = $1 ORDER BY place DESC LIMIT 1",
	{UUIDOID},
	.by_key = true,
};
static GsPlan insert_next = {
	"INSERT INTO groupshare.group_size (group_id, place, members) VALUES ($1, $2, $3)",
	{UUIDOID, INT8OID, INT4OID},
	.by_key = true,
};
static GsPlan delete_last = {
	"DELETE FROM groupshare.group_size WHERE group_id = $1 AND place = $2",
	{UUIDOID, INT8OID},
	.by_key = true,
};
static GsPlan forget = {"DELETE FROM groupshare.group_size", {InvalidOid}};

static void add(Datum group, int change)
{
	int64 place = 0, members = 0;

	/* Of a group that is deleted, the rows go with it. */
	if (gs_plan_run(&lock_group, &group, NULL, 1) == 0)
		return;
	if (gs_plan_run_latest(&find_last, &group, 1) > 0) {
		place = gs_result_int64(0, 1);
		members = gs_result_int64(0, 2);
	}
	(void)gs_plan_run(&insert_next,
					  (Datum[]){group, Int64GetDatum(place + 1), Int32GetDatum((int32)(members + change))}, NULL, 0);
	(void)gs_plan_run(&delete_last, (Datum[]){group, Int64GetDatum(place)}, NULL, 0);
}

static int inside(const TriggerData *data, HeapTuple row)
{
	const char *state = TextDatumGetCString(gs_trigger_field(data, row, "state"));

	return strcmp(state, "member") == 0 || strcmp(state, "administrator") == 0;
}

/* AFTER INSERT, UPDATE OF state, group_id, DELETE ON membership, for each row that comes in or goes out; AFTER TRUNCATE
 */
Datum gs_count_members(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	bool inserted = TRIGGER_FIRED_BY_INSERT(data->tg_event);

	gs_plan_open();
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)) {
		(void)gs_plan_run(&forget, NULL, NULL, 0);
	} else {
		HeapTuple came = TRIGGER_FIRED_BY_DELETE(data->tg_event) ? NULL : gs_trigger_row(data);
		HeapTuple went = inserted ? NULL : data->tg_trigtuple;

		if (went != NULL && inside(data, went))
			add(gs_trigger_field(data, went, "group_id"), -1);
		if (came != NULL && inside(data, came))
			add(gs_trigger_field(data, came, "group_id"), 1);
	}
	gs_plan_close();
	return PointerGetDatum(NULL);
}
