/* SPDX-License-Identifier: PostgreSQL */
/*
 * Copies leave the devices that are fuller than the average by more than PERCENT hundredths of their capacity, which is
 * no more than the DBA's limit for them. What leaves: as much as a device can give away without falling below the
 * average, the smallest last, when some device below the average has no copy of that share. A device's load is what
 * lies there and is promised by its ledger row, without what is to be deleted or bad: those copies are few and have an
 * index, while the sum of all copies would read the whole catalog at each step.
 */
#include "rebalance.h"

#include "catalog/pg_type.h"

#include "plan.h"

#define PERCENT 5

/* $1: PERCENT */
#define TOO_FULL(condition)                                                                                       \
	"WITH load AS (SELECT d.id, least(l.capacity_bytes, l.capacity_limit_bytes)::numeric AS capacity,"            \
	"     l.held_bytes + l.reserved_bytes"                                                                        \
	"     - (SELECT coalesce(sum(s.size_bytes), 0) FROM groupshare.share_copy c"                                  \
	"     JOIN groupshare.share s ON s.id = c.share_id WHERE c.device_id = d.id AND c.stored_at IS NOT NULL"      \
	"     AND c.state IN ('quarantined', 'missing', 'abandoned')) AS bytes"                                       \
	"   FROM groupshare.device d JOIN groupshare.device_ledger l ON l.device_id = d.id"                           \
	"   WHERE d.state = 'active' AND l.epoch IS NOT NULL AND least(l.capacity_bytes, l.capacity_limit_bytes) > 0" \
	"     AND " condition "),"                                                                                    \
	" average AS (SELECT sum(bytes) / sum(capacity) AS used FROM load),"                                          \
	" too_full AS (SELECT load.id, load.bytes / load.capacity AS used,"                                           \
	"     load.bytes - average.used * load.capacity AS excess FROM load, average"                                 \
	"   WHERE load.bytes / load.capacity > average.used + $1 / 100.0),"

/* What each `device` can give away is what adds up to no more than its excess. None that is in copy_need: it has just
 * found no place, until its pause is over. */
#define MOVABLE(device)                                                                                   \
	" movable AS (SELECT c.object, s.size_bytes, f.excess,"                                               \
	"     sum(s.size_bytes) OVER (PARTITION BY f.id ORDER BY s.size_bytes DESC, c.object) AS total"       \
	"   FROM " device " f JOIN groupshare.share_copy c ON c.device_id = f.id AND c.state = 'stored'"      \
	"   JOIN groupshare.share s ON s.id = c.share_id WHERE s.size_bytes BETWEEN 1 AND f.excess"           \
	"     AND NOT EXISTS (SELECT 1 FROM groupshare.copy_need n WHERE n.share_id = s.id)"                  \
	"     AND EXISTS (SELECT 1 FROM load r, average a WHERE r.bytes / r.capacity < a.used AND NOT EXISTS" \
	"       (SELECT 1 FROM groupshare.share_copy o WHERE o.share_id = s.id AND o.device_id = r.id"        \
	"         AND o.state IN ('pending', 'stored', 'quarantined', 'missing'))))"

#define SUM " SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM movable WHERE total <= excess"

static GsPlan extent_plan = {
	.sql = TOO_FULL("true") MOVABLE("too_full") SUM,
	.types = {INT4OID},
};

#define UNDER_WAY                                                                           \
	"(SELECT 1 FROM groupshare.share_copy c JOIN groupshare.device a ON a.id = c.device_id" \
	" WHERE c.leaving AND c.state = 'stored' AND a.state = 'active')"

#define FULLEST " fullest AS (SELECT id, excess FROM too_full ORDER BY used DESC, id LIMIT 1),"

/* $2: how many at most */
#define MARK                                                                                                   \
	", chosen AS (SELECT c.object FROM movable o JOIN groupshare.share_copy c ON c.object = o.object"          \
	"   JOIN groupshare.share s ON s.id = c.share_id WHERE o.total <= o.excess ORDER BY o.total LIMIT $2"      \
	"   FOR NO KEY UPDATE OF s SKIP LOCKED),"                                                                  \
	" marked AS (UPDATE groupshare.share_copy c SET leaving = true FROM chosen WHERE c.object = chosen.object" \
	"   RETURNING c.share_id)"                                                                                 \
	" INSERT INTO groupshare.copy_need (share_id) SELECT share_id FROM marked"                                 \
	" ON CONFLICT (share_id) DO UPDATE SET not_before = now()"

/* None while some are still on their way: so the job ends also when nothing can be moved. */
static GsPlan step_plan = {
	.sql = TOO_FULL("NOT EXISTS " UNDER_WAY) FULLEST MOVABLE("fullest") MARK,
	.types = {INT4OID, INT8OID},
};

static GsPlan under_way_plan = {
	.sql = "SELECT 1 WHERE EXISTS " UNDER_WAY,
};

GsExtent gs_rebalance_extent(void)
{
	gs_plan_run(&extent_plan, (Datum[]){Int32GetDatum(PERCENT)}, NULL, 0);
	return (GsExtent){.copies = gs_result_int64(0, 1), .bytes = gs_result_int64(0, 2)};
}

uint64 gs_rebalance_step(int64 pace)
{
	return gs_plan_run(&step_plan, (Datum[]){Int32GetDatum(PERCENT), Int64GetDatum(pace)}, NULL, 0);
}

bool gs_rebalance_under_way(void)
{
	return gs_plan_run(&under_way_plan, NULL, NULL, 1) > 0;
}
