/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where a gateway's request enters and leaves the extension. Invariant: the session is checked before anything of
 * parameters or body is looked at, so that a stranger learns nothing from the order of complaints.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "body.h"
#include "catalog.h"
#include "errcodes.h"
#include "lookup.h"
#include "names.h"
#include "plan.h"
#include "reply.h"
#include "row_keys.h"
#include "request.h"
#include "session.h"

enum { ARG_SESSION, ARG_PEER, ARG_REQUEST_ID, ARG_PARAMS, ARG_BODY };
enum { OUT_STATUS, OUT_REPLY, OUT_ETAG, OUT_COLUMNS };

static GsPlan find_self = {
	"SELECT s.id, s.name FROM groupshare.self f JOIN groupshare.server s ON s.id = f.server_id",
	{InvalidOid},
};

enum {
	TERMINAL_ID = 1,
	TERMINAL_HOME,
	TERMINAL_IDENTIFIER,
	TERMINAL_PLAN,
	TERMINAL_LOCATION,
	TERMINAL_EPOCH,
	TERMINAL_REVOKED,
	TERMINAL_LATITUDE,
	TERMINAL_LONGITUDE
};
static GsLookup terminal_lookup = {
	.table = "terminal",
	.index = "terminal_identifier_key",
	.columns = {"id", "home", "identifier", "plan", "location", "epoch", "revoked_at", "latitude", "longitude"},
};

enum { PLAN_SHARING = 1, PLAN_RATE, PLAN_MAX_OBJECT, PLAN_QUOTA, PLAN_MAX_SHARES, PLAN_FREE_HELD };
static GsLookup plan_lookup = {
	.table = "plan",
	.index = "plan_pkey",
	.columns = {"sharing", "transfer_rate_bytes", "max_object_bytes", "quota_bytes", "max_shares", "free_held_bytes"},
};

static Jsonb *empty_object(void)
{
	GsReply reply;

	gs_reply_begin(&reply);
	return gs_reply_end(&reply);
}

GsRequest *gs_request_begin(FunctionCallInfo fcinfo, bool session, const char *const *known_params,
							const char *const *known_body)
{
	GsRequest *request = palloc0(sizeof(*request));

	gs_plan_open();
	if (session) {
		if (PG_ARGISNULL(ARG_SESSION))
			ereport(ERROR, (errcode(GS_ERR_SESSION_INVALID), errmsg("a session is needed"), errhint("Connect first.")));
		request->terminal = gs_session_verify(text_to_cstring(PG_GETARG_TEXT_PP(ARG_SESSION)));
	}
	if (!PG_ARGISNULL(ARG_PEER))
		request->peer = PG_GETARG_INET_PP(ARG_PEER);
	if (!PG_ARGISNULL(ARG_REQUEST_ID))
		request->request_id = text_to_cstring(PG_GETARG_TEXT_PP(ARG_REQUEST_ID));
	request->params = PG_ARGISNULL(ARG_PARAMS) ? empty_object() : PG_GETARG_JSONB_P(ARG_PARAMS);
	request->body = PG_ARGISNULL(ARG_BODY) ? NULL : PG_GETARG_JSONB_P(ARG_BODY);
	gs_body_check(request->params, true, known_params);
	gs_body_check(request->body, false, known_body);
	return request;
}

Datum gs_request_reply(FunctionCallInfo fcinfo, int status, Jsonb *reply, const char *etag)
{
	Datum values[OUT_COLUMNS] = {0};
	bool nulls[OUT_COLUMNS] = {false};
	static GsAnswer answer;

	gs_plan_close();
	values[OUT_STATUS] = Int32GetDatum(status);
	if (reply != NULL)
		values[OUT_REPLY] = JsonbPGetDatum(reply);
	if (etag != NULL)
		values[OUT_ETAG] = CStringGetTextDatum(etag);
	nulls[OUT_REPLY] = reply == NULL;
	nulls[OUT_ETAG] = etag == NULL;
	return HeapTupleGetDatum(heap_form_tuple(gs_catalog_answer(fcinfo, &answer), values, nulls));
}

/* A quoted half of the reply's SHA-256: equal replies have equal tags, on each server. */
char *gs_request_etag(Jsonb *reply)
{
	char *text = JsonbToCString(NULL, &reply->root, VARSIZE(reply));
	uint8 digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	char *etag = palloc(PG_SHA256_DIGEST_LENGTH + 3);
	int used = 0;

	if (context == NULL || pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (uint8 *)text, strlen(text)) < 0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256");
	pg_cryptohash_free(context);
	etag[used++] = '"';
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH / 2; i++)
		used += snprintf(etag + used, 3, "%02x", digest[i]);
	strcpy(etag + used, "\"");
	return etag;
}

Datum gs_request_reply_tagged(FunctionCallInfo fcinfo, const GsRequest *request, Jsonb *reply, const char *etag)
{
	char *known = gs_body_text(request->params, "if_none_match", false);

	if (known != NULL && strcmp(known, etag) == 0)
		return gs_request_reply(fcinfo, 304, NULL, etag);
	return gs_request_reply(fcinfo, 200, reply, etag);
}

GsSelf *gs_request_self(void)
{
	GsSelf *self = palloc(sizeof(*self));

	if (gs_plan_run(&find_self, NULL, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_SET_UP), errmsg("this database is not set up as a control server"),
						errhint("Run SELECT groupshare.setup_server().")));
	self->id = *gs_result_uuid(0, 1);
	self->name = gs_result_text(0, 2);
	return self;
}

static int64 limit(int col)
{
	return gs_result_isnull(0, col) ? PG_INT64_MAX : gs_result_int64(0, col);
}

GsTerminal *gs_request_terminal(int col)
{
	GsTerminal *terminal = palloc(sizeof(*terminal));

	terminal->id = *gs_result_uuid(0, col);
	terminal->home = *gs_result_uuid(0, col + 1);
	terminal->identifier = gs_result_text(0, col + 2);
	terminal->plan = gs_result_text(0, col + 3);
	terminal->location = gs_result_text(0, col + 4);
	terminal->epoch = (int32)gs_result_int64(0, col + 5);
	terminal->has_point = gs_result_bool(0, col + 6);
	terminal->latitude = gs_result_float8(0, col + 7);
	terminal->longitude = gs_result_float8(0, col + 8);
	terminal->transfer_rate = gs_result_int64(0, col + 9);
	terminal->max_object = limit(col + 10);
	terminal->quota = limit(col + 11);
	terminal->max_shares = limit(col + 12);
	terminal->counts_held = gs_result_bool(0, col + 13);
	return terminal;
}

/* NULL: there is none. */
static GsTerminal *find_terminal(const char *identifier, bool *revoked)
{
	const GsKey key = GS_KEY_TEXT(1, CStringGetTextDatum(identifier));
	GsTerminal *terminal = NULL;
	GsCursor cursor;

	if (gs_lookup_one(&cursor, &terminal_lookup, &key, 1)) {
		terminal = palloc(sizeof(*terminal));
		terminal->id = gs_lookup_uuid(&cursor, TERMINAL_ID);
		terminal->home = gs_lookup_uuid(&cursor, TERMINAL_HOME);
		terminal->identifier = gs_lookup_text(&cursor, TERMINAL_IDENTIFIER);
		terminal->plan = gs_lookup_text(&cursor, TERMINAL_PLAN);
		terminal->location = gs_lookup_text(&cursor, TERMINAL_LOCATION);
		terminal->epoch = gs_lookup_int32(&cursor, TERMINAL_EPOCH, 0);
		terminal->has_point = !gs_lookup_isnull(&cursor, TERMINAL_LATITUDE);
		terminal->latitude = gs_lookup_float8(&cursor, TERMINAL_LATITUDE, 0);
		terminal->longitude = gs_lookup_float8(&cursor, TERMINAL_LONGITUDE, 0);
		*revoked = !gs_lookup_isnull(&cursor, TERMINAL_REVOKED);
		gs_references_note(RelationGetRelid(cursor.table), &cursor.row->tts_tid);
	}
	gs_lookup_close(&cursor);
	return terminal;
}

/* What the terminal's plan says of it; false: it has no sharing. */
static bool read_plan(GsTerminal *terminal)
{
	const GsKey key = GS_KEY_TEXT(1, CStringGetTextDatum(terminal->plan));
	static ItemPointerData at; /* mostly the same plan as the last time */
	GsCursor cursor;
	bool sharing = gs_lookup_one_at(&cursor, &plan_lookup, &key, &at) && gs_lookup_bool(&cursor, PLAN_SHARING);

	if (sharing) {
		terminal->transfer_rate = gs_lookup_int64(&cursor, PLAN_RATE, 0);
		terminal->max_object = gs_lookup_int64(&cursor, PLAN_MAX_OBJECT, PG_INT64_MAX);
		terminal->quota = gs_lookup_int64(&cursor, PLAN_QUOTA, PG_INT64_MAX);
		terminal->max_shares =
			gs_lookup_isnull(&cursor, PLAN_MAX_SHARES) ? PG_INT64_MAX : gs_lookup_int32(&cursor, PLAN_MAX_SHARES, 0);
		terminal->counts_held = !gs_lookup_isnull(&cursor, PLAN_FREE_HELD);
	}
	gs_lookup_close(&cursor);
	return sharing;
}

GsRequest *gs_request_for(const char *identifier)
{
	GsRequest *request = palloc0(sizeof(*request));
	char *kept = gs_name_identifier(identifier, strlen(identifier));
	bool revoked = false;

	if (kept != NULL)
		request->terminal = find_terminal(kept, &revoked);
	if (request->terminal == NULL)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no terminal \"%s\"", identifier),
						errhint("Add it by groupshare.add_terminal().")));
	if (revoked || !read_plan(request->terminal))
		ereport(ERROR, (errcode(GS_ERR_SESSION_INVALID),
						errmsg("terminal \"%s\" is revoked or has no permission", identifier)));
	request->params = empty_object();
	return request;
}
