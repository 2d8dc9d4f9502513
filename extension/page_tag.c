/* SPDX-License-Identifier: PostgreSQL */
/*
 * ETags of group info, by what has changed since. A tag is a digest of the page, so it says nothing and equal pages
 * have equal ones. With the last tag of a terminal's page are kept a snapshot not younger than the page and the groups
 * that it depends on: those shown, and the next one, since `next` tells that it is there. The tag holds while no
 * transaction that the snapshot does not show has changed one of these groups, the terminal's own memberships, or what
 * all pages show: page_change.c notes these. A group of the terminal that is not among them can come onto the page only
 * by a change of memberships. A transaction that was under way when the page was made is not in the snapshot, however
 * low its number: it counts when it commits. When in doubt the page is made, and its digest decides.
 *
 * Notes are looked for by an index, only for subjects whose mark (page_mark.c) says that there may be some.
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

#include "page_mark.h"
#include "page_tag.h"
#include "plan.h"

#define SLOTS 8
#define REQUEST_MOST 600
#define TAG_HOURS 24
#define CHANGE_HOURS 96

static GsPlan find_tag = {
	"SELECT p.groups, p.seen, pg_snapshot_xmin(p.seen)::text::bigint FROM groupshare.page_tag p"
	" WHERE p.terminal_id = $1 AND p.slot = $2 AND p.request = $3 AND p.tag = $4"
	"   AND p.at > clock_timestamp() - $5 * interval '1 hour'",
	{UUIDOID, INT4OID, TEXTOID, TEXTOID, INT4OID},
	.by_key = true,
};
static GsPlan find_change = {
	"SELECT 1 FROM unnest($1) s (id), LATERAL (SELECT 1 FROM groupshare.page_change x"
	"   WHERE x.subject = s.id AND x.xid >= pg_snapshot_xmin($2)"
	"     AND (NOT pg_visible_in_snapshot(x.xid, $2) OR x.xid = pg_current_xact_id_if_assigned())"
	"   ORDER BY x.xid DESC LIMIT 1) c",
	{UUIDARRAYOID, PG_SNAPSHOTOID},
	.by_key = true,
};
static GsPlan keep_tag = {
	"INSERT INTO groupshare.page_tag AS p (terminal_id, slot, request, tag, seen, groups) VALUES ($1, $2, $3, $4, $5, "
	"$6)"
	" ON CONFLICT (terminal_id, slot) DO UPDATE SET request = excluded.request, tag = excluded.tag,"
	"   seen = excluded.seen, groups = excluded.groups, at = excluded.at",
	{UUIDOID, INT4OID, TEXTOID, TEXTOID, PG_SNAPSHOTOID, UUIDARRAYOID},
	.by_key = true,
};
static GsPlan sweep = {
	"WITH old AS (SELECT subject, xid FROM groupshare.page_change"
	"   WHERE at < now() - $2 * interval '1 hour' ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED)"
	" DELETE FROM groupshare.page_change c USING old WHERE c.subject = old.subject AND c.xid = old.xid",
	{INT8OID, INT4OID},
};

static Datum slot_of(const GsPageTag *page)
{
	return Int32GetDatum(hash_bytes((const unsigned char *)page->request, strlen(page->request)) % SLOTS);
}

Datum gs_page_tag_begin(void)
{
	gs_page_mark_begin();
	return OidFunctionCall0(F_PG_CURRENT_SNAPSHOT);
}

/* Of the page's groups, the terminal and all pages those that may have been noted since: mostly none. */
static ArrayType *doubtful(const GsPageTag *page, ArrayType *groups, FullTransactionId xmin)
{
	static const pg_uuid_t all_pages;
	Datum *ids;
	int count, kept = 0;

	deconstruct_array(groups, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &ids, NULL, &count);
	ids = repalloc(ids, (count + 2) * sizeof(Datum));
	ids[count++] = UUIDPGetDatum(page->terminal);
	ids[count++] = UUIDPGetDatum(&all_pages);
	for (int i = 0; i < count; i++)
		if (gs_page_mark_since(DatumGetUUIDP(ids[i]), xmin))
			ids[kept++] = ids[i];
	return kept == 0 ? NULL : gs_plan_uuid_array(ids, kept);
}

bool gs_page_tag_holds(const GsPageTag *page, const char *tag)
{
	Datum values[] = {UUIDPGetDatum(page->terminal), slot_of(page), CStringGetTextDatum(page->request),
					  CStringGetTextDatum(tag), Int32GetDatum(TAG_HOURS)};
	ArrayType *subjects;
	Datum seen;

	/* A standby has no unlogged tables. */
	if (RecoveryInProgress())
		return false;
	if (gs_plan_run(&find_tag, values, NULL, 1) == 0)
		return false;
	seen = PointerGetDatum(gs_result_bytea(0, 2));
	subjects = doubtful(page, gs_result_array(0, 1), FullTransactionIdFromU64(gs_result_int64(0, 3)));
	return subjects == NULL || gs_plan_run(&find_change, (Datum[]){PointerGetDatum(subjects), seen}, NULL, 1) == 0;
}

/*
 * Not by a transaction that has written something: its snapshot does not tell what it wrote before the page from what
 * it may write after. Not where rows of others that are newer would be an error.
 */
void gs_page_tag_keep(const GsPageTag *page, const char *tag)
{
	Datum values[] = {UUIDPGetDatum(page->terminal), slot_of(page), CStringGetTextDatum(page->request),
					  CStringGetTextDatum(tag),      page->seen,    PointerGetDatum(page->groups)};

	if (XactReadOnly || IsolationUsesXactSnapshot() || TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
		strlen(page->request) > REQUEST_MOST)
		return;
	(void)gs_plan_run(&keep_tag, values, NULL, 0);
}

uint64 gs_page_tag_sweep(int64 limit)
{
	return gs_plan_run(&sweep, (Datum[]){Int64GetDatum(limit), Int32GetDatum(CHANGE_HOURS)}, NULL, 0);
}
