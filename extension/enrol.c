/* SPDX-License-Identifier: PostgreSQL */
/*
 * Enrolment: a terminal trades its one-time code for the right to be known by its key. Wrong terminal, wrong, used,
 * expired and worn-out code are one failure to the outside; the reason goes to the server's log at DEBUG1. A failure
 * must be counted, so the api function answers it without raising (doc/contracts.md section 3) and the count commits.
 * Locks: the terminal's row, then its code's.
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "body.h"
#include "errcodes.h"
#include "names.h"
#include "plan.h"
#include "reply.h"
#include "request.h"
#include "terminal.h"

#define FAILURES_MAX 10
#define PUBLIC_KEY_BYTES 32
#define CODE_MAX_BYTES 64

PG_FUNCTION_INFO_V1(gs_enroll);
PG_FUNCTION_INFO_V1(gs_api_enroll);

static const char failed_message[] = "enrolment failed";
static const char failed_hint[] =
	"Check the identifier and the code; a code works once, for some days, and bears few errors.";

static GsPlan find_code = {
	"SELECT t.id, c.code_sha256, c.failures < $2 AND c.expires_at > now()"
	"  FROM groupshare.terminal t JOIN groupshare.enrolment_code c ON c.terminal_id = t.id"
	" WHERE t.identifier = $1 AND t.revoked_at IS NULL FOR NO KEY UPDATE OF t FOR UPDATE OF c",
	{TEXTOID, INT4OID},
};
static GsPlan count_failure = {
	"UPDATE groupshare.enrolment_code SET failures = failures + 1 WHERE terminal_id = $1 AND failures < $2",
	{UUIDOID, INT4OID},
};
static GsPlan store_key = {
	"UPDATE groupshare.terminal SET public_key = $2, enrolled_at = now(), epoch = epoch + 1 WHERE id = $1",
	{UUIDOID, BYTEAOID},
};
static GsPlan use_code = {"DELETE FROM groupshare.enrolment_code WHERE terminal_id = $1", {UUIDOID}};

/* NULL and nothing changed but the count of failures, or the terminal's id. */
static pg_uuid_t *enrol(const char *identifier, const char *code, bytea *public_key)
{
	static const uint8 nothing[GS_CODE_SHA256_BYTES];
	uint8 given[GS_CODE_SHA256_BYTES];
	const uint8 *kept = nothing;
	pg_uuid_t *id = NULL;
	bool usable = false;
	bool same;

	if (gs_plan_run(&find_code, (Datum[]){CStringGetTextDatum(identifier), Int32GetDatum(FAILURES_MAX)}, NULL, 1) > 0) {
		id = gs_result_uuid(0, 1);
		kept = (uint8 *)VARDATA_ANY(gs_result_bytea(0, 2));
		usable = gs_result_bool(0, 3);
	}
	gs_terminal_hash_code(code, given);
	same = CRYPTO_memcmp(given, kept, sizeof(given)) == 0;
	if (id != NULL && usable && same) {
		(void)gs_plan_run(&store_key, (Datum[]){UUIDPGetDatum(id), PointerGetDatum(public_key)}, NULL, 0);
		(void)gs_plan_run(&use_code, (Datum[]){UUIDPGetDatum(id)}, NULL, 0);
		return id;
	}
	elog(DEBUG1, "enrolment of \"%s\" failed: %s", identifier,
		 id == NULL ? "no such terminal, or it has no code"
		 : !same    ? "wrong code"
					: "the code has expired or is worn out");
	if (id != NULL)
		(void)gs_plan_run(&count_failure, (Datum[]){UUIDPGetDatum(id), Int32GetDatum(FAILURES_MAX)}, NULL, 0);
	return NULL;
}

Datum gs_enroll(PG_FUNCTION_ARGS)
{
	text *arg = PG_GETARG_TEXT_PP(0);
	char *identifier = gs_name_identifier(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));
	bytea *public_key = PG_GETARG_BYTEA_PP(2);
	pg_uuid_t *id;

	if (identifier == NULL || VARSIZE_ANY_EXHDR(public_key) != PUBLIC_KEY_BYTES)
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("not a terminal identifier and an Ed25519 public key")));
	gs_plan_open();
	id = enrol(identifier, text_to_cstring(PG_GETARG_TEXT_PP(1)), public_key);
	if (id == NULL)
		ereport(ERROR, (errcode(GS_ERR_ENROLMENT_FAILED), errmsg("%s", failed_message), errhint("%s", failed_hint)));
	gs_audit(NULL, "enroll", identifier, NULL);
	gs_plan_close();
	PG_RETURN_UUID_P(id);
}

static Datum answer_failure(FunctionCallInfo fcinfo)
{
	GsReply reply;

	gs_reply_begin(&reply);
	gs_reply_text(&reply, "sqlstate", "GS003");
	gs_reply_text(&reply, "message", failed_message);
	gs_reply_text(&reply, "hint", failed_hint);
	return gs_request_reply(fcinfo, 403, gs_reply_end(&reply), NULL);
}

Datum gs_api_enroll(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {NULL};
	static const char *const body[] = {"terminal", "code", "public_key", NULL};
	GsRequest *request = gs_request_begin(fcinfo, false, params, body);
	GsSelf *self = gs_request_self();
	char *identifier = gs_body_identifier(request->body, "terminal", true);
	char *code = gs_body_text(request->body, "code", true);
	bytea *public_key = gs_body_base64url(request->body, "public_key", true, PUBLIC_KEY_BYTES);
	GsReply reply;

	if (strlen(code) > CODE_MAX_BYTES || enrol(identifier, code, public_key) == NULL)
		return answer_failure(fcinfo);
	gs_audit(request, "enroll", identifier, NULL);
	gs_reply_begin(&reply);
	gs_reply_text(&reply, "terminal", identifier);
	gs_reply_text(&reply, "server", self->name);
	return gs_request_reply(fcinfo, 201, gs_reply_end(&reply), NULL);
}
