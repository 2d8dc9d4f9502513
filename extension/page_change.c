/* SPDX-License-Identifier: PostgreSQL */
/*
 * Triggers that note which transactions change what pages of group info show, for page_tag.c: one row for each group
 * concerned, and for a terminal whose own groups change, and a mark in shared memory (page_mark.c) which tells that
 * there can be no row to look for. Rows are only inserted, none is hot.
 *
 * Invariant: of two transactions that together bring a share into a group's pages (its owner comes in, it is stored or
 * shown to all groups), the one that commits last has a note for the group. Therefore they take turns by a lock on the
 * owner: those that change its shares hold it shared and look for its groups then, one by which it comes in holds it
 * alone. A share that is listed for a group is locked itself.
 *
 * Locks, last of all: an advisory one in a space of its own. There are few, so that a statement over many memberships
 * does not fill the table of locks; owners that fall on the same one may wait for each other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "page_mark.h"
#include "plan.h"
#include "trigger.h"

#define OWNER_SPACE 0x6774 /* sets these apart from users' advisory locks, whose objsubid is 1 or 2 */
#define OWNER_LOCKS 1024

PG_FUNCTION_INFO_V1(gs_page_of_row);
PG_FUNCTION_INFO_V1(gs_page_of_share);
PG_FUNCTION_INFO_V1(gs_page_of_share_group);
PG_FUNCTION_INFO_V1(gs_page_of_all);

static GsPlan insert_change = {
	"INSERT INTO groupshare.page_change (subject, xid) SELECT DISTINCT s, pg_current_xact_id() FROM unnest($1) s"
	" ON CONFLICT (subject, xid) DO NOTHING",
	{UUIDARRAYOID},
};
static GsPlan find_groups = {
	"SELECT coalesce(array_agg(g.id), '{}') FROM (SELECT m.group_id FROM groupshare.membership m"
	"   WHERE $3 AND m.terminal_id = $1 AND m.state IN ('member', 'administrator')"
	"  UNION SELECT v.group_id FROM groupshare.share_group v WHERE v.share_id = $2) g (id)",
	{UUIDOID, UUIDOID, BOOLOID},
};
static GsPlan lock_share = {
	"SELECT state = 'stored' FROM groupshare.share WHERE id = $1 FOR SHARE",
	{UUIDOID},
};

static void note_all(ArrayType *subjects)
{
	Datum *ids;
	int count;

	deconstruct_array(subjects, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &ids, NULL, &count);
	for (int i = 0; i < count; i++)
		gs_page_mark(DatumGetUUIDP(ids[i]));
	(void)gs_plan_run(&insert_change, (Datum[]){PointerGetDatum(subjects)}, NULL, 0);
}

static void note(Datum subject)
{
	note_all(gs_plan_uuid_array(&subject, 1));
}

static void lock_owner(Datum owner, LOCKMODE mode)
{
	uint32 key = hash_bytes(DatumGetUUIDP(owner)->data, UUID_LEN) % OWNER_LOCKS;
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, key, OWNER_SPACE);
	(void)LockAcquire(&tag, mode, false, false);
}

/* The rows that the event is about: one, and of an update the new one too. */
static int rows_of(const TriggerData *data, HeapTuple rows[2])
{
	rows[0] = data->tg_trigtuple;
	rows[1] = data->tg_newtuple;
	return TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? 2 : 1;
}

/*
 * On rows whose columns name subjects: the arguments. A + before one says that the terminal in it comes into a group.
 */
Datum gs_page_of_row(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	const Trigger *trigger = data->tg_trigger;
	HeapTuple rows[2];
	int count = rows_of(data, rows);

	gs_plan_open();
	for (int i = 0; i < trigger->tgnargs; i++) {
		const char *column = trigger->tgargs[i];

		if (*column == '+')
			lock_owner(gs_trigger_field(data, rows[count - 1], ++column), ExclusiveLock);
		for (int row = 0; row < count; row++)
			note(gs_trigger_field(data, rows[row], column));
	}
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* On share, when it is or was stored. */
Datum gs_page_of_share(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	HeapTuple rows[2];
	int count = rows_of(data, rows);

	gs_plan_open();
	for (int i = 0; i < count; i++) {
		Datum owner = gs_trigger_field(data, rows[i], "owner");

		lock_owner(owner, ShareLock);
		(void)gs_plan_run_latest(
			&find_groups,
			(Datum[]){owner, gs_trigger_field(data, rows[i], "id"), gs_trigger_field(data, rows[i], "all_groups")}, 1);
		note_all(gs_result_array(0, 1));
	}
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* On share_group. What is listed for a share that is not stored yet is noted when it is. */
Datum gs_page_of_share_group(PG_FUNCTION_ARGS)
{
	TriggerData *data = gs_trigger_data(fcinfo);
	HeapTuple rows[2];
	int count = rows_of(data, rows);

	gs_plan_open();
	for (int i = 0; i < count; i++) {
		Datum share = gs_trigger_field(data, rows[i], "share_id");
		bool goes = TRIGGER_FIRED_BY_DELETE(data->tg_event) || i < count - 1;

		if (goes || (gs_plan_run(&lock_share, &share, NULL, 1) > 0 && gs_result_bool(0, 1)))
			note(gs_trigger_field(data, rows[i], "group_id"));
	}
	gs_plan_close();
	return PointerGetDatum(NULL);
}

/* What may be on each page. */
Datum gs_page_of_all(PG_FUNCTION_ARGS)
{
	static pg_uuid_t nil;

	gs_plan_open();
	note(UUIDPGetDatum(&nil));
	gs_plan_close();
	return PointerGetDatum(NULL);
}
