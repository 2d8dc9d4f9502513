/* SPDX-License-Identifier: PostgreSQL */
/*
 * The download notice (spec rows D1-D3): which device has the share, and a ticket for it. Only reads. What a terminal
 * may not see answers as what is not there, so it is looked up and judged before anything else is said.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "access.h"
#include "body.h"
#include "catalog.h"
#include "errcodes.h"
#include "names.h"
#include "origin.h"
#include "plan.h"
#include "reply.h"
#include "settings.h"
#include "ticketing.h"

#define COPIES_MOST 4

typedef struct Copy {
	pg_uuid_t object;
	pg_uuid_t device;
	char *device_name;
	GsDesignation designation;
} Copy;

typedef struct Download {
	pg_uuid_t share;
	char *name;
	char *owner;
	int64 size;
	bytea *sha256;
	int copy_count; /* 1 at least */
	Copy copies[COPIES_MOST];
} Download;

static const char *const no_params[] = {NULL};
static const char *const download_body[] = {"owner", "name", "share", NULL};

static GsPlan find_by_name_plan = {
	.sql = "SELECT s.id FROM groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner"
		   " WHERE t.identifier = $1 AND s.name = $2 AND s.state IN ('pending', 'stored')",
	.types = {TEXTOID, TEXTOID},
};

static GsPlan own_pending_plan = {
	.sql = "SELECT 1 FROM groupshare.share s WHERE s.id = $1 AND s.owner = $2 AND s.state = 'pending'",
	.types = {UUIDOID, UUIDOID},
};

/* Those on devices that report come first, then the nearest. */
static GsPlan copies_plan = {
	.sql = "SELECT s.name, t.identifier, s.size_bytes, s.sha256, c.object, d.id, d.name"
		   " FROM groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner"
		   "   JOIN groupshare.share_copy c ON c.share_id = s.id AND c.state = 'stored'"
		   "   JOIN groupshare.device d ON d.id = c.device_id"
		   "   LEFT JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   " WHERE s.id = $1 AND s.state = 'stored'"
		   " ORDER BY coalesce(l.reported_at >= now() - $2 * l.report_interval_ms * interval '1 millisecond', false)"
		   "   DESC, groupshare.location_distance(d.location, $3), c.stored_at, c.object LIMIT $4",
	.types = {UUIDOID, INT8OID, TEXTOID, INT8OID},
};

static void raise_not_found(void)
{
	ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no such share"),
					errhint("A share that the terminal may not see looks the same.")));
}

static pg_uuid_t *find_by_name(const char *owner, const char *name)
{
	Datum values[] = {CStringGetTextDatum(owner), CStringGetTextDatum(name)};

	if (gs_plan_run(&find_by_name_plan, values, NULL, 1) == 0)
		raise_not_found();
	return gs_result_uuid(0, 1);
}

static void check_right(const GsTerminal *terminal, const pg_uuid_t *share)
{
	Datum values[] = {UUIDPGetDatum(share), UUIDPGetDatum(&terminal->id)};

	if (gs_access_share_visible(&terminal->id, share))
		return;
	if (gs_plan_run(&own_pending_plan, values, NULL, 1) > 0)
		ereport(ERROR, (errcode(GS_ERR_SHARE_PENDING), errmsg("the share is not stored yet"),
						errhint("Finish the upload first.")));
	raise_not_found();
}

static GsTicketScope scope_of(const GsRequest *request, const Download *download, const Copy *copy)
{
	return (GsTicketScope){.device = &copy->device,
						   .object = &copy->object,
						   .terminal = &request->terminal->id,
						   .size = download->size,
						   .rate = request->terminal->transfer_rate,
						   .sha256 = download->sha256,
						   .name = download->name};
}

/* Tickets for as many of the copies as are in reach; GS025 when none is. */
static void issue(const GsRequest *request, Download *download, Copy *copies, uint64 count)
{
	for (uint64 i = 0; i < count; i++) {
		GsTicketScope scope = scope_of(request, download, &copies[i]);

		if (gs_ticketing_try(&scope, &copies[i].designation))
			download->copies[download->copy_count++] = copies[i];
	}
	if (download->copy_count == 0) {
		GsTicketScope scope = scope_of(request, download, &copies[0]);

		copies[0].designation = gs_ticketing_issue(&scope);
		download->copies[download->copy_count++] = copies[0];
	}
}

static Download designate(const GsRequest *request, const pg_uuid_t *share)
{
	GsOrigin origin = gs_origin_find(request->terminal, request->peer);
	Datum values[] = {UUIDPGetDatum(share), Int64GetDatum(gs_device_silent_intervals),
					  CStringGetTextDatum(origin.location), Int64GetDatum(COPIES_MOST)};
	Download download = {.share = *share};
	Copy copies[COPIES_MOST];
	uint64 count;

	check_right(request->terminal, share);
	count = gs_plan_run(&copies_plan, values, NULL, 0);
	if (count == 0)
		ereport(ERROR, (errcode(GS_ERR_SHARE_DAMAGED), errmsg("no good copy of the share is left"),
						errhint("Its owner has been told, and can upload the same bytes again.")));
	download.name = gs_result_text(0, 1);
	download.owner = gs_result_text(0, 2);
	download.size = gs_result_int64(0, 3);
	download.sha256 = gs_result_bytea(0, 4);
	for (uint64 i = 0; i < count; i++) {
		copies[i].object = *gs_result_uuid(i, 5);
		copies[i].device = *gs_result_uuid(i, 6);
		copies[i].device_name = gs_result_text(i, 7);
	}
	issue(request, &download, copies, count);
	return download;
}

/* The copies after the first, as a JSON array. */
static Jsonb *alternates_of(const Download *download)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 1; i < download->copy_count; i++) {
		const Copy *copy = &download->copies[i];
		const char *members[][2] = {{"device", copy->device_name},
									{"url", copy->designation.url},
									{"ticket", copy->designation.ticket},
									{"expires_at", gs_reply_time_text(copy->designation.expires_at)}};

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		for (size_t m = 0; m < lengthof(members); m++)
			for (int part = 0; part < 2; part++) {
				JsonbValue text = {.type = jbvString};

				text.val.string.val = unconstify(char *, members[m][part]);
				text.val.string.len = strlen(members[m][part]);
				pushJsonbValue(&state, part == 0 ? WJB_KEY : WJB_VALUE, &text);
			}
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static char *hex_text(const bytea *bytes)
{
	int size = VARSIZE_ANY_EXHDR(bytes);
	char *hex = palloc(2 * size + 1);

	hex[hex_encode(VARDATA_ANY(bytes), size, hex)] = '\0';
	return hex;
}

PG_FUNCTION_INFO_V1(gs_api_download);
Datum gs_api_download(PG_FUNCTION_ARGS)
{
	GsRequest *request = gs_request_begin(fcinfo, true, no_params, download_body);
	pg_uuid_t *share = gs_body_uuid(request->body, "share", false);
	char *owner = gs_body_identifier(request->body, "owner", share == NULL);
	char *name = gs_body_share_name(request->body, "name", share == NULL);
	Download download;
	GsReply reply;

	if (share != NULL && (owner != NULL || name != NULL))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("a share is named by share, or by owner and name")));
	if (share == NULL)
		share = find_by_name(owner, name);
	download = designate(request, share);
	gs_reply_begin(&reply);
	gs_reply_uuid(&reply, "share", &download.share);
	gs_reply_text(&reply, "name", download.name);
	gs_reply_text(&reply, "owner", download.owner);
	gs_reply_int64(&reply, "size", download.size);
	gs_reply_text(&reply, "sha256", hex_text(download.sha256));
	gs_reply_text(&reply, "device", download.copies[0].device_name);
	gs_reply_text(&reply, "url", download.copies[0].designation.url);
	gs_reply_text(&reply, "ticket", download.copies[0].designation.ticket);
	gs_reply_time(&reply, "expires_at", download.copies[0].designation.expires_at);
	gs_reply_jsonb(&reply, "alternates", alternates_of(&download));
	return gs_request_reply(fcinfo, 200, gs_reply_end(&reply), NULL);
}

static Datum download_row(FunctionCallInfo fcinfo, const Download *download)
{
	enum { SHARE, NAME, OWNER, SIZE, SHA256, DEVICE, URL, TICKET, EXPIRES, COLUMNS };
	Datum values[COLUMNS] = {0};
	bool nulls[COLUMNS] = {0};
	static GsAnswer answer;

	values[SHARE] = UUIDPGetDatum(&download->share);
	values[NAME] = CStringGetTextDatum(download->name);
	values[OWNER] = CStringGetTextDatum(download->owner);
	values[SIZE] = Int64GetDatum(download->size);
	values[SHA256] = PointerGetDatum(download->sha256);
	values[DEVICE] = CStringGetTextDatum(download->copies[0].device_name);
	values[URL] = CStringGetTextDatum(download->copies[0].designation.url);
	values[TICKET] = CStringGetTextDatum(download->copies[0].designation.ticket);
	values[EXPIRES] = TimestampTzGetDatum(download->copies[0].designation.expires_at);
	return HeapTupleGetDatum(heap_form_tuple(gs_catalog_answer(fcinfo, &answer), values, nulls));
}

PG_FUNCTION_INFO_V1(gs_download_notice);
/* download_notice(terminal, share) */
Datum gs_download_notice(PG_FUNCTION_ARGS)
{
	Download download;

	gs_plan_open();
	download = designate(gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0))), PG_GETARG_UUID_P(1));
	gs_plan_close();
	return download_row(fcinfo, &download);
}

PG_FUNCTION_INFO_V1(gs_download_notice_by_name);
/* download_notice(terminal, owner, name) */
Datum gs_download_notice_by_name(PG_FUNCTION_ARGS)
{
	char *identifier = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *owner = gs_name_identifier(identifier, strlen(identifier));
	GsRequest *request;
	Download download;

	gs_plan_open();
	request = gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (owner == NULL)
		raise_not_found();
	download = designate(request, find_by_name(owner, text_to_cstring(PG_GETARG_TEXT_PP(2))));
	gs_plan_close();
	return download_row(fcinfo, &download);
}
