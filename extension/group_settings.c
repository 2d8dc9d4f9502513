/* SPDX-License-Identifier: PostgreSQL */
/*
 * A group's settings: administrators, join rule, list, listing. The caller holds the group's lock. `administrators`
 * replaces the set: who is named and a member becomes administrator at once; who is named and no member is invited and
 * becomes one by joining, because membership shows what a terminal shares; who is not named any more becomes a plain
 * member. The caller that does not name itself goes only when another administrator is there, now or when the first
 * invited one joins. An identifier that belongs to no terminal is passed over without a word: settings must not tell
 * who is a terminal. Open inquiries stay open when the rule changes.
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "body.h"
#include "errcodes.h"
#include "group.h"
#include "inquiry.h"
#include "member.h"
#include "names.h"
#include "plan.h"
#include "reply.h"

#define ADMINISTRATORS_MAX 100
#define LISTED_MAX 1000

static const char *const settings_members[] = {"administrators", "join", "listing", NULL};
static const char *const join_members[] = {"rule", "listed", NULL};

static GsPlan update_join = {
	"UPDATE groupshare.sharing_group SET join_rule = coalesce($2, join_rule), listing = coalesce($3, listing),"
	" state = 'live', established_at = coalesce(established_at, now()) WHERE id = $1",
	{UUIDOID, TEXTOID, TEXTOID},
};
static GsPlan delete_listed = {
	"DELETE FROM groupshare.group_listed WHERE group_id = $1 AND identifier <> ALL ($2)",
	{UUIDOID, TEXTARRAYOID},
};
static GsPlan insert_listed = {
	"INSERT INTO groupshare.group_listed (group_id, home, identifier)"
	" SELECT g.id, g.home, i FROM groupshare.sharing_group g, unnest($2) i WHERE g.id = $1 ON CONFLICT DO NOTHING",
	{UUIDOID, TEXTARRAYOID},
};
static GsPlan find_banned = {
	"SELECT t.identifier FROM groupshare.membership m JOIN groupshare.terminal t ON t.id = m.terminal_id"
	" WHERE m.group_id = $1 AND m.state = 'banned' AND t.identifier = ANY ($2) LIMIT 1",
	{UUIDOID, TEXTARRAYOID},
};
static GsPlan find_named = {
	"SELECT t.id FROM groupshare.terminal t WHERE t.identifier = ANY ($1) AND t.revoked_at IS NULL ORDER BY t.id",
	{TEXTARRAYOID},
};
static GsPlan find_unnamed = {
	"SELECT m.terminal_id, m.state = 'administrator' FROM groupshare.membership m"
	"  JOIN groupshare.terminal t ON t.id = m.terminal_id"
	" WHERE m.group_id = $1 AND m.state IN ('administrator', 'invited') AND t.identifier <> ALL ($2)"
	" ORDER BY m.terminal_id",
	{UUIDOID, TEXTARRAYOID},
};
static GsPlan find_other_administrator = {
	"SELECT 1 FROM groupshare.membership WHERE group_id = $1 AND state = 'administrator' AND terminal_id <> $2",
	{UUIDOID, UUIDOID},
};
static GsPlan set_steps_down = {
	"UPDATE groupshare.sharing_group SET steps_down = $2 WHERE id = $1",
	{UUIDOID, UUIDOID},
};

/* The list as normalised identifiers in a text[]; NULL when absent. */
static ArrayType *identifiers(Jsonb *object, const char *name, int most, int *count)
{
	char **texts = gs_body_texts(object, name, false, most, count);
	Datum *datums;

	if (texts == NULL)
		return NULL;
	datums = palloc(sizeof(*datums) * Max(*count, 1));
	for (int i = 0; i < *count; i++) {
		char *kept = gs_name_identifier(texts[i], strlen(texts[i]));

		if (kept == NULL)
			ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER),
							errmsg("\"%s\" holds no terminal identifier at place %d", name, i + 1)));
		datums[i] = CStringGetTextDatum(kept);
	}
	return construct_array(datums, *count, TEXTOID, -1, false, TYPALIGN_INT);
}

static char *one_of(Jsonb *object, const char *name, bool required, const char *a, const char *b, const char *c)
{
	char *value = gs_body_text(object, name, required);

	if (value != NULL && strcmp(value, a) != 0 && strcmp(value, b) != 0 && strcmp(value, c) != 0)
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"%s\" must be \"%s\", \"%s\" or \"%s\"", name, a, b, c)));
	return value;
}

static void refuse_banned(const GsGroup *group, ArrayType *named)
{
	if (gs_plan_run(&find_banned, (Datum[]){UUIDPGetDatum(&group->id), PointerGetDatum(named)}, NULL, 1) > 0)
		ereport(ERROR,
				(errcode(GS_ERR_CONFLICT), errmsg("terminal \"%s\" is banned from the group", gs_result_text(0, 1)),
				 errhint("Lift the ban first.")));
}

/* Copies a column of ids out of the result, so that statements can run in the loop over it. */
static pg_uuid_t **collect(uint64 rows)
{
	pg_uuid_t **ids = palloc(sizeof(*ids) * Max(rows, 1));

	for (uint64 i = 0; i < rows; i++)
		ids[i] = gs_result_uuid(i, 1);
	return ids;
}

static void name_administrators(const GsRequest *request, const GsGroup *group, ArrayType *named)
{
	Datum array = PointerGetDatum(named);
	uint64 rows = gs_plan_run(&find_named, &array, NULL, 0);
	pg_uuid_t **ids = collect(rows);

	for (uint64 i = 0; i < rows; i++) {
		switch (gs_member_state(&group->id, ids[i])) {
		case GS_MEMBER_ADMINISTRATOR:
		case GS_MEMBER_INVITED:
			break;
		case GS_MEMBER_MEMBER:
			gs_member_set(&group->id, ids[i], GS_MEMBER_ADMINISTRATOR);
			gs_member_tell(group, ids[i], GS_MEMBER_ADMINISTRATOR);
			break;
		default:
			gs_inquiry_close(group, ids[i], "cancelled");
			gs_member_set(&group->id, ids[i], GS_MEMBER_INVITED);
			gs_event_terminal(ids[i], "group", gs_group_event(group, "invited"));
		}
	}
}

static void unname_administrators(const GsRequest *request, const GsGroup *group, ArrayType *named)
{
	const pg_uuid_t *caller = &request->terminal->id;
	Datum values[] = {UUIDPGetDatum(&group->id), PointerGetDatum(named)};
	uint64 rows = gs_plan_run(&find_unnamed, values, NULL, 0);
	pg_uuid_t **ids = collect(rows);
	bool *is_administrator = palloc(sizeof(bool) * Max(rows, 1));
	bool caller_goes = false;

	for (uint64 i = 0; i < rows; i++)
		is_administrator[i] = gs_result_bool(i, 2);
	for (uint64 i = 0; i < rows; i++) {
		if (memcmp(ids[i], caller, sizeof(*caller)) == 0) {
			caller_goes = true;
			continue;
		}
		gs_member_set(&group->id, ids[i], is_administrator[i] ? GS_MEMBER_MEMBER : GS_MEMBER_REMOVED);
		if (is_administrator[i])
			gs_member_tell(group, ids[i], GS_MEMBER_MEMBER);
	}
	if (caller_goes &&
		gs_plan_run(&find_other_administrator, (Datum[]){values[0], UUIDPGetDatum(caller)}, NULL, 1) > 0) {
		gs_member_set(&group->id, caller, GS_MEMBER_MEMBER);
		gs_member_tell(group, caller, GS_MEMBER_MEMBER);
		caller_goes = false;
	}
	(void)gs_plan_run(&set_steps_down, (Datum[]){values[0], UUIDPGetDatum(caller)}, caller_goes ? NULL : " n", 0);
}

static void apply_join(const GsGroup *group, Jsonb *settings)
{
	Jsonb *join = gs_body_object(settings, "join", group->state == GS_GROUP_NEW);
	char *listing = one_of(settings, "listing", false, "listed", "exact", "hidden");
	char *rule = NULL;
	ArrayType *listed = NULL;
	Datum id = UUIDPGetDatum(&group->id);
	int count;

	if (join != NULL) {
		gs_body_check(join, true, join_members);
		rule = one_of(join, "rule", true, "anyone", "listed", "confirm");
		listed = identifiers(join, "listed", LISTED_MAX, &count);
	}
	(void)gs_plan_run(&update_join,
					  (Datum[]){id, rule == NULL ? (Datum)0 : CStringGetTextDatum(rule),
								listing == NULL ? (Datum)0 : CStringGetTextDatum(listing)},
					  (char[]){' ', rule == NULL ? 'n' : ' ', listing == NULL ? 'n' : ' ', '\0'}, 0);
	if (listed == NULL)
		return;
	refuse_banned(group, listed);
	(void)gs_plan_run(&delete_listed, (Datum[]){id, PointerGetDatum(listed)}, NULL, 0);
	(void)gs_plan_run(&insert_listed, (Datum[]){id, PointerGetDatum(listed)}, NULL, 0);
}

void gs_group_settings_apply(const GsRequest *request, GsGroup *group, Jsonb *settings)
{
	bool established = group->state == GS_GROUP_LIVE;
	ArrayType *named;
	int count = 0;

	gs_body_check(settings, true, settings_members);
	named = identifiers(settings, "administrators", ADMINISTRATORS_MAX, &count);
	if (named != NULL && count == 0)
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"administrators\" must name at least one terminal")));
	apply_join(group, settings);
	group->state = GS_GROUP_LIVE;
	if (named != NULL) {
		refuse_banned(group, named);
		name_administrators(request, group, named);
		unname_administrators(request, group, named);
	}
	if (established)
		gs_event_members(&group->id, &request->terminal->id, "group", gs_group_event(group, "settings"));
	gs_audit(request, "set_group", gs_reply_uuid_text(&group->id), settings);
}
