/* SPDX-License-Identifier: PostgreSQL */
/*
 * Maintenance: reservations and their shares expire, unanswered inquiries expire, spent challenges, old events,
 * reports, done work and what is left of dissolved groups go, silent devices leave the search, and whoever waits for
 * events is woken. Each kind works in bounded batches and passes over rows that others hold, so a round is short,
 * several may run at once, and what is left is taken by the next round. What fails is told in a warning and undone; the
 * other kinds go on, since what goes wrong with one row, say one that a DBA has put there by hand, must not keep
 * everybody else's from being done.
 *
 * Waking is done here and not by the transactions that write the events: NOTIFY in each of them would serialise their
 * commits.
 *
 * Held deletions need nothing here: device_work.not_before lets a report see them in time.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "event.h"
#include "group.h"
#include "guard.h"
#include "inquiry.h"
#include "job.h"
#include "ledger.h"
#include "inventory.h"
#include "maintenance.h"
#include "page_tag.h"
#include "plan.h"
#include "replica.h"
#include "reply.h"
#include "reservation.h"
#include "revoke.h"
#include "terminal.h"

#define BATCH 500
#define WAKE_NAMES_MOST 200 /* 37 bytes each stay below NOTIFY's limit of 8000 */
#define WORK_KEPT_DAYS 7
#define EVENT_CHANNEL "groupshare_event"
#define DEVICE_CHANNEL "groupshare_device"

static GsPlan wake_plan = {
	.sql =
		"WITH batch AS (SELECT id FROM groupshare.event WHERE NOT sent ORDER BY id LIMIT $1"
		"   FOR NO KEY UPDATE SKIP LOCKED),"
		" woken AS (UPDATE groupshare.event e SET sent = true FROM batch b WHERE e.id = b.id RETURNING e.terminal_id)"
		" SELECT terminal_id, sum(count(*)) OVER ()::bigint FROM woken GROUP BY terminal_id",
	.types = {INT8OID},
};

static GsPlan work_plan = {
	.sql = "DELETE FROM groupshare.device_work WHERE id = ANY (ARRAY(SELECT id FROM groupshare.device_work"
		   " WHERE done_at < now() - $2 * interval '1 day' ORDER BY done_at LIMIT $1 FOR UPDATE SKIP LOCKED))",
	.types = {INT8OID, INT4OID},
};

static GsPlan wake_devices_plan = {
	.sql = "WITH batch AS (SELECT id FROM groupshare.device_work WHERE wake ORDER BY id LIMIT $1"
		   "   FOR NO KEY UPDATE SKIP LOCKED),"
		   " woken AS (UPDATE groupshare.device_work w SET wake = false FROM batch b WHERE w.id = b.id"
		   "   RETURNING w.device_id)"
		   " SELECT device_id, sum(count(*)) OVER ()::bigint FROM woken GROUP BY device_id",
	.types = {INT8OID},
};

/* Notifies whom the plan's rows name, all when they are many; returns how many marks the plan took back. */
static int64 wake(GsPlan *plan, const char *channel)
{
	uint64 named = gs_plan_run(plan, (Datum[]){Int64GetDatum(BATCH)}, NULL, 0);
	int64 marks = named > 0 ? gs_result_int64(0, 2) : 0;
	StringInfoData names;

	if (named == 0)
		return 0;
	initStringInfo(&names);
	for (uint64 i = 0; i < named && named <= WAKE_NAMES_MOST; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? "," : "", gs_reply_uuid_text(gs_result_uuid(i, 1)));
	Async_Notify(channel, names.data);
	return marks;
}

/* The same for members of groups, all by name: those who wait for something else are many. True when there are more. */
static bool wake_members(void)
{
	pg_uuid_t **members;
	uint64 count;
	bool more = gs_event_wake_members(&members, &count);
	StringInfoData names;

	initStringInfo(&names);
	for (uint64 i = 0; i < count; i++) {
		appendStringInfo(&names, "%s%s", names.len > 0 ? "," : "", gs_reply_uuid_text(members[i]));
		if ((i + 1) % WAKE_NAMES_MOST == 0 || i + 1 == count) {
			Async_Notify(EVENT_CHANNEL, names.data);
			resetStringInfo(&names);
		}
	}
	return more;
}

static bool wake_all(void)
{
	bool more = wake(&wake_plan, EVENT_CHANNEL) == BATCH;

	uint64 revoked = gs_revoke_wake(BATCH);

	more |= wake_members();
	if (revoked > 0)
		Async_Notify(DEVICE_CHANNEL, "");
	more |= revoked == BATCH;
	return more | (wake(&wake_devices_plan, DEVICE_CHANNEL) == BATCH);
}

static bool expire_reservations(void)
{
	return gs_reservation_expire_due(BATCH) == BATCH;
}

static bool expire_inquiries(void)
{
	return gs_inquiry_expire(BATCH) == BATCH;
}

static bool sweep_terminals(void)
{
	return gs_terminal_sweep(BATCH) >= BATCH;
}

static bool sweep_events(void)
{
	bool more = gs_event_sweep(BATCH) == BATCH;

	more |= gs_event_sweep_groups(BATCH) == BATCH;
	return more | (gs_page_tag_sweep(BATCH) == BATCH);
}

static bool sweep_groups(void)
{
	return gs_group_sweep(BATCH);
}

static bool tend_devices(void)
{
	bool more =
		gs_plan_run(&work_plan, (Datum[]){Int64GetDatum(BATCH), Int32GetDatum(WORK_KEPT_DAYS)}, NULL, 0) == BATCH;

	more |= gs_revoke_sweep(BATCH) == BATCH;
	more |= gs_ledger_close_silent(BATCH) == BATCH;
	return more | (gs_ledger_forget(BATCH) == BATCH);
}

static bool tend_copies(void)
{
	return gs_replica_tend(BATCH) == BATCH;
}

static bool request_inventories(void)
{
	gs_inventory_request_due();
	return false;
}

typedef struct Kind {
	const char *name;
	bool (*run)(void); /* true: there is more */
} Kind;

static const Kind kinds[] = {
	{"waking", wake_all},
	{"expiry of reservations", expire_reservations},
	{"expiry of inquiries", expire_inquiries},
	{"sweeping challenges", sweep_terminals},
	{"sweeping events", sweep_events},
	{"sweeping dissolved groups", sweep_groups},
	{"looking after devices", tend_devices},
	{"looking after copies", tend_copies},
	{"jobs", gs_job_step},
	{"inventories", request_inventories},
};

typedef struct Round {
	const Kind *kind;
	bool more;
} Round;

static GsGuardEnd run_kind(void *argument)
{
	Round *round = argument;

	round->more |= round->kind->run();
	return GS_GUARD_KEEP;
}

bool gs_maintenance_run(void)
{
	Round round = {.more = false};

	PreventCommandIfReadOnly("groupshare.run_maintenance()");
	gs_plan_open();
	for (size_t i = 0; i < lengthof(kinds); i++) {
		ErrorData *error;

		round.kind = &kinds[i];
		error = gs_guard_run(run_kind, &round);
		if (error != NULL && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		if (error != NULL)
			ereport(WARNING, (errcode(error->sqlerrcode), errmsg("maintenance failed in part: %s", kinds[i].name),
							  errdetail("%s", error->message)));
	}
	gs_plan_close();
	return round.more;
}

PG_FUNCTION_INFO_V1(gs_run_maintenance);
Datum gs_run_maintenance(PG_FUNCTION_ARGS)
{
	(void)gs_maintenance_run();
	PG_RETURN_VOID();
}
