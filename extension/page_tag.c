/* SPDX-License-Identifier: PostgreSQL */
/*
 * ETags of group info, by what has changed since. A tag is a digest of the page, so it says nothing and equal pages
 * have equal ones. With the last tag of a terminal's page is kept a snapshot not younger than the page. The tag holds
 * while no transaction that the snapshot does not show has changed one of the terminal's groups, its own memberships,
 * or what all pages show: page_change.c notes these. One that was under way when the page was made is not in the
 * snapshot, however low its number: it counts when it commits. When in doubt the page is made, and its digest decides.
 *
 * What a client sends is only compared with the tag that is kept. A terminal has SLOTS rows at most.
 *
 * Tags are good for TAG_HOURS, notes are kept CHANGE_HOURS: no transaction is open for as long as lies between.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "page_tag.h"
#include "plan.h"

#define SLOTS 8
#define REQUEST_MOST 600
#define TAG_HOURS 24
#define CHANGE_HOURS 96

#define ALL_PAGES "'00000000-0000-0000-0000-000000000000'::uuid"

static GsPlan find_tag = {
	"SELECT 1 FROM groupshare.page_tag p WHERE p.terminal_id = $1 AND p.slot = $2 AND p.request = $3 AND p.tag = $4"
	"   AND p.at > clock_timestamp() - $6 * interval '1 hour'"
	"   AND NOT EXISTS (SELECT 1 FROM (SELECT " ALL_PAGES " UNION ALL SELECT $1 UNION ALL"
	"      SELECT m.group_id FROM groupshare.membership m WHERE m.terminal_id = $1"
	"         AND m.state IN ('member', 'administrator') AND ($5 IS NULL OR m.group_id = $5)) s (id),"
	"     LATERAL (SELECT 1 FROM groupshare.page_change x WHERE x.subject = s.id AND x.xid >= pg_snapshot_xmin(p.seen)"
	"         AND (NOT pg_visible_in_snapshot(x.xid, p.seen) OR x.xid = pg_current_xact_id_if_assigned())"
	"         ORDER BY x.xid DESC LIMIT 1) c)",
	{UUIDOID, INT4OID, TEXTOID, TEXTOID, UUIDOID, INT4OID},
	.by_key = true,
};
static GsPlan keep_tag = {
	"INSERT INTO groupshare.page_tag AS p (terminal_id, slot, request, tag, seen) VALUES ($1, $2, $3, $4, $5)"
	" ON CONFLICT (terminal_id, slot) DO UPDATE SET request = excluded.request, tag = excluded.tag,"
	"   seen = excluded.seen, at = excluded.at",
	{UUIDOID, INT4OID, TEXTOID, TEXTOID, PG_SNAPSHOTOID},
	.by_key = true,
};
static GsPlan sweep = {
	"DELETE FROM groupshare.page_change WHERE (subject, xid) IN (SELECT subject, xid FROM groupshare.page_change"
	"  WHERE at < now() - $2 * interval '1 hour' ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED)",
	{INT8OID, INT4OID},
};

static Datum slot_of(const GsPageTag *page)
{
	return Int32GetDatum(hash_bytes((const unsigned char *)page->request, strlen(page->request)) % SLOTS);
}

Datum gs_page_tag_begin(void)
{
	return OidFunctionCall0(F_PG_CURRENT_SNAPSHOT);
}

bool gs_page_tag_holds(const GsPageTag *page, const char *tag)
{
	Datum values[] = {UUIDPGetDatum(page->terminal),      slot_of(page),
					  CStringGetTextDatum(page->request), CStringGetTextDatum(tag),
					  UUIDPGetDatum(page->group),         Int32GetDatum(TAG_HOURS)};

	/* A standby has no unlogged tables. */
	if (RecoveryInProgress())
		return false;
	return gs_plan_run(&find_tag, values, page->group == NULL ? "    n " : NULL, 1) > 0;
}

/*
 * Not by a transaction that has written something: its snapshot does not tell what it wrote before the page from what
 * it may write after. Not where rows of others that are newer would be an error.
 */
void gs_page_tag_keep(const GsPageTag *page, const char *tag)
{
	Datum values[] = {UUIDPGetDatum(page->terminal), slot_of(page), CStringGetTextDatum(page->request),
					  CStringGetTextDatum(tag), page->seen};

	if (XactReadOnly || IsolationUsesXactSnapshot() || TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
		strlen(page->request) > REQUEST_MOST)
		return;
	(void)gs_plan_run(&keep_tag, values, NULL, 0);
}

uint64 gs_page_tag_sweep(int64 limit)
{
	return gs_plan_run(&sweep, (Datum[]){Int64GetDatum(limit), Int32GetDatum(CHANGE_HOURS)}, NULL, 0);
}
