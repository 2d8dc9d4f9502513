/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who loses a right loses its tickets: triggers write work of kind "revoke" for the devices, whatever took the right
 * away, a function of ours or a DBA's own statement. Nobody keeps a record of tickets, so that a download notice only
 * reads; what is revoked is therefore a little too much, and whoever still has the right asks for another ticket:
 *
 * - a terminal that goes out of a group, is revoked or enrols a new key: all its tickets, on each device;
 * - what it shared in the group, a share that is deleted or shown to fewer groups: all tickets for those objects;
 * - a group that is dissolved: all tickets of its members.
 *
 * The worker wakes the devices (maintenance.c). Rows are only inserted: no lock.
 */
#include "postgres.h"

#include "utils/rel.h"
#include "utils/uuid.h"

#include "plan.h"
#include "trigger.h"

PG_FUNCTION_INFO_V1(gs_revoke_of_membership);
PG_FUNCTION_INFO_V1(gs_revoke_of_group);
PG_FUNCTION_INFO_V1(gs_revoke_of_terminal);
PG_FUNCTION_INFO_V1(gs_revoke_of_share);

static GsPlan revoke_terminal = {
	"INSERT INTO groupshare.device_work (device_id, kind, terminal_id, wake)"
	" SELECT id, 'revoke', $1, true FROM groupshare.device WHERE state <> 'decommissioned'",
	{UUIDOID},
};
static GsPlan revoke_shown = {
	"INSERT INTO groupshare.device_work (device_id, kind, object, wake)"
	" SELECT c.device_id, 'revoke', c.object, true FROM groupshare.share s"
	"   JOIN groupshare.share_copy c ON c.share_id = s.id AND c.state = 'stored'"
	"  WHERE s.owner = $1 AND s.state = 'stored' AND (s.all_groups OR EXISTS (SELECT 1 FROM groupshare.share_group v"
	"        WHERE v.share_id = s.id AND v.group_id = $2))",
	{UUIDOID, UUIDOID},
};
static GsPlan revoke_members = {
	"INSERT INTO groupshare.device_work (device_id, kind, terminal_id, wake)"
	" SELECT d.id, 'revoke', m.terminal_id, true FROM groupshare.membership m, groupshare.device d"
	"  WHERE m.group_id = $1 AND m.state IN ('member', 'administrator') AND d.state <> 'decommissioned'",
	{UUIDOID},
};
/* A copy that the deletion has just abandoned counts too. */
static GsPlan revoke_share = {
	"INSERT INTO groupshare.device_work (device_id, kind, object, wake)"
	" SELECT device_id, 'revoke', object, true FROM groupshare.share_copy"
	"  WHERE share_id = $1 AND state IN ('stored', 'abandoned') AND stored_at IS NOT NULL",
	{UUIDOID},
};

/* AFTER UPDATE OF state OR DELETE ON membership, when it was inside and is no more */
Datum gs_revoke_of_membership(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	Datum terminal = gs_trigger_field(data, data->tg_trigtuple, "terminal_id");
	Datum group = gs_trigger_field(data, data->tg_trigtuple, "group_id");

	gs_plan_open();
	(void)gs_plan_run(&revoke_terminal, &terminal, NULL, 0);
	(void)gs_plan_run(&revoke_shown, (Datum[]){terminal, group}, NULL, 0);
	gs_plan_close();
	return PointerGetDatum(NULL);
}

static Datum run_for(FunctionCallInfo fcinfo, GsPlan *plan, const char *column)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	Datum id = gs_trigger_field(data, data->tg_trigtuple, column);

	gs_plan_open();
	(void)gs_plan_run(plan, &id, NULL, 0);
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* AFTER UPDATE OF state ON sharing_group, when it is dissolved */
Datum gs_revoke_of_group(PG_FUNCTION_ARGS)
{
	return run_for(fcinfo, &revoke_members, "id");
}

/* AFTER UPDATE OF epoch ON terminal: revocation and enrolment raise it */
Datum gs_revoke_of_terminal(PG_FUNCTION_ARGS)
{
	return run_for(fcinfo, &revoke_terminal, "id");
}

/* AFTER UPDATE OF state, all_groups ON share, AFTER DELETE ON share_group: others see less of a stored share */
Datum gs_revoke_of_share(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);

	return run_for(fcinfo, &revoke_share,
				   strcmp(RelationGetRelationName(data->tg_relation), "share") == 0 ? "id" : "share_id");
}
