/* SPDX-License-Identifier: PostgreSQL */
/*
 * What ends becomes history: triggers on memberships and on where shares are shown, so that a DBA's own statement
 * leaves a trace too. A state that began and ended in one transaction was never seen and leaves none. History and audit
 * are only added to: a superuser who must remove rows disables the trigger. No lock but those of the rows.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "plan.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(gs_keep_membership);
PG_FUNCTION_INFO_V1(gs_keep_showing);
PG_FUNCTION_INFO_V1(gs_refuse_change);

static GsPlan keep_membership = {
	"INSERT INTO groupshare.past_membership (group_id, terminal_id, state, during) VALUES ($1, $2, $3, tstzrange($4, "
	"$5))",
	{UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
};
static GsPlan keep_showing = {
	"INSERT INTO groupshare.past_showing (share_id, group_id, during) VALUES ($1, $2, tstzrange($3, $4))",
	{UUIDOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
};

static GsPlan find_end = {
	"SELECT dissolved_at FROM groupshare.sharing_group WHERE id = $1 AND dissolved_at > $2",
	{UUIDOID, TIMESTAMPTZOID},
	.by_key = true,
};

/* Nobody else ever saw what this transaction itself began. */
static bool was_seen(const TriggerData *data, TimestampTz from, TimestampTz to)
{
	bool mine = from >= GetCurrentTransactionStartTimestamp() &&
				TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(data->tg_trigtuple->t_data));

	return from < to && !mine;
}

/* What is swept had ended with its group. */
static Datum end_of_deleted(Datum group, Datum since)
{
	if (gs_plan_run(&find_end, (Datum[]){group, since}, NULL, 1) > 0)
		return TimestampTzGetDatum(gs_result_timestamp(0, 1));
	return TimestampTzGetDatum(GetCurrentTimestamp());
}

/* AFTER UPDATE OF state OR DELETE ON membership: the old state lasted until the new one began. */
Datum gs_keep_membership(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	HeapTuple old = data->tg_trigtuple;
	bool updated = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	Datum values[] = {gs_trigger_field(data, old, "group_id"), gs_trigger_field(data, old, "terminal_id"),
					  gs_trigger_field(data, old, "state"), gs_trigger_field(data, old, "since"), (Datum)0};

	gs_plan_open();
	values[4] = updated ? gs_trigger_field(data, data->tg_newtuple, "since") : end_of_deleted(values[0], values[3]);
	if (was_seen(data, DatumGetTimestampTz(values[3]), DatumGetTimestampTz(values[4])))
		(void)gs_plan_run(&keep_membership, values, NULL, 0);
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* BEFORE UPDATE OF all_groups ON share, where the new row's time is set too; AFTER DELETE ON share_group */
Datum gs_keep_showing(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	bool of_share = strcmp(RelationGetRelationName(data->tg_relation), "share") == 0;
	HeapTuple old = data->tg_trigtuple;
	HeapTuple changed = of_share ? gs_trigger_now(data, "all_groups_since") : NULL;
	Datum values[4];

	values[0] = gs_trigger_field(data, old, of_share ? "id" : "share_id");
	values[1] = of_share ? (Datum)0 : gs_trigger_field(data, old, "group_id");
	values[2] = gs_trigger_field(data, old, of_share ? "all_groups_since" : "since");
	values[3] =
		of_share ? gs_trigger_field(data, changed, "all_groups_since") : TimestampTzGetDatum(GetCurrentTimestamp());
	if ((!of_share || DatumGetBool(gs_trigger_field(data, old, "all_groups"))) &&
		was_seen(data, DatumGetTimestampTz(values[2]), DatumGetTimestampTz(values[3]))) {
		gs_plan_open();
		(void)gs_plan_run(&keep_showing, values, of_share ? " n  " : NULL, 0);
		gs_plan_close();
	}
	return PointerGetDatum(changed);
}

/* BEFORE UPDATE OR DELETE OR TRUNCATE */
Datum gs_refuse_change(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);

	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("rows of \"%s\" are only added", RelationGetRelationName(data->tg_relation)),
					errhint("A superuser who must remove old rows disables the trigger for that.")));
}
