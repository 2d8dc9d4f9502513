/* SPDX-License-Identifier: PostgreSQL */
/*
 * May X do Y on Z. Only reads; takes no lock. Whoever must rely on the answer until commit locks the group row first
 * (member.c says in which order) and asks afterwards.
 */
#include "postgres.h"

#include "access.h"
#include "errcodes.h"
#include "lookup.h"
#include "plan.h"

static GsPlan find_role = {
	"SELECT m.state = 'administrator' FROM groupshare.membership m"
	"  JOIN groupshare.sharing_group g ON g.id = m.group_id"
	" WHERE m.terminal_id = $1 AND m.group_id = $2 AND m.state IN ('member', 'administrator')"
	"   AND g.state <> 'dissolved'",
	{UUIDOID, UUIDOID},
	.by_key = true,
};

static GsPlan find_visible_share = {
	"SELECT 1 FROM groupshare.share s"
	" WHERE s.id = $2 AND s.state = 'stored' AND (s.owner = $1 OR EXISTS ("
	"   SELECT 1 FROM groupshare.membership o"
	"     JOIN groupshare.membership m ON m.group_id = o.group_id"
	"     JOIN groupshare.sharing_group g ON g.id = o.group_id"
	"    WHERE o.terminal_id = s.owner AND o.state IN ('member', 'administrator')"
	"      AND m.terminal_id = $1 AND m.state IN ('member', 'administrator') AND g.state = 'live'"
	"      AND (s.all_groups OR EXISTS (SELECT 1 FROM groupshare.share_group v"
	"            WHERE v.share_id = s.id AND v.group_id = o.group_id))))",
	{UUIDOID, UUIDOID},
};

/* The index holds the memberships of members and administrators only. */
static GsLookup membership_lookup = {.table = "membership", .index = "membership_terminal", .columns = {"group_id"}};

static GsLookup group_lookup = {.table = "sharing_group", .index = "sharing_group_pkey", .columns = {"state"}};

GsRole gs_access_role(const pg_uuid_t *terminal, const pg_uuid_t *group)
{
	if (gs_plan_run(&find_role, (Datum[]){UUIDPGetDatum(terminal), UUIDPGetDatum(group)}, NULL, 1) == 0)
		return GS_ROLE_NONE;
	return gs_result_bool(0, 1) ? GS_ROLE_ADMINISTRATOR : GS_ROLE_MEMBER;
}

void gs_access_require(const pg_uuid_t *terminal, const pg_uuid_t *group, GsRole need)
{
	GsRole role = gs_access_role(terminal, group);

	if (role == GS_ROLE_NONE)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no such group"),
						errhint("A group that the terminal is not in looks the same.")));
	if (role < need)
		ereport(ERROR, (errcode(GS_ERR_FORBIDDEN), errmsg("only an administrator of the group may do this")));
}

bool gs_access_share_visible(const pg_uuid_t *terminal, const pg_uuid_t *share)
{
	return gs_plan_run(&find_visible_share, (Datum[]){UUIDPGetDatum(terminal), UUIDPGetDatum(share)}, NULL, 1) > 0;
}

bool gs_access_in_any_group(const pg_uuid_t *terminal)
{
	static ItemPointerData at; /* mostly the same group as the last time */
	const GsKey key = GS_KEY_UUID(1, terminal);
	GsCursor memberships, groups;
	bool live = false;

	gs_lookup_open(&memberships, &membership_lookup);
	gs_lookup_open(&groups, &group_lookup);
	gs_plan_freeze();
	gs_lookup_find(&memberships, &key, 1);
	while (!live && gs_lookup_next(&memberships)) {
		const pg_uuid_t group = gs_lookup_uuid(&memberships, 1);
		const GsKey id = GS_KEY_UUID(1, &group);

		live = gs_lookup_at(&groups, &id, &at) && strcmp(gs_lookup_text(&groups, 1), "live") == 0;
	}
	gs_lookup_close(&groups);
	gs_lookup_close(&memberships);
	gs_plan_thaw();
	return live;
}
