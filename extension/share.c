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
	GsReceipt *receipt;
	pg_uuid_t id;
	char *owner_identifier;
	char *name;
	int64 size;
	bytea *sha256;
	bool stored;  /* share and this copy */
	bool pending; /* share and this copy */
	bool missing; /* the copy, of a stored share */
	bool further; /* the copy is pending, the share stored */
} ReceivedShare;

static GsPlan lock_shares_plan = {
	.sql = "SELECT s.id FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id"
		   " WHERE c.object = ANY ($1) AND c.device_id = $2 ORDER BY s.id FOR NO KEY UPDATE OF s",
	.types = {UUIDARRAYOID, UUIDOID},
	.by_key = true,
};

static GsPlan read_shares_plan = {
	.sql = "SELECT u.n, s.id, t.identifier, s.name, s.size_bytes, s.sha256,"
		   "       s.state = 'stored' AND c.state = 'stored', s.state = 'pending' AND c.state = 'pending',"
		   "       s.state = 'stored' AND c.state = 'missing', s.state = 'stored' AND c.state = 'pending'"
		   " FROM unnest($1::uuid[]) WITH ORDINALITY u (object, n) JOIN groupshare.share_copy c ON c.object = u.object"
		   "   JOIN groupshare.share s ON s.id = c.share_id JOIN groupshare.terminal t ON t.id = s.owner"
		   " WHERE c.device_id = $2 ORDER BY u.n",
	.types = {UUIDARRAYOID, UUIDOID},
	.by_key = true,
};

static GsPlan store_shares_plan = {
	.sql = "UPDATE groupshare.share s SET state = 'stored', sha256 = u.sha256, stored_at = now()"
		   " FROM unnest($1::uuid[], $2::bytea[]) u (id, sha256) WHERE s.id = u.id",
	.types = {UUIDARRAYOID, BYTEAARRAYOID},
	.by_key = true,
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

/*
 * The shares of the objects that this device has copies of, in the order of the receipts; returns how many. Locks them
 * and then reads: the reading statement's snapshot is younger than the locks.
 */
static int find_received(const pg_uuid_t *device, GsReceipt *receipts, int count, ReceivedShare *shares)
{
	Datum *objects = palloc(sizeof(*objects) * count);
	Datum values[2];
	int found;

	for (int i = 0; i < count; i++)
		objects[i] = UUIDPGetDatum(&receipts[i].object);
	values[0] = PointerGetDatum(gs_plan_uuid_array(objects, count));
	values[1] = UUIDPGetDatum(device);
	if (gs_plan_run(&lock_shares_plan, values, NULL, 0) == 0)
		return 0;
	found = (int)gs_plan_run(&read_shares_plan, values, NULL, 0);
	for (int i = 0; i < found; i++) {
		shares[i] = (ReceivedShare){.receipt = &receipts[gs_result_int64(i, 1) - 1],
									.id = *gs_result_uuid(i, 2),
									.owner_identifier = gs_result_text(i, 3),
									.name = gs_result_text(i, 4),
									.size = gs_result_int64(i, 5),
									.sha256 = gs_result_bytea(i, 6),
									.stored = gs_result_bool(i, 7),
									.pending = gs_result_bool(i, 8),
									.missing = gs_result_bool(i, 9),
									.further = gs_result_bool(i, 10)};
	}
	return found;
}

static bool differs(const ReceivedShare *share, const GsReceipt *receipt)
{
	const bytea *noticed = share->sha256, *received = receipt->sha256;

	return share->size != receipt->size ||
		   (noticed != NULL && (VARSIZE_ANY_EXHDR(noticed) != VARSIZE_ANY_EXHDR(received) ||
								memcmp(VARDATA_ANY(noticed), VARDATA_ANY(received), VARSIZE_ANY_EXHDR(received)) != 0));
}

static void judge(const ReceivedShare *share)
{
	GsReceipt *receipt = share->receipt;

	if (!(share->stored || share->pending || share->missing || share->further))
		return;
	receipt->noticed_size = share->size;
	receipt->outcome = differs(share, receipt) ? GS_RECEIPT_MISMATCH : GS_RECEIPT_STORED;
}

/* Those whose first copy this is, all at once; then who sees them is told. */
static void store(const ReceivedShare *shares, int count)
{
	Datum *ids = palloc(sizeof(*ids) * count), *digests = palloc(sizeof(*digests) * count);
	Datum values[2];
	int n = 0;

	for (int i = 0; i < count; i++) {
		if (!shares[i].pending || shares[i].receipt->outcome != GS_RECEIPT_STORED)
			continue;
		ids[n] = UUIDPGetDatum(&shares[i].id);
		digests[n++] = PointerGetDatum(shares[i].receipt->sha256);
	}
	if (n == 0)
		return;
	values[0] = PointerGetDatum(gs_plan_uuid_array(ids, n));
	values[1] = PointerGetDatum(construct_array(digests, n, BYTEAOID, -1, false, TYPALIGN_INT));
	gs_plan_run(&store_shares_plan, values, NULL, 0);
	for (int i = 0; i < count; i++) {
		if (!shares[i].pending || shares[i].receipt->outcome != GS_RECEIPT_STORED)
			continue;
		tell(&shares[i].id, shares[i].owner_identifier, shares[i].name, shares[i].size, shares[i].receipt->sha256,
			 "stored");
		gs_audit(NULL, "stored", gs_reply_uuid_text(&shares[i].id), NULL);
	}
	gs_replica_want_more(DatumGetArrayTypeP(values[0]));
}

/* Further copies: nobody is told, who sees the share sees it as before. And those that had been missed are back. */
static void store_further(const ReceivedShare *shares, int count)
{
	for (int i = 0; i < count; i++) {
		if (shares[i].receipt->outcome != GS_RECEIPT_STORED)
			continue;
		if (shares[i].missing)
			(void)gs_copy_return(&shares[i].receipt->object);
		if (!shares[i].further)
			continue;
		gs_replica_want(&shares[i].id);
		gs_audit(NULL, "copied", gs_reply_uuid_text(&shares[i].id), NULL);
	}
}

/* The reservations of what has arrived, then the ledger. */
static void settle(const pg_uuid_t *device, int64 epoch, const ReceivedShare *shares, int count)
{
	Datum *objects = palloc(sizeof(*objects) * Max(count, 1));
	int64 size = 0;
	int n = 0;

	for (int i = 0; i < count; i++) {
		if (!(shares[i].pending || shares[i].further) || shares[i].receipt->outcome != GS_RECEIPT_STORED)
			continue;
		objects[n++] = UUIDPGetDatum(&shares[i].receipt->object);
		size += shares[i].size;
	}
	if (n == 0)
		return;
	gs_reservation_settle(gs_plan_uuid_array(objects, n), n);
	if (!gs_ledger_settle(device, epoch, size))
		ereport(ERROR, (errcode(GS_ERR_STALE_EPOCH), errmsg("another start of this device has announced itself")));
}

void gs_share_receipts(const pg_uuid_t *device, int64 epoch, GsReceipt *receipts, int count)
{
	ReceivedShare *shares = palloc(sizeof(*shares) * count);
	int found = find_received(device, receipts, count, shares);

	for (int i = 0; i < count; i++)
		receipts[i].outcome = GS_RECEIPT_UNWANTED;
	for (int i = 0; i < found; i++)
		judge(&shares[i]);
	store(shares, found);
	store_further(shares, found);
	settle(device, epoch, shares, found);
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
