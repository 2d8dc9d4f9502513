/* SPDX-License-Identifier: PostgreSQL */
/*
 * Copies that fail. A copy whose bytes are wrong (quarantined) or gone (missing) keeps its row, so that nothing of it
 * is ever designated again and its end is told and seen, in the view `damaged` and by an event to the owner.
 *
 * Locks in the order of reservation.c: the share's row is held by all callers.
 */
#include "copy.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "device.h"
#include "errcodes.h"
#include "plan.h"
#include "replica.h"
#include "reply.h"
#include "request.h"

#define DIGEST_BYTES 32

static GsPlan lock_plan = {
	.sql = "SELECT 1 FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id"
		   " WHERE c.object = $1 AND c.device_id = $2 FOR NO KEY UPDATE OF s",
	.types = {UUIDOID, UUIDOID},
};

static GsPlan try_lock_plan = {
	.sql = "SELECT 1 FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id"
		   " WHERE c.object = $1 AND c.device_id = $2 FOR NO KEY UPDATE OF s SKIP LOCKED",
	.types = {UUIDOID, UUIDOID},
};

static GsPlan fail_plan = {
	.sql = "UPDATE groupshare.share_copy SET state = $2, failed_at = now(), found_sha256 = $3"
		   " WHERE object = $1 AND state = 'stored' RETURNING share_id, jsonb_build_object('device',"
		   "   (SELECT d.name FROM groupshare.device d WHERE d.id = device_id), 'object', object,"
		   "   'found_sha256', encode($3, 'hex'))",
	.types = {UUIDOID, TEXTOID, BYTEAOID},
};

static GsPlan return_plan = {
	.sql = "UPDATE groupshare.share_copy SET state = 'stored', failed_at = NULL WHERE object = $1 AND state = 'missing'"
		   " RETURNING share_id",
	.types = {UUIDOID},
};

static GsPlan tell_plan = {
	.sql = "INSERT INTO groupshare.event (terminal_id, kind, data)"
		   " SELECT s.owner, 'share', jsonb_build_object('share', s.id, 'owner', t.identifier, 'name', s.name,"
		   "     'size', s.size_bytes, 'sha256', encode(s.sha256, 'hex'), 'state', $2, 'device', d.name, 'copies_left',"
		   "     (SELECT count(*) FROM groupshare.share_copy o WHERE o.share_id = s.id AND o.state = 'stored'))"
		   "   FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id"
		   "     JOIN groupshare.terminal t ON t.id = s.owner JOIN groupshare.device d ON d.id = c.device_id"
		   "  WHERE c.object = $1",
	.types = {UUIDOID, TEXTOID},
};

bool gs_copy_lock(const pg_uuid_t *device, const pg_uuid_t *object, bool wait)
{
	Datum values[] = {UUIDPGetDatum(object), UUIDPGetDatum(device)};

	return gs_plan_run(wait ? &lock_plan : &try_lock_plan, values, NULL, 0) > 0;
}

bool gs_copy_fail(const pg_uuid_t *object, const char *state, const bytea *found)
{
	Datum values[] = {UUIDPGetDatum(object), CStringGetTextDatum(state), PointerGetDatum(found)};
	const char nulls[] = {' ', ' ', found == NULL ? 'n' : ' '};
	const char *told = strcmp(state, "quarantined") == 0 ? "damaged" : "missing";
	const pg_uuid_t *share;
	Jsonb *detail;

	if (gs_plan_run(&fail_plan, values, nulls, 0) == 0)
		return false;
	share = gs_result_uuid(0, 1);
	detail = gs_result_jsonb(0, 2);
	gs_plan_run(&tell_plan, (Datum[]){UUIDPGetDatum(object), CStringGetTextDatum(told)}, NULL, 0);
	gs_replica_want(share);
	gs_audit(NULL, told, gs_reply_uuid_text(share), detail);
	return true;
}

bool gs_copy_return(const pg_uuid_t *object)
{
	const pg_uuid_t *share;

	if (gs_plan_run(&return_plan, (Datum[]){UUIDPGetDatum(object)}, NULL, 0) == 0)
		return false;
	share = gs_result_uuid(0, 1);
	gs_replica_want(share);
	gs_audit(NULL, "returned", gs_reply_uuid_text(share), NULL);
	return true;
}

PG_FUNCTION_INFO_V1(gs_device_damaged);
/* device_damaged(epoch, object, sha256) */
Datum gs_device_damaged(PG_FUNCTION_ARGS)
{
	int64 epoch = PG_GETARG_INT64(0);
	const pg_uuid_t *object = PG_GETARG_UUID_P(1);
	const bytea *found = PG_GETARG_BYTEA_PP(2);
	bool readable = VARSIZE_ANY_EXHDR(found) > 0;
	pg_uuid_t device;

	if (readable && VARSIZE_ANY_EXHDR(found) != DIGEST_BYTES)
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("sha256 must have 32 bytes, or none")));
	gs_plan_open();
	device = gs_device_caller(epoch);
	if (gs_copy_lock(&device, object, true))
		(void)gs_copy_fail(object, "quarantined", readable ? found : NULL);
	gs_plan_close();
	PG_RETURN_VOID();
}
