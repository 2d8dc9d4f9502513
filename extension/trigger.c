/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reading a trigger's event. Columns are found by name, so that a table may gain columns.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "trigger.h"

TriggerData *gs_trigger_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called as a trigger");
	return (TriggerData *)fcinfo->context;
}

HeapTuple gs_trigger_row(const TriggerData *data)
{
	return TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
}

Datum gs_trigger_field(const TriggerData *data, HeapTuple row, const char *name)
{
	AttrNumber number = get_attnum(RelationGetRelid(data->tg_relation), name);
	bool isnull = true;
	Datum value = (Datum)0;

	if (number != InvalidAttrNumber)
		value = heap_getattr(row, number, RelationGetDescr(data->tg_relation), &isnull);
	if (isnull)
		elog(ERROR, "no value in column \"%s\" of the trigger's row", name);
	return value;
}

HeapTuple gs_trigger_now(const TriggerData *data, const char *name)
{
	int number = get_attnum(RelationGetRelid(data->tg_relation), name);
	TimestampTz before = DatumGetTimestampTz(gs_trigger_field(data, data->tg_trigtuple, name));
	Datum now = TimestampTzGetDatum(Max(before, GetCurrentTimestamp()));
	bool isnull = false;

	return heap_modify_tuple_by_cols(data->tg_newtuple, RelationGetDescr(data->tg_relation), 1, &number, &now, &isnull);
}
