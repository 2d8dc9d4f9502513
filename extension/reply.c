/* SPDX-License-Identifier: PostgreSQL */
/*
 * A thin builder over jsonb's own, with the wire forms of doc/contracts.md section 1 in one place.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "reply.h"

PG_FUNCTION_INFO_V1(gs_wire_time);

static void push(GsReply *reply, JsonbIteratorToken token, const char *text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	(void)pushJsonbValue(&reply->state, token, &value);
}

void gs_reply_begin(GsReply *reply)
{
	reply->state = NULL;
	(void)pushJsonbValue(&reply->state, WJB_BEGIN_OBJECT, NULL);
}

static void push_null(GsReply *reply)
{
	JsonbValue value = {.type = jbvNull};

	(void)pushJsonbValue(&reply->state, WJB_VALUE, &value);
}

void gs_reply_text(GsReply *reply, const char *name, const char *value)
{
	push(reply, WJB_KEY, name);
	if (value == NULL)
		push_null(reply);
	else
		push(reply, WJB_VALUE, value);
}

void gs_reply_uuid(GsReply *reply, const char *name, const pg_uuid_t *value)
{
	gs_reply_text(reply, name, value == NULL ? NULL : gs_reply_uuid_text(value));
}

static void push_number(GsReply *reply, const char *name, Numeric value)
{
	JsonbValue number = {.type = jbvNumeric};

	number.val.numeric = value;
	push(reply, WJB_KEY, name);
	(void)pushJsonbValue(&reply->state, WJB_VALUE, &number);
}

void gs_reply_int64(GsReply *reply, const char *name, int64 value)
{
	push_number(reply, name, int64_to_numeric(value));
}

void gs_reply_bool(GsReply *reply, const char *name, bool value)
{
	JsonbValue boolean = {.type = jbvBool};

	boolean.val.boolean = value;
	push(reply, WJB_KEY, name);
	(void)pushJsonbValue(&reply->state, WJB_VALUE, &boolean);
}

void gs_reply_time(GsReply *reply, const char *name, TimestampTz value)
{
	gs_reply_text(reply, name, gs_reply_time_text(value));
}

void gs_reply_jsonb(GsReply *reply, const char *name, Jsonb *value)
{
	JsonbValue binary = {.type = jbvBinary};

	if (value == NULL) {
		gs_reply_text(reply, name, NULL);
		return;
	}
	binary.val.binary.data = &value->root;
	binary.val.binary.len = VARSIZE(value) - VARHDRSZ;
	push(reply, WJB_KEY, name);
	(void)pushJsonbValue(&reply->state, WJB_VALUE, &binary);
}

void gs_reply_list(GsReply *reply, const char *name, Jsonb *const *values, int count)
{
	push(reply, WJB_KEY, name);
	(void)pushJsonbValue(&reply->state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++) {
		JsonbValue binary = {.type = jbvBinary};

		binary.val.binary.data = &values[i]->root;
		binary.val.binary.len = VARSIZE(values[i]) - VARHDRSZ;
		(void)pushJsonbValue(&reply->state, WJB_ELEM, &binary);
	}
	(void)pushJsonbValue(&reply->state, WJB_END_ARRAY, NULL);
}

Jsonb *gs_reply_end(GsReply *reply)
{
	JsonbValue *object = pushJsonbValue(&reply->state, WJB_END_OBJECT, NULL);

	return JsonbValueToJsonb(object);
}

char *gs_reply_uuid_text(const pg_uuid_t *value)
{
	static const char hex[] = "0123456789abcdef";
	char *text = palloc(UUID_LEN * 2 + 5);
	char *out = text;

	for (int i = 0; i < UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[value->data[i] >> 4];
		*out++ = hex[value->data[i] & 15];
	}
	*out = '\0';
	return text;
}

char *gs_reply_time_text(TimestampTz value)
{
	struct pg_tm tm;
	fsec_t fraction;

	if (TIMESTAMP_NOT_FINITE(value) || timestamp2tm(value, NULL, &tm, &fraction, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min,
					tm.tm_sec, (int)fraction);
}

Datum gs_wire_time(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(gs_reply_time_text(PG_GETARG_TIMESTAMPTZ(0))));
}
