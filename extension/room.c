/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is available on a device, and the class of its room, which the search's index is ordered by (candidates.c). A
 * trigger in front of every write to device_ledger sets both, so they also follow a DBA's own UPDATE. Only when the
 * class changes do the rows of device_area follow, by the trigger follow_room; the column stands in no index of the
 * ledger, so ledger updates stay HOT.
 *
 * Invariant: the class is never too low for the settings and the time at which the row was written. It may be too high
 * (by gs_choice_next_class, or because the device has gone silent since): the search checks each device itself. It may
 * be too low only after groupshare.device_headroom, device_high_water_percent or device_silent_intervals were changed
 * in the device's favour, until the device's next report.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/timestamp.h"

#include "choice.h"
#include "ledger.h"
#include "settings.h"

typedef struct Row {
	HeapTuple tuple;
	TupleDesc desc;
} Row;

static int column_number(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i + 1;
	elog(ERROR, "device_ledger has no column %s", name);
}

static Datum column(const Row *row, const char *name, bool *isnull)
{
	return heap_getattr(row->tuple, column_number(row->desc, name), row->desc, isnull);
}

/* For columns that hold no NULL, and where it means `otherwise`. */
static int64 number(const Row *row, const char *name, int64 otherwise)
{
	bool isnull;
	Datum value = column(row, name, &isnull);

	return isnull ? otherwise : DatumGetInt64(value);
}

static int32 small_number(const Row *row, const char *name, int32 otherwise)
{
	bool isnull;
	Datum value = column(row, name, &isnull);

	return isnull ? otherwise : DatumGetInt32(value);
}

static bool flag(const Row *row, const char *name)
{
	bool isnull;

	return DatumGetBool(column(row, name, &isnull));
}

static bool reports(const Row *row)
{
	bool unannounced;
	bool unreported;
	TimestampTz reported_at = DatumGetTimestampTz(column(row, "reported_at", &unreported));
	int64 patience_ms;

	(void)column(row, "epoch", &unannounced);
	if (unannounced || unreported)
		return !unannounced;
	patience_ms = (int64)small_number(row, "report_interval_ms", 0) * gs_device_silent_intervals;
	return reported_at >= GetCurrentTransactionStartTimestamp() - patience_ms * 1000;
}

/* free less what is promised and has not arrived, and no more than the DBA's limit leaves (ledger.c). */
static int64 available_bytes(const Row *row)
{
	int64 reserved = number(row, "reserved_bytes", 0);
	int64 promised = reserved + number(row, "settled_bytes", 0) - number(row, "staged_bytes", 0);
	int64 said = number(row, "free_bytes", 0) - Max(promised, 0);
	int64 allowed = number(row, "capacity_limit_bytes", PG_INT64_MAX) - number(row, "held_bytes", 0) - reserved;

	return Min(said, allowed);
}

/* The largest size that the device would take, plus one; 0 when it takes none. */
static int64 room_bytes(const Row *row, int64 available)
{
	int64 capacity = Min(number(row, "capacity_bytes", 0), number(row, "capacity_limit_bytes", PG_INT64_MAX));
	int32 high_water = small_number(row, "high_water_percent", gs_device_high_water_percent);

	if (!flag(row, "active") || flag(row, "read_only") || !reports(row))
		return 0;
	if ((double)(capacity - available) * 100 > (double)capacity * high_water)
		return 0;
	return available - number(row, "headroom_bytes", (int64)gs_device_headroom_mb * 1024 * 1024);
}

PG_FUNCTION_INFO_V1(gs_classify_room);
Datum gs_classify_room(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *)fcinfo->context;
	Datum values[2];
	bool nulls[2] = {false, false};
	int at[2];
	int64 available;
	Row row;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event))
		elog(ERROR, "classify_room must be called before a row is written");
	gs_ledger_note_held();
	row.tuple = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
	row.desc = RelationGetDescr(data->tg_relation);
	available = available_bytes(&row);
	values[0] = Int64GetDatum(available);
	values[1] = Int32GetDatum(
		gs_choice_next_class(small_number(&row, "room_class", GS_CHOICE_CLOSED), room_bytes(&row, available)));
	at[0] = column_number(row.desc, "available_bytes");
	at[1] = column_number(row.desc, "room_class");
	return PointerGetDatum(heap_modify_tuple_by_cols(row.tuple, row.desc, lengthof(at), at, values, nulls));
}
