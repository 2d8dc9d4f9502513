/* SPDX-License-Identifier: PostgreSQL */
/*
 * Receipt and deletion of shares, and the events that tell of them. A receipt is idempotent: the device repeats it
 * until it is acknowledged. Quota is given back at the deletion, not at the end of the hold: the hold serves the DBA's
 * recovery, not the owner.
 *
 * Locks in the order of reservation.c: usage (deletion only), share, ledger. Of several receipts all shares are locked
 * first, in the order of their ids, and the ledger row last, once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "copy.h"
#include "errcodes.h"
#include "ledger.h"
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

/* What the receipts of one call settle, all of it on one device. */
typedef struct Arrived {
	int count;
	int64 bytes;
} Arrived;

static GsPlan lock_share_plan = {
	.sql = "SELECT s.id FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id"
		   " WHERE c.object = $1 AND c.device_id = $2 FOR NO KEY UPDATE OF s",
	.types = {UUIDOID, UUIDOID},
};

static GsPlan lock_shares_plan = {
	.sql = "SELECT s.id FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id"
		   " WHERE c.object = ANY ($1) AND c.device_id = $2 ORDER BY s.id FOR NO KEY UPDATE OF s",
	.types = {UUIDARRAYOID, UUIDOID},
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

static bool differs(const ReceivedShare *share, const GsReceipt *receipt)
{
	const bytea *noticed = share->sha256, *received = receipt->sha256;

	return share->size != receipt->size ||
		   (noticed != NULL && (VARSIZE_ANY_EXHDR(noticed) != VARSIZE_ANY_EXHDR(received) ||
								memcmp(VARDATA_ANY(noticed), VARDATA_ANY(received), VARSIZE_ANY_EXHDR(received)) != 0));
}

static void settle(const pg_uuid_t *share, Arrived *arrived)
{
	const GsAllocation *allocation = gs_reservation_find(share);

	gs_reservation_settle(allocation);
	arrived->count++;
	arrived->bytes += allocation->size;
}

static void store(const ReceivedShare *share, const GsReceipt *receipt, Arrived *arrived)
{
	Datum values[] = {UUIDPGetDatum(&share->id), PointerGetDatum(receipt->sha256)};

	gs_plan_run(&store_share_plan, values, NULL, 0);
	tell(&share->id, share->owner_identifier, share->name, receipt->size, receipt->sha256, "stored");
	gs_audit(NULL, "stored", gs_reply_uuid_text(&share->id), NULL);
	settle(&share->id, arrived);
	gs_replica_want_more(&share->id);
}

/* Nobody is told: who sees the share sees it as before. */
static void store_further(const ReceivedShare *share, Arrived *arrived)
{
	settle(&share->id, arrived);
	gs_replica_want(&share->id);
	gs_audit(NULL, "copied", gs_reply_uuid_text(&share->id), NULL);
}

static void receive(const pg_uuid_t *device, GsReceipt *receipt, Arrived *arrived)
{
	ReceivedShare *share = find_received(device, &receipt->object);

	receipt->outcome = GS_RECEIPT_UNWANTED;
	if (share == NULL || !(share->stored || share->pending || share->missing || share->further))
		return;
	receipt->outcome = GS_RECEIPT_MISMATCH;
	receipt->noticed_size = share->size;
	if (differs(share, receipt))
		return;
	receipt->outcome = GS_RECEIPT_STORED;
	if (share->pending)
		store(share, receipt, arrived);
	if (share->missing)
		(void)gs_copy_return(&receipt->object);
	if (share->further)
		store_further(share, arrived);
}

static void lock_shares(const pg_uuid_t *device, const GsReceipt *receipts, int count)
{
	Datum *objects = palloc(sizeof(*objects) * count);
	Datum values[2];

	for (int i = 0; i < count; i++)
		objects[i] = UUIDPGetDatum(&receipts[i].object);
	values[0] = PointerGetDatum(construct_array(objects, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	values[1] = UUIDPGetDatum(device);
	gs_plan_run(&lock_shares_plan, values, NULL, 0);
}

void gs_share_receipts(const pg_uuid_t *device, int64 epoch, GsReceipt *receipts, int count)
{
	Arrived arrived = {0};

	if (count > 1)
		lock_shares(device, receipts, count);
	for (int i = 0; i < count; i++)
		receive(device, &receipts[i], &arrived);
	if (arrived.count > 0 && !gs_ledger_settle(device, epoch, arrived.bytes))
		ereport(ERROR, (errcode(GS_ERR_STALE_EPOCH), errmsg("another start of this device has announced itself")));
}

bool gs_share_receipt(const pg_uuid_t *device, int64 epoch, const pg_uuid_t *object, int64 size, bytea *sha256)
{
	GsReceipt receipt = {.object = *object, .size = size, .sha256 = sha256};

	gs_share_receipts(device, epoch, &receipt, 1);
	if (receipt.outcome == GS_RECEIPT_MISMATCH)
		ereport(ERROR, (errcode(GS_ERR_RECEIPT_MISMATCH), errmsg("the object is not what the notice said"),
						receipt.noticed_size != size ? errdetail("The notice said %lld bytes, the receipt says %lld.",
																 (long long)receipt.noticed_size, (long long)size)
													 : errdetail("The digests differ.")));
	return receipt.outcome == GS_RECEIPT_STORED;
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
