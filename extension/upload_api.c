/* SPDX-License-Identifier: PostgreSQL */
/*
 * The two doors to the upload notice: api_upload for the gateway, upload_notice for DBAs and tests. Here arguments are
 * read and answers written; upload.c decides.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "body.h"
#include "catalog.h"
#include "errcodes.h"
#include "names.h"
#include "plan.h"
#include "reply.h"
#include "upload.h"

static const char *const no_params[] = {NULL};
static const char *const upload_body[] = {"name", "size", "groups", "sha256", "avoid", NULL};

static ArrayType *text_array(char **texts, int count)
{
	Datum *values = palloc(sizeof(*values) * Max(count, 1));

	for (int i = 0; i < count; i++)
		values[i] = CStringGetTextDatum(texts[i]);
	return construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* A list without a group would make a share that nobody can ever see. */
static void check_notice(const GsNotice *notice)
{
	if (!gs_name_share_valid(notice->name, strlen(notice->name)))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("name is no valid share name"),
						errhint("1 to 255 bytes of normalised UTF-8 without control characters and slashes.")));
	if (notice->size < 0 || notice->size > GS_SHARE_MAX_BYTES)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
						errmsg("size must be between 0 and %lld", (long long)GS_SHARE_MAX_BYTES)));
	if (notice->groups != NULL && (notice->group_count < 1 || notice->group_count > GS_UPLOAD_MAX_GROUPS))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
						errmsg("groups must name between 1 and %d groups", GS_UPLOAD_MAX_GROUPS),
						errhint("Without groups, the share is for all groups of the terminal.")));
	if (notice->sha256 != NULL && VARSIZE_ANY_EXHDR(notice->sha256) != 32)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("sha256 must have 32 bytes")));
}

static Jsonb *upload_reply(const GsUpload *upload)
{
	GsReply reply;

	gs_reply_begin(&reply);
	gs_reply_uuid(&reply, "share", &upload->share);
	gs_reply_text(&reply, "state", upload->stored ? "stored" : "pending");
	gs_reply_text(&reply, "device", upload->device_name);
	if (!upload->stored) {
		gs_reply_uuid(&reply, "object", &upload->object);
		gs_reply_text(&reply, "url", upload->designation.url);
		gs_reply_text(&reply, "ticket", upload->designation.ticket);
		gs_reply_time(&reply, "expires_at", upload->designation.expires_at);
		gs_reply_time(&reply, "reservation_expires_at", upload->reservation_expires_at);
	}
	return gs_reply_end(&reply);
}

PG_FUNCTION_INFO_V1(gs_api_upload);
Datum gs_api_upload(PG_FUNCTION_ARGS)
{
	GsRequest *request = gs_request_begin(fcinfo, true, no_params, upload_body);
	GsNotice notice = {0};
	GsUpload upload;
	char **avoid;
	int avoid_count = 0;

	notice.name = gs_body_share_name(request->body, "name", true);
	gs_body_int64(request->body, "size", true, 0, GS_SHARE_MAX_BYTES, &notice.size);
	notice.sha256 = gs_body_sha256(request->body, "sha256", false);
	notice.groups = gs_body_uuids(request->body, "groups", false, GS_UPLOAD_MAX_GROUPS, &notice.group_count);
	avoid = gs_body_texts(request->body, "avoid", false, GS_UPLOAD_MAX_AVOID, &avoid_count);
	notice.avoid = text_array(avoid, avoid_count);
	check_notice(&notice);
	upload = gs_upload_notice(request, &notice);
	return gs_request_reply(fcinfo, upload.stored ? 200 : 201, upload_reply(&upload), NULL);
}

static void read_groups(ArrayType *array, GsNotice *notice)
{
	Datum *groups;
	bool *nulls;

	deconstruct_array(array, UUIDOID, sizeof(pg_uuid_t), false, TYPALIGN_CHAR, &groups, &nulls, &notice->group_count);
	notice->groups = palloc(sizeof(*notice->groups) * Max(notice->group_count, 1));
	for (int i = 0; i < notice->group_count; i++) {
		if (nulls[i])
			ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("groups must not hold NULL")));
		notice->groups[i] = *DatumGetUUIDP(groups[i]);
	}
}

enum { ARG_TERMINAL, ARG_NAME, ARG_SIZE, ARG_SHA256, ARG_GROUPS, ARG_AVOID };
enum { OUT_SHARE, OUT_OBJECT, OUT_STATE, OUT_DEVICE, OUT_URL, OUT_TICKET, OUT_EXPIRES, OUT_RESERVED, OUT_COLUMNS };

static Datum upload_row(FunctionCallInfo fcinfo, const GsUpload *upload)
{
	Datum values[OUT_COLUMNS] = {0};
	bool nulls[OUT_COLUMNS] = {0};
	static GsAnswer answer;

	values[OUT_SHARE] = UUIDPGetDatum(&upload->share);
	values[OUT_STATE] = CStringGetTextDatum(upload->stored ? "stored" : "pending");
	nulls[OUT_DEVICE] = upload->device_name == NULL;
	if (upload->device_name != NULL)
		values[OUT_DEVICE] = CStringGetTextDatum(upload->device_name);
	nulls[OUT_OBJECT] = nulls[OUT_URL] = nulls[OUT_TICKET] = nulls[OUT_EXPIRES] = nulls[OUT_RESERVED] = upload->stored;
	if (!upload->stored) {
		values[OUT_OBJECT] = UUIDPGetDatum(&upload->object);
		values[OUT_URL] = CStringGetTextDatum(upload->designation.url);
		values[OUT_TICKET] = CStringGetTextDatum(upload->designation.ticket);
		values[OUT_EXPIRES] = TimestampTzGetDatum(upload->designation.expires_at);
		values[OUT_RESERVED] = TimestampTzGetDatum(upload->reservation_expires_at);
	}
	return HeapTupleGetDatum(heap_form_tuple(gs_catalog_answer(fcinfo, &answer), values, nulls));
}

PG_FUNCTION_INFO_V1(gs_upload_notice_sql);
/* upload_notice(terminal, name, size, sha256, groups, avoid) */
Datum gs_upload_notice_sql(PG_FUNCTION_ARGS)
{
	GsNotice notice = {0};
	GsUpload upload;

	if (PG_ARGISNULL(ARG_TERMINAL) || PG_ARGISNULL(ARG_NAME) || PG_ARGISNULL(ARG_SIZE))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("terminal, name and size must not be null")));
	notice.name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_NAME));
	notice.size = PG_GETARG_INT64(ARG_SIZE);
	notice.sha256 = PG_ARGISNULL(ARG_SHA256) ? NULL : PG_GETARG_BYTEA_PP(ARG_SHA256);
	if (!PG_ARGISNULL(ARG_GROUPS))
		read_groups(PG_GETARG_ARRAYTYPE_P(ARG_GROUPS), &notice);
	notice.avoid = PG_ARGISNULL(ARG_AVOID) ? text_array(NULL, 0) : PG_GETARG_ARRAYTYPE_P(ARG_AVOID);
	if (array_contains_nulls(notice.avoid))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("avoid must not hold NULL")));
	check_notice(&notice);
	gs_plan_open();
	upload = gs_upload_notice(gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(ARG_TERMINAL))), &notice);
	gs_plan_close();
	return upload_row(fcinfo, &upload);
}
