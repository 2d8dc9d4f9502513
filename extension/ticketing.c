/* SPDX-License-Identifier: PostgreSQL */
/*
 * A ticket is signed with a key that the device has certainly been told: one made no later than its last report. A key
 * younger than that waits for the next report, and until then the one before it signs on; the device takes a retired
 * key as long as a ticket signed with it may live (device.c hands out the keys).
 *
 * Takes no lock.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "errcodes.h"
#include "ids.h"
#include "lookup.h"
#include "plan.h"
#include "reply.h"
#include "session.h"
#include "settings.h"
#include "standing.h"
#include "ticket.h"
#include "ticketing.h"

static GsLookup self_lookup = {.table = "self", .index = "self_pkey", .columns = {"server_id"}};

enum { LEDGER_URL = 1, LEDGER_EPOCH, LEDGER_REPORTED_AT, LEDGER_INTERVAL };
static GsLookup ledger_lookup = {
	.table = "device_ledger",
	.index = "device_ledger_pkey",
	.columns = {"url", "epoch", "reported_at", "report_interval_ms"},
};

enum { KEY_KID = 1, KEY_KEY, KEY_CREATED_AT, KEY_RETIRED_AT };
static GsLookup key_lookup = {
	.table = "device_key",
	.index = "device_key_device",
	.columns = {"kid", "key", "created_at", "retired_at"},
};

/* What a ticket is made of. */
typedef struct Signer {
	pg_uuid_t server;
	char *url;
	TimestampTz reported_at;
	char *kid;
	bytea *key;
} Signer;

static pg_uuid_t this_server(void)
{
	static ItemPointerData at;
	const GsKey key = GS_KEY_TRUE(1);
	GsCursor cursor;
	pg_uuid_t server;

	if (!gs_lookup_one_at(&cursor, &self_lookup, &key, &at))
		elog(ERROR, "the row of groupshare.self is missing");
	server = gs_lookup_uuid(&cursor, 1);
	gs_lookup_close(&cursor);
	return server;
}

/* Does the device take tickets: does it report? One that is decommissioned has no epoch (check_decommission). */
static bool find_device(const pg_uuid_t *device, Signer *signer)
{
	const GsKey key = GS_KEY_UUID(1, device);
	GsCursor cursor;
	bool serves = gs_lookup_one_at(&cursor, &ledger_lookup, &key, gs_standing_place(device)) &&
				  !gs_lookup_isnull(&cursor, LEDGER_EPOCH) && !gs_lookup_isnull(&cursor, LEDGER_REPORTED_AT);

	if (serves) {
		int64 patience_us = (int64)gs_lookup_int32(&cursor, LEDGER_INTERVAL, 0) * gs_device_silent_intervals * 1000;

		signer->url = gs_lookup_text(&cursor, LEDGER_URL);
		signer->reported_at = gs_lookup_timestamp(&cursor, LEDGER_REPORTED_AT, 0);
		serves = signer->reported_at >= GetCurrentTransactionStartTimestamp() - patience_us;
	}
	gs_lookup_close(&cursor);
	return serves;
}

/* The current key if the device has been told it, else the one that was retired last; false: none that it knows. */
static bool find_key(const pg_uuid_t *device, Signer *signer)
{
	const TimestampTz oldest = GetCurrentTransactionStartTimestamp() - gs_ticket_lifetime_s * USECS_PER_SEC;
	const GsKey key = GS_KEY_UUID(1, device);
	TimestampTz best = oldest;
	GsCursor cursor;

	signer->kid = NULL;
	gs_lookup_open(&cursor, &key_lookup);
	gs_plan_freeze();
	gs_lookup_find(&cursor, &key, 1);
	while (gs_lookup_next(&cursor)) {
		TimestampTz retired_at = gs_lookup_timestamp(&cursor, KEY_RETIRED_AT, DT_NOEND);

		if (retired_at <= best || gs_lookup_timestamp(&cursor, KEY_CREATED_AT, DT_NOEND) > signer->reported_at)
			continue;
		best = retired_at;
		signer->kid = gs_lookup_text(&cursor, KEY_KID);
		signer->key = gs_lookup_bytea(&cursor, KEY_KEY);
	}
	gs_lookup_close(&cursor);
	gs_plan_thaw();
	return signer->kid != NULL;
}

static json_int_t unix_s(TimestampTz time)
{
	return time / USECS_PER_SEC + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (json_int_t)SECS_PER_DAY;
}

static json_t *make_claims(const GsTicketScope *scope, const char *server, const char *jti, int64 now_s)
{
	const size_t members = 9 + (scope->sha256 != NULL) + (scope->name != NULL) + scope->upload + (scope->rate > 0);
	json_t *claims, *methods, *until, *pace;
	char *device = gs_reply_uuid_text(scope->device);
	char *object = gs_reply_uuid_text(scope->object);
	char *terminal = gs_reply_uuid_text(scope->terminal);
	char *sha256 = NULL;

	if (scope->sha256 != NULL) {
		int size = VARSIZE_ANY_EXHDR(scope->sha256);

		sha256 = palloc(2 * size + 1);
		sha256[hex_encode(VARDATA_ANY(scope->sha256), size, sha256)] = '\0';
	}
	methods =
		scope->upload ? json_pack("[s,s,s,s]", "PUT", "PATCH", "HEAD", "DELETE") : json_pack("[s,s]", "GET", "HEAD");
	until = scope->upload ? json_integer(unix_s(scope->until)) : NULL;
	pace = scope->rate > 0 ? json_integer((json_int_t)scope->rate) : NULL;
	/* "o" takes over what it is given, also when packing fails; "s*" and "o*" leave a NULL out. */
	claims = json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:s*, s:s*, s:o*, s:o*, s:I, s:I, s:s}", "iss", server, "aud",
					   device, "obj", object, "sub", terminal, "met", methods, "size", (json_int_t)scope->size,
					   "sha256", sha256, "name", scope->name, "until", until, "rate", pace, "iat", (json_int_t)now_s,
					   "exp", (json_int_t)(now_s + gs_ticket_lifetime_s), "jti", jti);
	/* Also what there was no memory for: a ticket without its digest or its rate would allow too much. */
	if (json_object_size(claims) == members)
		return claims;
	json_decref(claims);
	return NULL;
}

GsDesignation gs_ticketing_issue(const GsTicketScope *scope)
{
	GsDesignation designation;

	if (!gs_ticketing_try(scope, &designation))
		ereport(ERROR, (errcode(GS_ERR_DEVICE_UNAVAILABLE), errmsg("the storage device of the share is not reachable"),
						errhint("Try again in a moment.")));
	return designation;
}

bool gs_ticketing_try(const GsTicketScope *scope, GsDesignation *designation)
{
	/* In whole seconds: the ticket says no fraction. */
	const TimestampTz now = GetCurrentTransactionStartTimestamp() / USECS_PER_SEC * USECS_PER_SEC;
	Signer signer;
	char *server, *jti;
	pg_uuid_t id;

	if (!find_device(scope->device, &signer) || !find_key(scope->device, &signer))
		return false;
	signer.server = this_server();
	server = gs_reply_uuid_text(&signer.server);
	designation->url = psprintf("%s/v1/objects/%s", signer.url, gs_reply_uuid_text(scope->object));
	designation->expires_at = now + gs_ticket_lifetime_s * USECS_PER_SEC;
	id = gs_id_new();
	jti = gs_reply_uuid_text(&id);
	/* Made last: nothing raises between the making of the claims and the signer, which frees them. */
	designation->ticket =
		gs_session_sign("gs-ticket", signer.kid, signer.key, make_claims(scope, server, jti, unix_s(now)));
	return true;
}
