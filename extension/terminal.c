/* SPDX-License-Identifier: PostgreSQL */
/*
 * Terminals as the DBA keeps them: adding, enrolment codes, revocation. A code is kept only as its SHA-256; it has 80
 * bits from the kernel, so that a plain hash is enough. Locks: revocation takes the terminal's groups first (member.c),
 * then the terminal's row, as a join does.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "errcodes.h"
#include "member.h"
#include "names.h"
#include "plan.h"
#include "server.h"
#include "settings.h"
#include "terminal.h"

#define CODE_CHARS 16
#define CODE_GROUP 4

PG_FUNCTION_INFO_V1(gs_add_terminal);
PG_FUNCTION_INFO_V1(gs_new_enrolment_code);
PG_FUNCTION_INFO_V1(gs_revoke_terminal);
PG_FUNCTION_INFO_V1(gs_set_terminal_plan);

/* Crockford's base 32: no letter that looks like a digit. */
static const char code_alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static GsPlan find_terminal = {
	"SELECT id, revoked_at IS NOT NULL, home FROM groupshare.terminal WHERE identifier = $1 FOR NO KEY UPDATE",
	{TEXTOID},
};
static GsPlan find_plan = {"SELECT 1 FROM groupshare.plan WHERE name = $1", {TEXTOID}};
static GsPlan find_entry = {
	"SELECT s.name, e.server_id = f.server_id"
	"  FROM groupshare.service_entry e JOIN groupshare.server s ON s.id = e.server_id, groupshare.self f"
	" WHERE e.identifier = $1",
	{TEXTOID},
};
static GsPlan insert_terminal = {
	"INSERT INTO groupshare.terminal (home, identifier, plan) VALUES ($1, $2, $3) RETURNING id",
	{UUIDOID, TEXTOID, TEXTOID},
};
static GsPlan revive_terminal = {
	"UPDATE groupshare.terminal SET plan = $2, revoked_at = NULL, public_key = NULL, enrolled_at = NULL,"
	" epoch = epoch + 1 WHERE id = $1",
	{UUIDOID, TEXTOID},
};
static GsPlan insert_usage = {
	"INSERT INTO groupshare.usage (terminal_id, home) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	{UUIDOID, UUIDOID},
};
static GsPlan insert_entry = {
	"INSERT INTO groupshare.service_entry (identifier, server_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	{TEXTOID, UUIDOID},
};
static GsPlan upsert_code = {
	"INSERT INTO groupshare.enrolment_code (terminal_id, code_sha256, expires_at)"
	" VALUES ($1, $2, now() + make_interval(secs => $3))"
	" ON CONFLICT (terminal_id) DO UPDATE SET code_sha256 = excluded.code_sha256, failures = 0,"
	"   expires_at = excluded.expires_at",
	{UUIDOID, BYTEAOID, FLOAT8OID},
};
static GsPlan delete_code = {"DELETE FROM groupshare.enrolment_code WHERE terminal_id = $1", {UUIDOID}};
static GsPlan revoke = {
	"UPDATE groupshare.terminal SET revoked_at = now(), epoch = epoch + 1 WHERE id = $1 AND revoked_at IS NULL",
	{UUIDOID},
};
static GsPlan update_plan = {
	"UPDATE groupshare.terminal SET plan = $2 WHERE identifier = $1",
	{TEXTOID, TEXTOID},
};
static GsPlan sweep_codes = {
	"DELETE FROM groupshare.enrolment_code WHERE terminal_id = ANY (ARRAY"
	" (SELECT terminal_id FROM groupshare.enrolment_code WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED))",
	{INT8OID},
};
/* A minute more than the challenge lives, for tokens made just before now() of a long transaction. */
static GsPlan sweep_challenges = {
	"DELETE FROM groupshare.used_challenge WHERE jti = ANY (ARRAY"
	" (SELECT jti FROM groupshare.used_challenge WHERE expires_at < now() - interval '1 minute' LIMIT $1"
	"  FOR UPDATE SKIP LOCKED))",
	{INT8OID},
};

static char *identifier_arg(FunctionCallInfo fcinfo, int number)
{
	text *arg = PG_GETARG_TEXT_PP(number);
	char *identifier = gs_name_identifier(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));

	if (identifier == NULL)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("not a terminal identifier"),
						errhint("Give a phone number like +8613800138000 or an e-mail address.")));
	return identifier;
}

void gs_terminal_hash_code(const char *code, uint8 digest[GS_CODE_SHA256_BYTES])
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	bool done = context != NULL && pg_cryptohash_init(context) >= 0;

	for (; done && *code != '\0'; code++) {
		uint8 c = pg_toupper((unsigned char)*code);

		if (c == '-' || c == ' ')
			continue;
		if (c == 'O')
			c = '0';
		if (c == 'I' || c == 'L')
			c = '1';
		done = pg_cryptohash_update(context, &c, 1) >= 0;
	}
	done = done && pg_cryptohash_final(context, digest, GS_CODE_SHA256_BYTES) >= 0;
	pg_cryptohash_free(context);
	if (!done)
		elog(ERROR, "could not compute SHA-256");
}

/* A new code for the terminal in the place of any older one. */
static text *make_code(const pg_uuid_t *terminal)
{
	uint8 random[CODE_CHARS];
	char code[CODE_CHARS + CODE_CHARS / CODE_GROUP] = "";
	bytea *digest = palloc(VARHDRSZ + GS_CODE_SHA256_BYTES);
	int used = 0;

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	for (int i = 0; i < CODE_CHARS; i++) {
		if (i > 0 && i % CODE_GROUP == 0)
			code[used++] = '-';
		code[used++] = code_alphabet[random[i] % 32];
	}
	code[used] = '\0';
	SET_VARSIZE(digest, VARHDRSZ + GS_CODE_SHA256_BYTES);
	gs_terminal_hash_code(code, (uint8 *)VARDATA(digest));
	(void)gs_plan_run(
		&upsert_code,
		(Datum[]){UUIDPGetDatum(terminal), PointerGetDatum(digest), Float8GetDatum(gs_enrolment_code_lifetime_s)}, NULL,
		0);
	return cstring_to_text(code);
}

static void require_plan(const char *plan)
{
	if (gs_plan_run(&find_plan, (Datum[]){CStringGetTextDatum(plan)}, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no plan \"%s\"", plan),
						errhint("Insert it into groupshare.plan.")));
}

static void require_own(const char *identifier)
{
	if (gs_plan_run(&find_entry, (Datum[]){CStringGetTextDatum(identifier)}, NULL, 1) > 0 && !gs_result_bool(0, 2))
		ereport(ERROR, (errcode(GS_ERR_CONFLICT),
						errmsg("terminal \"%s\" is managed by control server \"%s\"", identifier, gs_result_text(0, 1)),
						errhint("Add it there, or route it here first by groupshare.route_terminal().")));
}

Datum gs_add_terminal(PG_FUNCTION_ARGS)
{
	char *identifier = identifier_arg(fcinfo, 0);
	char *plan = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Datum identifier_datum = CStringGetTextDatum(identifier);
	GsSelf *self;
	pg_uuid_t *id;
	text *code;

	gs_plan_open();
	self = gs_server_setup(NULL);
	require_plan(plan);
	require_own(identifier);
	if (gs_plan_run(&find_terminal, &identifier_datum, NULL, 1) == 0) {
		(void)gs_plan_run(&insert_terminal, (Datum[]){UUIDPGetDatum(&self->id), identifier_datum, PG_GETARG_DATUM(1)},
						  NULL, 0);
		id = gs_result_uuid(0, 1);
	} else if (gs_result_bool(0, 2)) {
		id = gs_result_uuid(0, 1);
		(void)gs_plan_run(&revive_terminal, (Datum[]){UUIDPGetDatum(id), PG_GETARG_DATUM(1)}, NULL, 0);
	} else {
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("terminal \"%s\" is already known", identifier),
						errhint("For another enrolment code call groupshare.new_enrolment_code('%s').", identifier)));
	}
	(void)gs_plan_run(&insert_usage, (Datum[]){UUIDPGetDatum(id), UUIDPGetDatum(&self->id)}, NULL, 0);
	(void)gs_plan_run(&insert_entry, (Datum[]){identifier_datum, UUIDPGetDatum(&self->id)}, NULL, 0);
	code = make_code(id);
	gs_audit(NULL, "add_terminal", identifier, NULL);
	gs_plan_close();
	PG_RETURN_TEXT_P(code);
}

/* Locks the terminal's row and returns its id; GS012 when unknown, GS015 when revoked. */
static pg_uuid_t *lock_terminal(const char *identifier)
{
	if (gs_plan_run(&find_terminal, (Datum[]){CStringGetTextDatum(identifier)}, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no terminal \"%s\"", identifier)));
	if (gs_result_bool(0, 2))
		ereport(ERROR, (errcode(GS_ERR_CONFLICT), errmsg("terminal \"%s\" is revoked", identifier),
						errhint("groupshare.add_terminal() takes it back.")));
	return gs_result_uuid(0, 1);
}

Datum gs_new_enrolment_code(PG_FUNCTION_ARGS)
{
	char *identifier = identifier_arg(fcinfo, 0);
	text *code;

	gs_plan_open();
	code = make_code(lock_terminal(identifier));
	gs_audit(NULL, "new_enrolment_code", identifier, NULL);
	gs_plan_close();
	PG_RETURN_TEXT_P(code);
}

static GsPlan find_id = {"SELECT id FROM groupshare.terminal WHERE identifier = $1", {TEXTOID}};

Datum gs_revoke_terminal(PG_FUNCTION_ARGS)
{
	char *identifier = identifier_arg(fcinfo, 0);
	pg_uuid_t *id;

	gs_plan_open();
	if (gs_plan_run(&find_id, (Datum[]){CStringGetTextDatum(identifier)}, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no terminal \"%s\"", identifier)));
	id = gs_result_uuid(0, 1);
	gs_member_leave_all(id, identifier);
	if (gs_plan_run(&revoke, (Datum[]){UUIDPGetDatum(id)}, NULL, 0) > 0) {
		/* A join that was under way has committed before the row could be updated: leave that group too. */
		gs_member_leave_all(id, identifier);
		(void)gs_plan_run(&delete_code, (Datum[]){UUIDPGetDatum(id)}, NULL, 0);
		gs_audit(NULL, "revoke_terminal", identifier, NULL);
	}
	gs_plan_close();
	PG_RETURN_VOID();
}

Datum gs_set_terminal_plan(PG_FUNCTION_ARGS)
{
	char *identifier = identifier_arg(fcinfo, 0);

	gs_plan_open();
	require_plan(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (gs_plan_run(&update_plan, (Datum[]){CStringGetTextDatum(identifier), PG_GETARG_DATUM(1)}, NULL, 0) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no terminal \"%s\"", identifier)));
	gs_audit(NULL, "set_terminal_plan", identifier, NULL);
	gs_plan_close();
	PG_RETURN_VOID();
}

uint64 gs_terminal_sweep(int64 limit)
{
	Datum most = Int64GetDatum(limit);

	return gs_plan_run(&sweep_codes, &most, NULL, 0) + gs_plan_run(&sweep_challenges, &most, NULL, 0);
}
