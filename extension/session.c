/* SPDX-License-Identifier: PostgreSQL */
/*
 * Session and challenge tokens. A session is checked by one look-up that joins the key, the terminal and its plan, so
 * that rotation, revocation and the end of a subscription are seen by the very next request. No lock is taken. Tokens
 * live in malloc'd memory only between two calls into jansson; no ereport happens while something of it is held.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base64url.h"
#include "errcodes.h"
#include "plan.h"
#include "reply.h"
#include "session.h"
#include "settings.h"
#include "ticket.h"

#define KID_BYTES 64
#define JTI_BYTES 16

PG_FUNCTION_INFO_V1(gs_random_key);

static const char session_type[] = "gs-session";
static const char challenge_type[] = "gs-challenge";

static GsPlan find_session = {
	"SELECT s.key, f.server_id, " GS_TERMINAL_COLUMNS
	"  FROM groupshare.secret s, groupshare.self f, groupshare.terminal t"
	"  JOIN groupshare.plan p ON p.name = t.plan"
	" WHERE s.kid = $1 AND s.purpose = 'session' AND f.only_row AND t.id = $2"
	"   AND t.epoch = $3 AND t.revoked_at IS NULL AND p.sharing",
	{TEXTOID, UUIDOID, INT4OID},
	.by_key = true,
};

static GsPlan find_key = {
	"SELECT kid, key FROM groupshare.secret WHERE purpose = $1 AND retired_at IS NULL",
	{TEXTOID},
};

static GsPlan find_challenge_key = {
	"SELECT key FROM groupshare.secret WHERE purpose = 'challenge' AND kid = $1",
	{TEXTOID},
};

static int64 now_s(void)
{
	return timestamptz_to_time_t(GetCurrentTimestamp());
}

/* A claim's text in palloc'd memory, "" when it is no string: no valid claim is empty. */
static char *claim_text(json_t *claims, const char *name)
{
	const char *text = json_string_value(json_object_get(claims, name));

	return pstrdup(text == NULL ? "" : text);
}

char *gs_session_sign(const char *typ, const char *kid, const bytea *key, json_t *claims)
{
	char *token = NULL;
	char *copy = NULL;
	int result = GS_TOKEN_NO_MEMORY;

	if (claims != NULL)
		result = gs_token_issue(typ, kid, (const uint8_t *)VARDATA_ANY(key), claims, &token);
	json_decref(claims);
	if (token != NULL)
		copy = MemoryContextAllocExtended(CurrentMemoryContext, strlen(token) + 1, MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
		strcpy(copy, token);
	free(token);
	if (copy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("could not sign a token"), errdetail("Error %d.", result)));
	return copy;
}

/* The current key of a purpose; the install script made one. */
static void current_key(const char *purpose, char **kid, bytea **key)
{
	if (gs_plan_run(&find_key, (Datum[]){CStringGetTextDatum(purpose)}, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_SET_UP), errmsg("there is no %s key", purpose),
						errhint("Run SELECT groupshare.rotate_secrets().")));
	*kid = gs_result_text(0, 1);
	*key = gs_result_bytea(0, 2);
}

static int64 expiry(int lifetime_s, TimestampTz *expires_at)
{
	int64 at = now_s() + lifetime_s;

	*expires_at = time_t_to_timestamptz(at);
	return at;
}

char *gs_session_issue(const GsTerminal *terminal, const GsSelf *self, TimestampTz *expires_at)
{
	char *server = gs_reply_uuid_text(&self->id);
	char *subject = gs_reply_uuid_text(&terminal->id);
	int64 exp = expiry(gs_session_lifetime_s, expires_at);
	char *kid;
	bytea *key;

	current_key("session", &kid, &key);
	return gs_session_sign(session_type, kid, key,
						   json_pack("{s:s, s:s, s:s, s:i, s:I}", "iss", self->name, "srv", server, "sub", subject,
									 "ep", (int)terminal->epoch, "exp", (json_int_t)exp));
}

/* Reads a uuid that a valid token would hold; false for anything else, without raising. */
static bool read_uuid(const char *text, pg_uuid_t *uuid)
{
	unsigned value;
	int used = 0;

	if (strlen(text) != 36)
		return false;
	for (int i = 0; i < UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) {
			if (*text++ != '-')
				return false;
		}
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
			sscanf(text, "%2x%n", &value, &used) != 1)
			return false;
		uuid->data[i] = (unsigned char)value;
		text += 2;
	}
	return true;
}

static void refuse_session(const char *reason)
{
	elog(DEBUG1, "session refused: %s", reason);
	ereport(ERROR, (errcode(GS_ERR_SESSION_INVALID), errmsg("the session is not valid"), errhint("Connect again.")));
}

GsTerminal *gs_session_verify(const char *token)
{
	char kid[KID_BYTES];
	json_t *claims = NULL;
	pg_uuid_t subject, server;
	json_int_t epoch;
	bool readable;
	bytea *key;

	if (gs_token_peek(token, session_type, kid, sizeof(kid), &claims) != GS_TOKEN_OK)
		refuse_session("not a session token");
	readable = read_uuid(json_string_value(json_object_get(claims, "sub")) ?: "", &subject) &&
			   read_uuid(json_string_value(json_object_get(claims, "srv")) ?: "", &server) &&
			   json_is_integer(json_object_get(claims, "ep"));
	epoch = json_integer_value(json_object_get(claims, "ep"));
	json_decref(claims);
	if (!readable || epoch < 1 || epoch > PG_INT32_MAX)
		refuse_session("a claim is missing");
	if (gs_plan_run(&find_session, (Datum[]){CStringGetTextDatum(kid), UUIDPGetDatum(&subject), Int32GetDatum(epoch)},
					NULL, 1) == 0)
		refuse_session("unknown key, or the terminal is revoked or without permission");
	key = gs_result_bytea(0, 1);
	if (gs_token_verify(token, session_type, (const uint8_t *)VARDATA_ANY(key), now_s()) != GS_TOKEN_OK)
		refuse_session("bad signature or expired");
	if (memcmp(&server, gs_result_uuid(0, 2), sizeof(server)) != 0)
		refuse_session("made by another server");
	return gs_request_terminal(3);
}

char *gs_challenge_issue(const char *identifier, const GsSelf *self, TimestampTz *expires_at)
{
	uint8_t random[JTI_BYTES];
	char jti[GS_BASE64URL_TEXT_SIZE(JTI_BYTES) + 1];
	int64 exp = expiry(gs_challenge_lifetime_s, expires_at);
	char *kid;
	bytea *key;

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	(void)gs_base64url_encode(random, sizeof(random), jti);
	current_key("challenge", &kid, &key);
	return gs_session_sign(
		challenge_type, kid, key,
		json_pack("{s:s, s:s, s:I, s:s}", "iss", self->name, "sub", identifier, "exp", (json_int_t)exp, "jti", jti));
}

bool gs_challenge_verify(const char *token, const char *identifier, const GsSelf *self, char **jti,
						 TimestampTz *expires_at)
{
	char kid[KID_BYTES];
	json_t *claims = NULL;
	bytea *key;
	bool ours;

	if (gs_token_peek(token, challenge_type, kid, sizeof(kid), &claims) != GS_TOKEN_OK)
		return false;
	ours = strcmp(claim_text(claims, "sub"), identifier) == 0 && strcmp(claim_text(claims, "iss"), self->name) == 0;
	*jti = claim_text(claims, "jti");
	*expires_at = time_t_to_timestamptz(json_integer_value(json_object_get(claims, "exp")));
	json_decref(claims);
	if (!ours || **jti == '\0' || gs_plan_run(&find_challenge_key, (Datum[]){CStringGetTextDatum(kid)}, NULL, 1) == 0)
		return false;
	key = gs_result_bytea(0, 1);
	return gs_token_verify(token, challenge_type, (const uint8_t *)VARDATA_ANY(key), now_s()) == GS_TOKEN_OK;
}

/* 32 random bytes for a signing key. */
Datum gs_random_key(PG_FUNCTION_ARGS)
{
	bytea *key = palloc(VARHDRSZ + GS_TOKEN_KEY_BYTES);

	SET_VARSIZE(key, VARHDRSZ + GS_TOKEN_KEY_BYTES);
	if (!pg_strong_random(VARDATA(key), GS_TOKEN_KEY_BYTES))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	PG_RETURN_BYTEA_P(key);
}
