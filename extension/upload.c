/* SPDX-License-Identifier: PostgreSQL */
/*
 * The upload notice: one transaction checks the right, charges the quota, makes the share, places it and reserves the
 * bytes, or does nothing.
 *
 * A terminal's notices run one after the other, by the lock on its usage row; so the look-up of a share by its name and
 * the making of it are one step. Locks in the order of reservation.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "access.h"
#include "errcodes.h"
#include "ids.h"
#include "lookup.h"
#include "placement.h"
#include "plan.h"
#include "quota.h"
#include "replica.h"
#include "reply.h"
#include "reservation.h"
#include "row.h"
#include "upload.h"

typedef struct KnownShare {
	pg_uuid_t id;
	int64 size;
	bytea *sha256; /* NULL: not known yet */
	bool stored;
	bool made; /* by this notice */
} KnownShare;

static GsPlan find_share_plan = {
	.sql = "SELECT s.id, s.size_bytes, s.sha256, s.state = 'stored' FROM groupshare.share s"
		   " WHERE s.owner = $1 AND s.name = $2 AND s.state IN ('pending', 'stored') FOR NO KEY UPDATE",
	.types = {UUIDOID, TEXTOID},
	.by_key = true,
};

/* Of shares that are pending or stored. */
static GsLookup share_name_lookup = {.table = "share", .index = "share_owner_name", .columns = {"id"}};

static GsTable share_table = {
	.name = "share",
	.columns = {"id", "home", "owner", "name", "size_bytes", "sha256", "all_groups"},
};

static GsPlan learn_digest_plan = {
	.sql = "UPDATE groupshare.share SET sha256 = $2 WHERE id = $1 AND sha256 IS NULL",
	.types = {UUIDOID, BYTEAOID},
};

static GsPlan choose_groups_plan = {
	.sql = "WITH chosen AS (UPDATE groupshare.share SET all_groups = false WHERE id = $1 AND all_groups),"
		   " dropped AS (DELETE FROM groupshare.share_group WHERE share_id = $1 AND group_id <> ALL ($3))"
		   " INSERT INTO groupshare.share_group (share_id, group_id, home) SELECT DISTINCT $1, g, $2 FROM unnest($3) g"
		   " ON CONFLICT (share_id, group_id) DO NOTHING",
	.types = {UUIDOID, UUIDOID, UUIDARRAYOID},
};

static GsPlan stored_on_plan = {
	.sql = "SELECT d.name FROM groupshare.share_copy c JOIN groupshare.device d ON d.id = c.device_id"
		   " WHERE c.share_id = $1 AND c.state = 'stored' ORDER BY c.stored_at LIMIT 1",
	.types = {UUIDOID},
};

/* Only groups that the terminal is in; one that it is not in looks like none. */
static void check_groups(const GsRequest *request, const GsNotice *notice)
{
	if (!gs_access_in_any_group(&request->terminal->id))
		ereport(ERROR, (errcode(GS_ERR_NOT_A_MEMBER), errmsg("only a member of a group may share"),
						errhint("Join or create a group first.")));
	for (int i = 0; i < notice->group_count; i++)
		gs_access_require(&request->terminal->id, &notice->groups[i], GS_ROLE_MEMBER);
}

/* Most notices are of new shares: for them the index's word is enough. */
static bool name_is_taken(const Datum *owner_and_name)
{
	const GsKey keys[] = {{1, BTEqualStrategyNumber, F_UUID_EQ, owner_and_name[0]}, GS_KEY_TEXT(2, owner_and_name[1])};
	GsCursor cursor;
	bool taken = gs_lookup_one(&cursor, &share_name_lookup, keys, lengthof(keys));

	gs_lookup_close(&cursor);
	return taken;
}

static KnownShare *find_share(const GsTerminal *owner, const char *name)
{
	Datum values[] = {UUIDPGetDatum(&owner->id), CStringGetTextDatum(name)};
	KnownShare *share;

	if (!name_is_taken(values) || gs_plan_run(&find_share_plan, values, NULL, 0) == 0)
		return NULL;
	share = palloc0(sizeof(*share));
	share->id = *gs_result_uuid(0, 1);
	share->size = gs_result_int64(0, 2);
	share->sha256 = gs_result_bytea(0, 3);
	share->stored = gs_result_bool(0, 4);
	return share;
}

static bool same_digest(const bytea *a, const bytea *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static void choose_groups(const GsRequest *request, const pg_uuid_t *share, const GsNotice *notice)
{
	Datum *groups = palloc(sizeof(*groups) * Max(notice->group_count, 1));
	Datum values[] = {UUIDPGetDatum(share), UUIDPGetDatum(&request->terminal->home), (Datum)0};

	for (int i = 0; i < notice->group_count; i++)
		groups[i] = UUIDPGetDatum(&notice->groups[i]);
	values[2] = PointerGetDatum(gs_plan_uuid_array(groups, notice->group_count));
	gs_plan_run(&choose_groups_plan, values, NULL, 0);
}

/* Holds the notice against what an earlier one of the same name said. */
static void match_share(const GsRequest *request, KnownShare *share, const GsNotice *notice)
{
	if (share->size != notice->size ||
		(share->sha256 != NULL && notice->sha256 != NULL && !same_digest(share->sha256, notice->sha256)))
		ereport(ERROR, (errcode(GS_ERR_SHARE_EXISTS), errmsg("a different share of this name exists"),
						errdetail("The share \"%s\" has %lld bytes and is %s.", notice->name, (long long)share->size,
								  share->stored ? "stored" : "being uploaded"),
						errhint("Delete it first, or use another name.")));
	if (share->sha256 == NULL && notice->sha256 != NULL) {
		Datum values[] = {UUIDPGetDatum(&share->id), PointerGetDatum(notice->sha256)};

		gs_plan_run(&learn_digest_plan, values, NULL, 0);
		share->sha256 = notice->sha256;
	}
	if (notice->groups != NULL)
		choose_groups(request, &share->id, notice);
}

static KnownShare *make_share(const GsRequest *request, const GsNotice *notice, const GsCursor *usage)
{
	const GsTerminal *owner = request->terminal;
	const pg_uuid_t id = gs_id_new();
	const Datum values[] = {UUIDPGetDatum(&id),
							UUIDPGetDatum(&owner->home),
							UUIDPGetDatum(&owner->id),
							CStringGetTextDatum(notice->name),
							Int64GetDatum(notice->size),
							PointerGetDatum(notice->sha256),
							BoolGetDatum(notice->groups == NULL)};
	const char nulls[] = {' ', ' ', ' ', ' ', ' ', notice->sha256 == NULL ? 'n' : ' ', ' '};
	KnownShare *share = palloc0(sizeof(*share));

	gs_quota_charge(owner, usage, notice->size);
	if (!gs_row_insert(&share_table, values, nulls))
		elog(ERROR, "a trigger has left the share out");
	share->id = id;
	share->size = notice->size;
	share->sha256 = notice->sha256;
	share->made = true;
	if (notice->groups != NULL)
		choose_groups(request, &share->id, notice);
	return share;
}

/* From here on no other notice, deletion or expiry of the terminal's shares runs beside this one. */
static KnownShare *know_share(const GsRequest *request, const GsNotice *notice)
{
	KnownShare *share;
	GsCursor usage;

	gs_quota_open(request->terminal, &usage);
	share = find_share(request->terminal, notice->name);
	if (share != NULL)
		match_share(request, share, notice);
	else
		share = make_share(request, notice, &usage);
	gs_lookup_close(&usage);
	return share;
}

static bool is_avoided(const GsAllocation *allocation, const GsNotice *notice)
{
	Datum *names;
	int count;

	deconstruct_array(notice->avoid, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &count);
	for (int i = 0; i < count; i++)
		if (strcmp(TextDatumGetCString(names[i]), allocation->device_name) == 0)
			return true;
	return false;
}

/* Of a pending share, or of a stored one whose copies are all damaged or missing. A device out of reach need not be
 * avoided: the search passes it over by itself. */
static GsAllocation *continue_upload(const GsRequest *request, const KnownShare *share, const GsNotice *notice,
									 const char **action)
{
	GsAllocation *allocation = gs_reservation_look(&share->id);

	if (allocation == NULL && share->stored) {
		*action = "upload_again";
		return gs_reservation_make(request, &share->id, share->size, notice->avoid);
	}
	if (allocation == NULL)
		elog(ERROR, "pending share without a live reservation");
	gs_replica_withdraw(&allocation->object);
	if (allocation->reachable && !is_avoided(allocation, notice)) {
		gs_reservation_extend(allocation);
		*action = "upload_repeated";
		return allocation;
	}
	*action = "upload_moved";
	return gs_reservation_move(request, &share->id, allocation, notice->avoid);
}

static void audit(const GsRequest *request, const char *action, const KnownShare *share, const GsNotice *notice,
				  const GsAllocation *allocation)
{
	GsReply detail;

	gs_reply_begin(&detail);
	gs_reply_text(&detail, "name", notice->name);
	gs_reply_int64(&detail, "size", notice->size);
	gs_reply_uuid(&detail, "object", &allocation->object);
	gs_reply_text(&detail, "device", allocation->device_name);
	gs_audit(request, action, gs_reply_uuid_text(&share->id), gs_reply_end(&detail));
}

static char *stored_on(const KnownShare *share)
{
	Datum values[] = {UUIDPGetDatum(&share->id)};

	return gs_plan_run(&stored_on_plan, values, NULL, 1) == 0 ? NULL : gs_result_text(0, 1);
}

GsUpload gs_upload_notice(const GsRequest *request, const GsNotice *notice)
{
	GsUpload upload = {0};
	GsAllocation *allocation;
	KnownShare *share;
	const char *action = "upload_notice";

	check_groups(request, notice);
	share = know_share(request, notice);
	if (share->stored)
		upload.device_name = stored_on(share);
	if (upload.device_name != NULL) {
		upload.share = share->id;
		upload.stored = true;
		return upload;
	}
	if (share->made)
		allocation = gs_reservation_make(request, &share->id, share->size, notice->avoid);
	else
		allocation = continue_upload(request, share, notice, &action);
	audit(request, action, share, notice, allocation);
	upload.share = share->id;
	upload.device_name = allocation->device_name;
	upload.object = allocation->object;
	upload.reservation_expires_at = allocation->expires_at;
	upload.designation = gs_ticketing_issue(&(GsTicketScope){.device = &allocation->device,
															 .object = &allocation->object,
															 .terminal = &request->terminal->id,
															 .upload = true,
															 .until = allocation->expires_at,
															 .size = share->size,
															 .rate = request->terminal->transfer_rate,
															 .sha256 = share->sha256,
															 .name = notice->name});
	return upload;
}
