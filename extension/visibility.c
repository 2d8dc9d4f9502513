/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who sees a share, changed after its upload: all groups of its owner, later ones too, or a list of them. The list
 * replaces the one before. Whoever begins to see it gets an event as for a new share, whoever sees it no more one that
 * says "hidden", and its tickets die (revoke.c). Locks as reservation.c says: usage, share.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access.h"
#include "body.h"
#include "errcodes.h"
#include "plan.h"
#include "quota.h"
#include "reply.h"
#include "share.h"
#include "upload.h"

PG_FUNCTION_INFO_V1(gs_set_share_groups);
PG_FUNCTION_INFO_V1(gs_api_set_share);

typedef struct Visibility {
	bool all;
	pg_uuid_t *groups;
	int count;
} Visibility;

static GsPlan lock_share = {
	"SELECT 1 FROM groupshare.share WHERE id = $1 AND owner = $2 AND state IN ('pending', 'stored')"
	" FOR NO KEY UPDATE",
	{UUIDOID, UUIDOID},
};
static GsPlan set_all = {
	"UPDATE groupshare.share SET all_groups = $2 WHERE id = $1 AND all_groups <> $2",
	{UUIDOID, BOOLOID},
};
static GsPlan drop_groups = {
	"DELETE FROM groupshare.share_group WHERE share_id = $1 AND group_id <> ALL ($2)",
	{UUIDOID, UUIDARRAYOID},
};
static GsPlan add_groups = {
	"INSERT INTO groupshare.share_group (share_id, group_id, home) SELECT DISTINCT $1, g, $2 FROM unnest($3) g"
	" ON CONFLICT (share_id, group_id) DO NOTHING",
	{UUIDOID, UUIDOID, UUIDARRAYOID},
};
static GsPlan find_groups = {
	"SELECT jsonb_build_object('share', s.id, 'groups', CASE WHEN s.all_groups THEN to_jsonb('all'::text) ELSE"
	"   (SELECT jsonb_agg(v.group_id ORDER BY v.group_id) FROM groupshare.share_group v WHERE v.share_id = s.id) END)"
	"  FROM groupshare.share s WHERE s.id = $1",
	{UUIDOID},
};
static GsPlan describe = {
	"SELECT jsonb_build_object('share', s.id, 'owner', t.identifier, 'name', s.name,"
	"   'size', s.size_bytes, 'sha256', encode(s.sha256, 'hex'), 'state', $2)"
	"   FROM groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner WHERE s.id = $1",
	{UUIDOID, TEXTOID},
};
static GsPlan subtract = {
	"SELECT coalesce(array_agg(a), '{}') FROM unnest($1) a WHERE NOT EXISTS (SELECT 1 FROM unnest($2) b WHERE b = a)",
	{UUIDARRAYOID, UUIDARRAYOID},
};

/* An event for who is in a group that `these` have and `others` have not, unless it is in one of the others too. */
static void tell(const pg_uuid_t *share, ArrayType *these, ArrayType *others, const char *state)
{
	ArrayType *only;

	(void)gs_plan_run(&subtract, (Datum[]){PointerGetDatum(these), PointerGetDatum(others)}, NULL, 1);
	only = gs_result_array(0, 1);
	(void)gs_plan_run(&describe, (Datum[]){UUIDPGetDatum(share), CStringGetTextDatum(state)}, NULL, 1);
	gs_event_groups(only, others, "share", gs_result_jsonb(0, 1));
}

static void show(const GsRequest *request, const pg_uuid_t *share, const Visibility *visibility)
{
	const GsTerminal *owner = request->terminal;
	Datum id = UUIDPGetDatum(share), list;
	ArrayType *before, *after;
	Datum *groups = palloc(sizeof(*groups) * Max(visibility->count, 1));

	gs_quota_lock(owner);
	if (gs_plan_run(&lock_share, (Datum[]){id, UUIDPGetDatum(&owner->id)}, NULL, 1) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no such share"),
						errhint("Only its owner can change who sees it.")));
	for (int i = 0; i < visibility->count; i++) {
		gs_access_require(&owner->id, &visibility->groups[i], GS_ROLE_MEMBER);
		groups[i] = UUIDPGetDatum(&visibility->groups[i]);
	}
	list = PointerGetDatum(gs_plan_uuid_array(groups, visibility->count));
	before = gs_share_shown_groups(share);
	(void)gs_plan_run(&set_all, (Datum[]){id, BoolGetDatum(visibility->all)}, NULL, 0);
	(void)gs_plan_run(&drop_groups, (Datum[]){id, list}, NULL, 0);
	(void)gs_plan_run(&add_groups, (Datum[]){id, UUIDPGetDatum(&owner->home), list}, NULL, 0);
	after = gs_share_shown_groups(share);
	tell(share, after, before, "stored");
	tell(share, before, after, "hidden");
	gs_audit(request, "set_share", gs_reply_uuid_text(share), request->body);
}

static void check_count(const Visibility *visibility)
{
	if (!visibility->all && (visibility->count < 1 || visibility->count > GS_UPLOAD_MAX_GROUPS))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
						errmsg("groups must be \"all\" or name between 1 and %d groups", GS_UPLOAD_MAX_GROUPS),
						errhint("To show it to nobody, delete the share.")));
}

/* {"groups": "all"|[ID...]} */
Datum gs_api_set_share(PG_FUNCTION_ARGS)
{
	static const char *const params[] = {"share", NULL};
	static const char *const body[] = {"groups", NULL};
	GsRequest *request = gs_request_begin(fcinfo, true, params, body);
	pg_uuid_t *share = gs_body_uuid(request->params, "share", true);
	Visibility visibility = {.all = gs_body_is_text(request->body, "groups", "all")};
	if (!visibility.all)
		visibility.groups = gs_body_uuids(request->body, "groups", true, GS_UPLOAD_MAX_GROUPS, &visibility.count);
	check_count(&visibility);
	show(request, share, &visibility);
	(void)gs_plan_run(&find_groups, (Datum[]){UUIDPGetDatum(share)}, NULL, 1);
	return gs_request_reply(fcinfo, 200, gs_result_jsonb(0, 1), NULL);
}

/* set_share_groups(terminal, share, groups); groups NULL: all */
Datum gs_set_share_groups(PG_FUNCTION_ARGS)
{
	Visibility visibility = {.all = PG_ARGISNULL(2)};
	Datum *groups;
	bool *nulls;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("terminal and share must not be null")));
	if (!visibility.all) {
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), UUIDOID, sizeof(pg_uuid_t), false, TYPALIGN_CHAR, &groups, &nulls,
						  &visibility.count);
		visibility.groups = palloc(sizeof(pg_uuid_t) * Max(visibility.count, 1));
		for (int i = 0; i < visibility.count; i++) {
			if (nulls[i])
				ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("groups must not hold NULL")));
			visibility.groups[i] = *DatumGetUUIDP(groups[i]);
		}
	}
	check_count(&visibility);
	gs_plan_open();
	show(gs_request_for(text_to_cstring(PG_GETARG_TEXT_PP(0))), PG_GETARG_UUID_P(1), &visibility);
	gs_plan_close();
	PG_RETURN_VOID();
}
