/* SPDX-License-Identifier: PostgreSQL */
/*
 * Receipt and deletion of shares, and the events that tell of them. A receipt is idempotent: the device repeats it
 * until it is acknowledged. Quota is given back at the deletion, not at the end of the hold: the hold serves the DBA's
 * recovery, not the owner.
 *
 * Locks in the order of reservation.c: usage (deletion only), share, ledger.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "copy.h"
#include "errcodes.h"
#include "plan.h"
#include "quota.h"
#include "replica.h"
#include "reply.h"
#include "reservation.h"
#include "settings.h"
#include "share.h"

typedef struct ReceivedShare {
	pg_uuid_t id;
	pg_uuid_t owner;
	char *owner_identifier;
	char *name;
	int64 size;
	bytea *sha256;
	bool stored;  /* share and this copy */
	bool pending; /* share and this copy */
	bool missing; /* the copy, of a stored share */
	bool further; /* the copy is pending, the share stored */
} ReceivedShare;

static GsPlan lock_share_plan = {
	.sql = "SELECT s.id FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id"
		   " WHERE c.object = $1 AND c.device_id = $2 FOR NO KEY UPDATE OF s",
	.types = {UUIDOID, UUIDOID},
};

static GsPlan read_share_plan = {
	.sql = "SELECT s.id, s.owner, t.identifier, s.name, s.size_bytes, s.sha256,"
		   "       s.state = 'stored' AND c.state = 'stored', s.state = 'pending' AND c.state = 'pending',"
		   "       s.state = 'stored' AND c.state = 'missing', s.state = 'stored' AND c.state = 'pending'"
		   " FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id"
		   "   JOIN groupshare.terminal t ON t.id = s.owner WHERE c.object = $1",
	.types = {UUIDOID},
};

static GsPlan store_share_plan = {
	.sql = "UPDATE groupshare.share SET state = 'stored', sha256 = $2, stored_at = now() WHERE id = $1",
	.types = {UUIDOID, BYTEAOID},
};

static GsPlan shown_groups_plan = {
	.sql = "SELECT coalesce(array_agg(g.id), '{}') FROM groupshare.share s"
		   "   JOIN groupshare.membership o ON o.terminal_id = s.owner AND o.state IN ('member', 'administrator')"
		   "   JOIN groupshare.sharing_group g ON g.id = o.group_id AND g.state = 'live'"
		   " WHERE s.id = $1 AND s.state = 'stored' AND (s.all_groups OR EXISTS (SELECT 1 FROM groupshare.share_group v"
		   "   WHERE v.share_id = s.id AND v.group_id = g.id))",
	.types = {UUIDOID},
};

static GsPlan own_share_plan = {
	.sql = "SELECT s.name, s.size_bytes, s.sha256, s.state = 'stored' FROM groupshare.share s"
		   " WHERE s.id = $1 AND s.owner = $2 AND s.state IN ('pending', 'stored') FOR NO KEY UPDATE",
	.types = {UUIDOID, UUIDOID},
};

static GsPlan delete_share_plan = {
	.sql = "UPDATE groupshare.share SET state = 'deleted', deleted_at = now(), held = state = 'stored' WHERE id = $1",
	.types = {UUIDOID},
};

static GsPlan abandon_copies_plan = {
	.sql = "WITH dropped AS (UPDATE groupshare.share_copy SET state = 'abandoned'"
		   "   WHERE share_id = $1 AND state IN ('stored', 'quarantined', 'missing') RETURNING device_id, object)"
		   " INSERT INTO groupshare.device_work (device_id, kind, object, not_before)"
		   " SELECT device_id, 'delete', object, now() + $2 * interval '1 second' FROM dropped",
	.types = {UUIDOID, INT4OID},
};

ArrayType *gs_share_shown_groups(const pg_uuid_t *share)
{
	(void)gs_plan_run(&shown_groups_plan, (Datum[]){UUIDPGetDatum(share)}, NULL, 1);
	return gs_result_array(0, 1);
}

/* All members of the groups in which it is shown: its owner's own programs too. */
static void tell(const pg_uuid_t *share, const char *owner, const char *name, int64 size, const bytea *sha256,
				 const char *state)
{
	GsReply data;
	char hex[2 * 32 + 1] = {0};

	hex_encode(VARDATA_ANY(sha256), Min(VARSIZE_ANY_EXHDR(sha256), 32), hex);
	gs_reply_begin(&data);
	gs_reply_uuid(&data, "share", share);
	gs_reply_text(&data, "owner", owner);
	gs_reply_text(&data, "name", name);
	gs_reply_int64(&data, "size", size);
	gs_reply_text(&data, "sha256", hex);
	gs_reply_text(&data, "state", state);
	gs_event_groups(gs_share_shown_groups(share), construct_empty_array(UUIDOID), "share", gs_reply_end(&data));
}

/* Locks the share and then reads it: the reading statement's snapshot is younger than the lock. */
static ReceivedShare *find_received(const pg_uuid_t *device, const pg_uuid_t *object)
{
	Datum values[] = {UUIDPGetDatum(object), UUIDPGetDatum(device)};
	ReceivedShare *share;

	if (gs_plan_run(&lock_share_plan, values, NULL, 0) == 0)
		return NULL;
	if (gs_plan_run(&read_share_plan, values, NULL, 0) == 0)
		elog(ERROR, "a locked share vanished");
	share = palloc(sizeof(*share));
	share->id = *gs_result_uuid(0, 1);
	share->owner = *gs_result_uuid(0, 2);
	share->owner_identifier = gs_result_text(0, 3);
	share->name = gs_result_text(0, 4);
	share->size = gs_result_int64(0, 5);
	share->sha256 = gs_result_bytea(0, 6);
	share->stored = gs_result_bool(0, 7);
	share->pending = gs_result_bool(0, 8);
	share->missing = gs_result_bool(0, 9);
	share->further = gs_result_bool(0, 10);
	return share;
}

static void check_received(const ReceivedShare *share, int64 size, const bytea *sha256)
{
	bool digest_differs = share->sha256 != NULL &&
						  (VARSIZE_ANY_EXHDR(share->sha256) != VARSIZE_ANY_EXHDR(sha256) ||
						   memcmp(VARDATA_ANY(share->sha256), VARDATA_ANY(sha256), VARSIZE_ANY_EXHDR(sha256)) != 0);

	if (share->size == size && !digest_differs)
		return;
	ereport(ERROR, (errcode(GS_ERR_RECEIPT_MISMATCH), errmsg("the object is not what the notice said"),
					share->size != size ? errdetail("The notice said %lld bytes, the receipt says %lld.",
													(long long)share->size, (long long)size)
										: errdetail("The digests differ.")));
}

static void settle(const GsAllocation *allocation, int64 epoch)
{
	if (!gs_reservation_settle(allocation, epoch))
		ereport(ERROR, (errcode(GS_ERR_STALE_EPOCH), errmsg("another start of this device has announced itself")));
}

static void store(const ReceivedShare *share, int64 epoch, int64 size, bytea *sha256)
{
	Datum values[] = {UUIDPGetDatum(&share->id), PointerGetDatum(sha256)};
	GsAllocation *allocation = gs_reservation_find(&share->id);

	gs_plan_run(&store_share_plan, values, NULL, 0);
	tell(&share->id, share->owner_identifier, share->name, size, sha256, "stored");
	gs_audit(NULL, "stored", gs_reply_uuid_text(&share->id), NULL);
	settle(allocation, epoch);
	gs_replica_want_more(&share->id);
}

/* Nobody is told: who sees the share sees it as before. */
static void store_further(const ReceivedShare *share, int64 epoch)
{
	settle(gs_reservation_find(&share->id), epoch);
	gs_replica_want(&share->id);
	gs_audit(NULL, "copied", gs_reply_uuid_text(&share->id), NULL);
}

bool gs_share_receipt(const pg_uuid_t *device, int64 epoch, const pg_uuid_t *object, int64 size, bytea *sha256)
{
	ReceivedShare *share = find_received(device, object);

	if (share == NULL || !(share->stored || share->pending || share->missing || share->further))
		return false;
	check_received(share, size, sha256);
	if (share->pending)
		store(share, epoch, size, sha256);
	if (share->missing)
		(void)gs_copy_return(object);
	if (share->further)
		store_further(share, epoch);
	return true;
}

void gs_share_delete(const GsRequest *request, const pg_uuid_t *share)
{
	const GsTerminal *owner = request->terminal;
	Datum values[] = {UUIDPGetDatum(share), UUIDPGetDatum(&owner->id)};
	char *name;
	bytea *sha256;
	int64 size;
	bool stored;
	GsAllocation *pending; /* of the share, or of a further copy */

	gs_quota_lock(owner);
	if (gs_plan_run(&own_share_plan, values, NULL, 0) == 0)
		ereport(ERROR, (errcode(GS_ERR_NOT_FOUND), errmsg("there is no such share"),
						errhint("Only its owner can delete a share.")));
	name = gs_result_text(0, 1);
	size = gs_result_int64(0, 2);
	sha256 = gs_result_bytea(0, 3);
	stored = gs_result_bool(0, 4);
	if (stored) {
		Datum copies[] = {UUIDPGetDatum(share), Int32GetDatum(gs_delete_hold_s)};

		tell(share, owner->identifier, name, size, sha256, "deleted");
		gs_plan_run(&abandon_copies_plan, copies, NULL, 0);
	}
	gs_plan_run(&delete_share_plan, values, NULL, 0);
	gs_quota_refund(&owner->id, size);
	gs_audit(request, "delete_share", gs_reply_uuid_text(share), NULL);
	gs_replica_forget(share);
	pending = gs_reservation_look(share);
	if (pending != NULL)
		gs_reservation_end(pending, "cancelled");
}
