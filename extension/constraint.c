/* SPDX-License-Identifier: PostgreSQL */
/*
 * Rules over several rows, as triggers, so that they hold against a DBA's own UPDATE too. Those that pg_restore could
 * not obey (it loads groups before memberships) judge an inserted row only when its time is this transaction's. The
 * administrator rule is checked at commit under the group's lock with the newest snapshot: two transactions that each
 * take one of the last two administrators away can't both commit, at any isolation level.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/uuid.h"
#include "utils/xid8.h"

#include "errcodes.h"
#include "member.h"
#include "plan.h"
#include "reply.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(gs_check_membership_move);
PG_FUNCTION_INFO_V1(gs_check_administrator);
PG_FUNCTION_INFO_V1(gs_check_listed);
PG_FUNCTION_INFO_V1(gs_check_room);
PG_FUNCTION_INFO_V1(gs_notify_service_list);

static GsPlan lock_group = {
	"SELECT 1 FROM groupshare.sharing_group WHERE id = $1 AND state = 'live' FOR NO KEY UPDATE",
	{UUIDOID},
};
static GsPlan find_group = {
	"SELECT g.name, EXISTS (SELECT 1 FROM groupshare.membership m WHERE m.group_id = g.id AND m.state = "
	"'administrator')"
	"  FROM groupshare.sharing_group g WHERE g.id = $1 AND g.state = 'live'",
	{UUIDOID},
};
static GsPlan find_listed = {
	"SELECT l.identifier FROM groupshare.terminal t JOIN groupshare.group_listed l ON l.identifier = t.identifier"
	" WHERE t.id = $2 AND l.group_id = $1",
	{UUIDOID, UUIDOID},
	.by_key = true,
};
static GsPlan find_banned = {
	"SELECT t.identifier FROM groupshare.terminal t JOIN groupshare.membership m ON m.terminal_id = t.id"
	" WHERE t.identifier = $2 AND m.group_id = $1 AND m.state = 'banned'",
	{UUIDOID, TEXTOID},
	.by_key = true,
};
static GsPlan find_crowded = {
	"SELECT g.max_members FROM groupshare.sharing_group g WHERE g.id = $1 AND g.max_members <"
	"  (SELECT s.members FROM groupshare.group_size s WHERE s.group_id = $1 ORDER BY s.place DESC LIMIT 1)",
	{UUIDOID},
	.by_key = true,
};
static GsPlan find_present = {
	"SELECT e.number, pg_current_snapshot() FROM groupshare.event_era e",
	{InvalidOid},
};
static GsPlan notify = {"NOTIFY groupshare_service_list", {InvalidOid}};

static bool is_inside(GsMemberState state)
{
	return state == GS_MEMBER_MEMBER || state == GS_MEMBER_ADMINISTRATOR;
}

/* Who comes in gets the group's events of later transactions only (fetch.c). */
static HeapTuple from_now_on(const TriggerData *data, HeapTuple row)
{
	TupleDesc desc = RelationGetDescr(data->tg_relation);
	int columns[] = {get_attnum(RelationGetRelid(data->tg_relation), "came_era"),
					 get_attnum(RelationGetRelid(data->tg_relation), "came_after"),
					 get_attnum(RelationGetRelid(data->tg_relation), "came_xid")};
	bool nulls[] = {false, false, false};
	Datum values[3];

	gs_plan_open();
	(void)gs_plan_run(&find_present, NULL, NULL, 1);
	values[0] = Int64GetDatum(gs_result_int64(0, 1));
	values[1] = PointerGetDatum(gs_result_bytea(0, 2)); /* a snapshot is a varlena like any */
	values[2] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	gs_plan_close();
	return heap_modify_tuple_by_cols(row, desc, lengthof(columns), columns, values, nulls);
}

/* BEFORE UPDATE OF state ON membership */
Datum gs_check_membership_move(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	GsMemberState from = gs_member_state_from(TextDatumGetCString(gs_trigger_field(data, data->tg_trigtuple, "state")));
	GsMemberState to = gs_member_state_from(TextDatumGetCString(gs_trigger_field(data, data->tg_newtuple, "state")));
	HeapTuple row;

	if (from == to)
		return PointerGetDatum(data->tg_newtuple);
	if (!gs_member_may_move(from, to))
		ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
						errmsg("a membership can't go from \"%s\" to \"%s\"", gs_member_state_name(from),
							   gs_member_state_name(to)),
						errhint("From there it goes to: %s.", gs_member_moves(from))));
	/* Also when the UPDATE is a DBA's own: history has no gap. */
	row = gs_trigger_now(data, "since");
	return PointerGetDatum(is_inside(to) && !is_inside(from) ? from_now_on(data, row) : row);
}

/* CONSTRAINT, deferred: AFTER UPDATE OF state OR DELETE ON membership, AFTER INSERT OR UPDATE OF state ON sharing_group
 */
Datum gs_check_administrator(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	bool of_group = strcmp(RelationGetRelationName(data->tg_relation), "sharing_group") == 0;
	Datum group = gs_trigger_field(data, gs_trigger_row(data), of_group ? "id" : "group_id");

	gs_plan_open();
	if (gs_plan_run(&lock_group, &group, NULL, 1) > 0 && gs_plan_run_latest(&find_group, &group, 1) > 0 &&
		!gs_result_bool(0, 2))
		ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
						errmsg("group \"%s\" would have no administrator", gs_result_text(0, 1)),
						errdetail("Group %s.", gs_reply_uuid_text(DatumGetUUIDP(group))),
						errhint("Make another member administrator in the same transaction, or dissolve the group.")));
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* AFTER INSERT OR UPDATE ON group_listed, AFTER INSERT OR UPDATE OF state ON membership: nobody is listed and banned.
 */
Datum gs_check_listed(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	bool of_list = strcmp(RelationGetRelationName(data->tg_relation), "group_listed") == 0;
	HeapTuple row = gs_trigger_row(data);
	Datum values[] = {gs_trigger_field(data, row, "group_id"),
					  gs_trigger_field(data, row, of_list ? "identifier" : "terminal_id")};

	gs_plan_open();
	(void)gs_plan_run(&lock_group, values, NULL, 1);
	if (gs_plan_run_latest(of_list ? &find_banned : &find_listed, values, 1) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("terminal \"%s\" can't be both listed for a group and banned from it", gs_result_text(0, 1))));
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* AFTER INSERT OR UPDATE OF state ON membership, when it comes in: there is room under the group's lock. */
Datum gs_check_room(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	Datum group = gs_trigger_field(data, gs_trigger_row(data), "group_id");

	gs_plan_open();
	(void)gs_plan_run(&lock_group, &group, NULL, 1);
	if (gs_plan_run_latest(&find_crowded, &group, 1) > 0)
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("the group is full"),
						errdetail("It may have %lld members.", (long long)gs_result_int64(0, 1)),
						errhint("An administrator can set max_members higher, or remove somebody.")));
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* AFTER any change of service_entry or server, for each statement: the gateways forget what they cached. */
Datum gs_notify_service_list(PG_FUNCTION_ARGS)
{
	(void)gs_trigger_data(fcinfo);
	gs_plan_open();
	(void)gs_plan_run(&notify, NULL, NULL, 0);
	gs_plan_close();
	return PointerGetDatum(NULL);
}
