/* SPDX-License-Identifier: PostgreSQL */
/*
 * Work ordered by a control server; see work.h. Deletions: one batch a server at a time, claimed before it goes to the
 * pool.
 */
#include "storaged/work.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/log.h"
#include "storaged/control.h"
#include "storaged/fault.h"
#include "storaged/fetch.h"
#include "storaged/inventory.h"
#include "storaged/journal.h"
#include "storaged/measure.h"
#include "storaged/quarantine.h"
#include "storaged/staged.h"
#include "storaged/transfer.h"

typedef struct Removal {
	GsActive active;
	GsStaged *staged; /* an unfinished upload of it; taken out */
	int64_t id;
	bool done;            /* gone, or never was here */
	uint64_t freed_bytes; /* that were there: after a crash amid a removal it is only the sidecar that goes */
	int error;
} Removal;

typedef struct Batch {
	GsServer *server;
	GsJob job;
	size_t count;
	Removal removals[GS_WORK_MAX];
} Batch;

static void remove_one(const Batch *batch, Removal *removal)
{
	const GsDisk *disk = &batch->job.store->disk;
	const GsUuid *object = &removal->active.object;
	GsSidecar sidecar;
	int error = removal->staged != NULL ? 0 : gs_journal_read(disk, object, &sidecar);

	if (removal->staged != NULL) {
		removal->done = gs_stage_discard(&removal->staged->stage);
		removal->error = removal->done ? 0 : -removal->staged->stage.error;
	} else if (error == -ENOENT) {
		error = gs_quarantine_remove(disk, &batch->server->id, object, &removal->freed_bytes);
		removal->done = error == 0 || error == -ENOENT;
		removal->error = error;
	} else if (error != 0) {
		removal->error = error;
	} else if (!gs_uuid_equal(&sidecar.server, &batch->server->id)) {
		removal->error = -EPERM;
	} else {
		removal->error = gs_journal_remove(disk, object, &removal->freed_bytes);
		removal->done = removal->error == 0;
	}
}

static void batch_run(void *owner)
{
	Batch *batch = owner;

	for (size_t i = 0; i < batch->count; i++)
		remove_one(batch, &batch->removals[i]);
}

static void removal_failed(const Batch *batch, const Removal *removal)
{
	const char *object = removal->active.object.text;

	gs_log(GS_LOG_ERROR, NULL, "cannot delete an object", "object", object, "server", batch->server->id.text, "error",
		   strerror(-removal->error), NULL);
	/* Part of it may be gone, or come back: what this disk says can't be relied on. */
	if (removal->error == -EIO)
		gs_store_set_read_only(batch->job.store, object, EIO);
}

static void batch_done(void *owner)
{
	Batch *batch = owner;
	GsStore *store = batch->job.store;
	int64_t ids[GS_WORK_MAX];
	size_t done = 0;

	for (size_t i = 0; i < batch->count; i++) {
		Removal *removal = &batch->removals[i];

		gs_active_remove(&store->active, &removal->active);
		store->used_bytes -= removal->freed_bytes;
		if (removal->staged != NULL)
			gs_staged_drop(store, removal->staged);
		if (removal->done)
			ids[done++] = removal->id;
		else
			removal_failed(batch, removal);
	}
	gs_fault_exit("before_work_done");
	batch->server->working = false;
	gs_metric_add(&gs_metric_removed, (double)done);
	if (done > 0 && batch->server->control != NULL)
		gs_control_work_done(batch->server->control, ids, done);
	free(batch);
}

static void take_revocations(GsStore *store, GsServer *server, const GsWorkItem *items, size_t count)
{
	int64_t boot_us = gs_boot_us(), ids[GS_WORK_MAX];
	size_t done = 0;

	for (size_t i = 0; i < count; i++) {
		const GsWorkItem *item = &items[i];
		GsRevocation told = {.server = server->id,
							 .clock = &server->clock,
							 .has_terminal = item->has_terminal,
							 .has_object = item->has_object,
							 .terminal = item->terminal,
							 .object = item->object,
							 .before_s = item->before_s,
							 .until_s = item->until_s};

		if (item->kind == GS_WORK_REVOKE && gs_revocation_add(&store->revocations, &told, boot_us))
			ids[done++] = item->id;
	}
	if (done == 0)
		return;
	gs_transfer_cut_revoked(store);
	gs_metric_add(&gs_metric_revoked, (double)done);
	gs_control_work_done(server->control, ids, done);
}

static void start_batch(GsStore *store, Batch *batch)
{
	if (batch->count == 0) {
		free(batch);
		return;
	}
	batch->server->working = true;
	gs_job_submit(&batch->job, store, GS_JOB_LIGHT, batch, batch_run, batch_done);
}

static void claim_removal(GsStore *store, Batch *batch, const GsWorkItem *item)
{
	Removal *removal = &batch->removals[batch->count];
	GsStaged *staged = gs_staged_find(store, &item->object);

	gs_fetch_stop(store, batch->server, &item->object);
	if (gs_active_find(&store->active, &item->object) != NULL || (staged != NULL && staged->server != batch->server))
		return;
	if (staged != NULL)
		gs_staged_take(staged);
	removal->staged = staged;
	gs_active_add(&store->active, &removal->active, &item->object, GS_ACTIVE_REMOVAL);
	removal->id = item->id;
	batch->count++;
}

void gs_work_take(GsStore *store, GsServer *server, const GsWorkItem *items, size_t count)
{
	Batch *batch;

	take_revocations(store, server, items, count);
	for (size_t i = 0; i < count; i++)
		if (items[i].kind == GS_WORK_INVENTORY)
			gs_inventory_order(store, server);
	if (count == 0 || server->working)
		return;
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL)
		return;
	batch->server = server;
	for (size_t i = 0; i < count; i++)
		if (items[i].kind == GS_WORK_DELETE)
			claim_removal(store, batch, &items[i]);
	start_batch(store, batch);
}
