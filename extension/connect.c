/* SPDX-License-Identifier: PostgreSQL */
/*
 * Challenge and connect. To an outsider an unknown terminal, a wrong key, a replayed challenge and a missing permission
 * are the same answer at the same cost: the challenge is made without a look at the terminal, and a signature is
 * verified in any case, against a key of nobody if there is none. The only row that connecting writes is the used
 * challenge; its primary key makes the challenge single-use under any concurrency. The reason of a refusal goes to the
 * server's log at DEBUG1.
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "access.h"
#include "body.h"
#include "errcodes.h"
#include "group_info.h"
#include "names.h"
#include "plan.h"
#include "reply.h"
#include "request.h"
#include "session.h"
#include "ticket.h"

#define PUBLIC_KEY_BYTES 32
#define SIGNATURE_BYTES 64

PG_FUNCTION_INFO_V1(gs_challenge);
PG_FUNCTION_INFO_V1(gs_connect);
PG_FUNCTION_INFO_V1(gs_api_challenge);
PG_FUNCTION_INFO_V1(gs_api_connect);

/* The key of RFC 8032 section 7.1 test 1: a valid point, so that verifying costs what it costs for a real terminal. Its
 * private half is public; whoever connects by it is refused because there is no terminal. */
static const uint8 nobodys_key[PUBLIC_KEY_BYTES] = {
	0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
	0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
};

static GsPlan find_terminal = {
	"SELECT t.public_key, t.revoked_at IS NULL AND p.sharing, " GS_TERMINAL_COLUMNS
	"  FROM groupshare.terminal t JOIN groupshare.plan p ON p.name = t.plan"
	" WHERE t.identifier = $1 AND t.public_key IS NOT NULL",
	{TEXTOID},
};
static GsPlan use_challenge = {
	"INSERT INTO groupshare.used_challenge (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	{TEXTOID, TIMESTAMPTZOID},
};

static bool verify_signature(const uint8 *key, const char *challenge, const bytea *signature)
{
	EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, PUBLIC_KEY_BYTES);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = public != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
				EVP_DigestVerify(context, (const uint8 *)VARDATA_ANY(signature), VARSIZE_ANY_EXHDR(signature),
								 (const uint8 *)challenge, strlen(challenge)) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(public);
	return good;
}

/* The terminal when all is as it must be, otherwise NULL. */
static GsTerminal *authenticate(const GsSelf *self, const char *identifier, const char *challenge,
								const bytea *signature)
{
	GsTerminal *terminal = NULL;
	const uint8 *key = nobodys_key;
	bool permitted = false;
	char *jti = NULL;
	TimestampTz expires_at = 0;
	bool ours = gs_challenge_verify(challenge, identifier, self, &jti, &expires_at);
	bool good;

	if (gs_plan_run(&find_terminal, (Datum[]){CStringGetTextDatum(identifier)}, NULL, 1) > 0) {
		key = (const uint8 *)VARDATA_ANY(gs_result_bytea(0, 1));
		permitted = gs_result_bool(0, 2);
		terminal = gs_request_terminal(3);
	}
	good = verify_signature(key, challenge, signature);
	if (terminal != NULL && ours && good && permitted &&
		gs_plan_run(&use_challenge, (Datum[]){CStringGetTextDatum(jti), TimestampTzGetDatum(expires_at)}, NULL, 0) == 1)
		return terminal;
	elog(DEBUG1, "connection of \"%s\" refused: %s", identifier,
		 terminal == NULL ? "unknown or not enrolled"
		 : !ours          ? "the challenge is not ours, for another terminal or expired"
		 : !good          ? "wrong signature"
		 : !permitted     ? "revoked or no sharing permission"
						  : "the challenge was used before");
	return NULL;
}

static GsTerminal *authenticate_or_refuse(const GsSelf *self, const char *identifier, const char *challenge,
										  const bytea *signature)
{
	GsTerminal *terminal = authenticate(self, identifier, challenge, signature);

	if (terminal == NULL)
		ereport(ERROR, (errcode(GS_ERR_CONNECTION_FAILED), errmsg("the connection failed"),
						errhint("Check the identifier, the key and the subscription, and sign a new challenge.")));
	return terminal;
}

static char *identifier_arg(FunctionCallInfo fcinfo)
{
	text *arg = PG_GETARG_TEXT_PP(0);
	char *identifier = gs_name_identifier(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));

	if (identifier == NULL)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("not a terminal identifier")));
	return identifier;
}

Datum gs_challenge(PG_FUNCTION_ARGS)
{
	char *identifier = identifier_arg(fcinfo);
	TimestampTz expires_at;
	char *challenge;

	gs_plan_open();
	challenge = gs_challenge_issue(identifier, gs_request_self(), &expires_at);
	gs_plan_close();
	PG_RETURN_TEXT_P(cstring_to_text(challenge));
}

Datum gs_connect(PG_FUNCTION_ARGS)
{
	char *identifier = identifier_arg(fcinfo);
	GsTerminal *terminal;
	TimestampTz expires_at;
	GsSelf *self;
	char *session;

	gs_plan_open();
	self = gs_request_self();
	terminal = authenticate_or_refuse(self, identifier, text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_BYTEA_PP(2));
	session = gs_session_issue(terminal, self, &expires_at);
	gs_plan_close();
	PG_RETURN_TEXT_P(cstring_to_text(session));
}

Datum gs_api_challenge(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {NULL};
	static const char *const body[] = {"terminal", NULL};
	GsRequest *request = gs_request_begin(fcinfo, false, params, body);
	char *identifier = gs_body_identifier(request->body, "terminal", true);
	TimestampTz expires_at;
	GsReply reply;

	gs_reply_begin(&reply);
	gs_reply_text(&reply, "challenge", gs_challenge_issue(identifier, gs_request_self(), &expires_at));
	gs_reply_time(&reply, "expires_at", expires_at);
	return gs_request_reply(fcinfo, 200, gs_reply_end(&reply), NULL);
}

Datum gs_api_connect(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {NULL};
	static const char *const body[] = {"terminal", "challenge", "signature", NULL};
	GsRequest *request = gs_request_begin(fcinfo, false, params, body);
	GsSelf *self = gs_request_self();
	char *identifier = gs_body_identifier(request->body, "terminal", true);
	char *challenge = gs_body_text(request->body, "challenge", true);
	bytea *signature = gs_body_base64url(request->body, "signature", true, SIGNATURE_BYTES);
	GsTerminal *terminal = authenticate_or_refuse(self, identifier, challenge, signature);
	TimestampTz expires_at;
	GsReply reply;

	gs_reply_begin(&reply);
	gs_reply_text(&reply, "session", gs_session_issue(terminal, self, &expires_at));
	gs_reply_time(&reply, "expires_at", expires_at);
	gs_reply_text(&reply, "server", self->name);
	gs_reply_text(&reply, "terminal", terminal->identifier);
	(void)gs_group_info_page(&reply, &terminal->id, NULL, GS_GROUP_INFO_PAGE);
	gs_reply_bool(&reply, "in_group", gs_access_in_any_group(&terminal->id));
	return gs_request_reply(fcinfo, 200, gs_reply_end(&reply), NULL);
}
