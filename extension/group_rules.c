/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rules of a group. The caller holds the group's lock. `listed` replaces the list, `listed_add` and `listed_remove`
 * change it, so that a list of many thousands need not be sent again for one. A smaller max_members than there are
 * members puts nobody out: nobody comes in until there is room. Open inquiries stay open when the rule changes: a
 * setting decides for nobody, costs the same however many asked, and who asks again comes in by the new rule.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "body.h"
#include "errcodes.h"
#include "group_rules.h"
#include "names.h"
#include "plan.h"

#define LISTED_CALL_MAX 5000
#define LISTED_MAX 100000
#define MEMBERS_MAX 1000000

static const char *const join_members[] = {"rule", "listed", "listed_add", "listed_remove", NULL};

static GsPlan update_group = {
	"UPDATE groupshare.sharing_group SET name = coalesce($2, name), description = coalesce($3, description),"
	" max_members = coalesce($4, max_members), listing = coalesce($5, listing), join_rule = coalesce($6, join_rule),"
	" state = 'live', established_at = coalesce(established_at, clock_timestamp()) WHERE id = $1",
	{UUIDOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID},
};
static GsPlan keep_listed = {
	"DELETE FROM groupshare.group_listed WHERE group_id = $1 AND identifier <> ALL ($2)",
	{UUIDOID, TEXTARRAYOID},
};
static GsPlan delete_listed = {
	"DELETE FROM groupshare.group_listed WHERE group_id = $1 AND identifier = ANY ($2)",
	{UUIDOID, TEXTARRAYOID},
};
static GsPlan insert_listed = {
	"INSERT INTO groupshare.group_listed (group_id, home, identifier)"
	" SELECT g.id, g.home, i FROM groupshare.sharing_group g, unnest($2) i WHERE g.id = $1 ON CONFLICT DO NOTHING",
	{UUIDOID, TEXTARRAYOID},
};
static GsPlan count_listed = {
	"SELECT count(*) FROM groupshare.group_listed WHERE group_id = $1",
	{UUIDOID},
};
static GsPlan find_banned = {
	"SELECT t.identifier FROM groupshare.membership m JOIN groupshare.terminal t ON t.id = m.terminal_id"
	" WHERE m.group_id = $1 AND m.state = 'banned' AND t.identifier = ANY ($2) LIMIT 1",
	{UUIDOID, TEXTARRAYOID},
};

ArrayType *gs_group_rules_identifiers(Jsonb *object, const char *name, int most, int *count)
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

void gs_group_rules_refuse_banned(const GsGroup *group, ArrayType *named)
{
	if (gs_plan_run(&find_banned, (Datum[]){UUIDPGetDatum(&group->id), PointerGetDatum(named)}, NULL, 1) > 0)
		ereport(ERROR,
				(errcode(GS_ERR_CONFLICT), errmsg("terminal \"%s\" is banned from the group", gs_result_text(0, 1)),
				 errhint("Lift the ban first.")));
}

static char *one_of(Jsonb *object, const char *name, const char *a, const char *b, const char *c)
{
	char *value = gs_body_text(object, name, false);

	if (value != NULL && strcmp(value, a) != 0 && strcmp(value, b) != 0 && strcmp(value, c) != 0)
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"%s\" must be \"%s\", \"%s\" or \"%s\"", name, a, b, c)));
	return value;
}

static char *read_description(Jsonb *settings)
{
	char *text = gs_body_text(settings, "description", false);

	if (text != NULL && !gs_name_description_valid(text, strlen(text)))
		ereport(ERROR,
				(errcode(GS_ERR_INVALID_PARAMETER),
				 errmsg("\"description\" must be NFC text of at most %d bytes", GS_DESCRIPTION_MAX_BYTES),
				 errhint("Lines may end with a line feed; other control and bidirectional characters are refused.")));
	return text;
}

static void change_list(const GsGroup *group, Jsonb *join)
{
	static const char *const names[] = {"listed", "listed_remove", "listed_add"};
	ArrayType *lists[lengthof(names)];
	Datum id = UUIDPGetDatum(&group->id);
	int count;

	for (size_t i = 0; i < lengthof(names); i++)
		lists[i] = gs_group_rules_identifiers(join, names[i], LISTED_CALL_MAX, &count);
	if (lists[0] != NULL)
		(void)gs_plan_run(&keep_listed, (Datum[]){id, PointerGetDatum(lists[0])}, NULL, 0);
	if (lists[1] != NULL)
		(void)gs_plan_run(&delete_listed, (Datum[]){id, PointerGetDatum(lists[1])}, NULL, 0);
	for (size_t i = 0; i < lengthof(names); i += 2)
		if (lists[i] != NULL) {
			gs_group_rules_refuse_banned(group, lists[i]);
			(void)gs_plan_run(&insert_listed, (Datum[]){id, PointerGetDatum(lists[i])}, NULL, 0);
		}
	(void)gs_plan_run(&count_listed, &id, NULL, 1);
	if (gs_result_int64(0, 1) > LISTED_MAX)
		ereport(ERROR, (errcode(GS_ERR_TOO_LARGE), errmsg("a group lists at most %d terminals", LISTED_MAX)));
}

static Datum text_or_null(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum)0 : CStringGetTextDatum(text);
}

void gs_group_rules_apply(GsGroup *group, Jsonb *settings)
{
	bool is_new = group->state == GS_GROUP_NEW;
	Jsonb *join = gs_body_object(settings, "join", is_new);
	char *name = gs_body_group_name(settings, "name", false);
	char *rule = NULL;
	int64 most = 0;
	bool has_most = gs_body_int64(settings, "max_members", false, 1, MEMBERS_MAX, &most);
	Datum values[6];
	char nulls[] = "      ";

	if (join != NULL) {
		gs_body_check(join, true, join_members);
		rule = one_of(join, "rule", "anyone", "listed", "confirm");
	}
	if (is_new && rule == NULL)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("a new group needs \"join\" with a \"rule\"")));
	values[0] = UUIDPGetDatum(&group->id);
	values[1] = text_or_null(name, &nulls[1]);
	values[2] = text_or_null(read_description(settings), &nulls[2]);
	values[3] = Int32GetDatum((int32)most);
	nulls[3] = has_most ? ' ' : 'n';
	values[4] = text_or_null(one_of(settings, "listing", "listed", "exact", "hidden"), &nulls[4]);
	values[5] = text_or_null(rule, &nulls[5]);
	(void)gs_plan_run(&update_group, values, nulls, 0);
	group->name = name == NULL ? group->name : name;
	group->state = GS_GROUP_LIVE;
	if (join != NULL)
		change_list(group, join);
}
