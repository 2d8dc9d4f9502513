/* SPDX-License-Identifier: PostgreSQL */
/*
 * A ticket is signed with a key that the device has certainly been told: one made no later than its last report. A key
 * younger than that waits for the next report, and until then the one before it signs on; the device takes a retired
 * key as long as a ticket signed with it may live (device.c hands out the keys).
 *
 * Takes no lock.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"

#include "errcodes.h"
#include "plan.h"
#include "reply.h"
#include "session.h"
#include "settings.h"
#include "ticket.h"
#include "ticketing.h"

/* A NULL kid: no key that the device knows. Times in whole seconds: the ticket says no fraction. */
static GsPlan key_plan = {
	.sql = "SELECT f.server_id, l.url, k.kid, k.key, gen_random_uuid(),"
		   "       floor(extract(epoch FROM now()))::bigint,"
		   "       date_trunc('second', now()) + $2 * interval '1 second',"
		   "       coalesce((SELECT p.transfer_rate_bytes FROM groupshare.terminal t"
		   "         JOIN groupshare.plan p ON p.name = t.plan WHERE t.id = $4), 0)"
		   " FROM groupshare.self f, groupshare.device d JOIN groupshare.device_ledger l ON l.device_id = d.id"
		   "   LEFT JOIN LATERAL (SELECT k.kid, k.key FROM groupshare.device_key k"
		   "     WHERE k.device_id = d.id AND k.created_at <= l.reported_at"
		   "       AND (k.retired_at IS NULL OR k.retired_at > now() - $2 * interval '1 second')"
		   "     ORDER BY k.retired_at DESC NULLS FIRST LIMIT 1) k ON true"
		   " WHERE f.only_row AND d.id = $1 AND d.state <> 'decommissioned' AND l.epoch IS NOT NULL"
		   "   AND l.reported_at >= now() - $3 * l.report_interval_ms * interval '1 millisecond'",
	.types = {UUIDOID, INT4OID, INT8OID, UUIDOID},
	.by_key = true,
};

static json_int_t unix_s(TimestampTz time)
{
	return time / USECS_PER_SEC + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (json_int_t)SECS_PER_DAY;
}

static json_t *make_claims(const GsTicketScope *scope, const char *server, const char *jti, int64 now_s, int64 rate)
{
	json_t *methods, *until, *pace;
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
	pace = rate > 0 ? json_integer((json_int_t)rate) : NULL;
	/* "o" takes over what it is given, also when packing fails; "s*" and "o*" leave a NULL out. */
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:s*, s:s*, s:o*, s:o*, s:I, s:I, s:s}", "iss", server, "aud",
					 device, "obj", object, "sub", terminal, "met", methods, "size", (json_int_t)scope->size, "sha256",
					 sha256, "name", scope->upload ? NULL : scope->name, "until", until, "rate", pace, "iat",
					 (json_int_t)now_s, "exp", (json_int_t)(now_s + gs_ticket_lifetime_s), "jti", jti);
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
	Datum values[] = {UUIDPGetDatum(scope->device), Int32GetDatum(gs_ticket_lifetime_s),
					  Int64GetDatum(gs_device_silent_intervals), UUIDPGetDatum(scope->terminal)};
	int64 now_s, rate;
	char *server, *kid, *jti;
	bytea *key;

	if (gs_plan_run(&key_plan, values, NULL, 1) == 0 || gs_result_isnull(0, 3))
		return false;
	server = gs_reply_uuid_text(gs_result_uuid(0, 1));
	designation->url = psprintf("%s/v1/objects/%s", gs_result_text(0, 2), gs_reply_uuid_text(scope->object));
	designation->expires_at = gs_result_timestamp(0, 7);
	kid = gs_result_text(0, 3);
	key = gs_result_bytea(0, 4);
	jti = gs_reply_uuid_text(gs_result_uuid(0, 5));
	now_s = gs_result_int64(0, 6);
	rate = gs_result_int64(0, 8);
	/* Made last: nothing raises between the making of the claims and the signer, which frees them. */
	designation->ticket = gs_session_sign("gs-ticket", kid, key, make_claims(scope, server, jti, now_s, rate));
	return true;
}
