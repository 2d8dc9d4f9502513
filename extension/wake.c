/* SPDX-License-Identifier: PostgreSQL */
/*
 * A session that ends ends its open event requests: triggers on what a session is good by tell the gateways to ask
 * again for those who wait, and asking is refused. NOTIFY comes with the commit. These are a DBA's and an enrolment's
 * transactions, few enough to take turns at NOTIFY's lock; events themselves are announced by the worker
 * (maintenance.c).
 */
#include "postgres.h"

#include "commands/async.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "reply.h"
#include "trigger.h"

#define EVENT_CHANNEL "groupshare_event"

PG_FUNCTION_INFO_V1(gs_wake_sessions);

/* AFTER UPDATE OF epoch, plan ON terminal: that one. AFTER UPDATE OF sharing ON plan, AFTER DELETE ON secret: all. */
Datum gs_wake_sessions(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	const char *who = "";

	if (strcmp(RelationGetRelationName(data->tg_relation), "terminal") == 0)
		who = gs_reply_uuid_text(DatumGetUUIDP(gs_trigger_field(data, data->tg_trigtuple, "id")));
	Async_Notify(EVENT_CHANNEL, who);
	return PointerGetDatum(NULL);
}
