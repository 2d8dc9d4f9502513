/* SPDX-License-Identifier: PostgreSQL */
/* Unfinished uploads; see staged.h. */
#include "storaged/staged.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "storaged/journal.h"
#include "storaged/measure.h"

#define EXPIRE_EVERY_MS 5000
#define EXPIRE_AT_ONCE 64

static void count(GsStore *store, int change)
{
	store->staged_count = (size_t)((ssize_t)store->staged_count + change);
	gs_metric_set(&gs_metric_staged, (double)store->staged_count);
}

GsStaged *gs_staged_find(const GsStore *store, const GsUuid *object)
{
	return (GsStaged *)gs_active_find(&store->staged, object); /* `entry` is the first member */
}

void gs_staged_add(GsStore *store, GsStaged *staged)
{
	staged->store = store;
	gs_active_add(&store->staged, &staged->entry, &staged->stage.object, GS_ACTIVE_STAGED);
	count(store, 1);
}

void gs_staged_take(GsStaged *staged)
{
	gs_active_remove(&staged->store->staged, &staged->entry);
	count(staged->store, -1);
}

void gs_staged_drop(GsStore *store, GsStaged *staged)
{
	store->used_bytes -= staged->stage.size_bytes;
	gs_server_unstage(staged->server, staged->stage.size_bytes);
	gs_stage_close(&staged->stage);
	free(staged);
}

static void discard_run(void *owner)
{
	GsStaged *staged = owner;

	staged->discarded = gs_stage_discard(&staged->stage);
}

static void discard_done(void *owner)
{
	GsStaged *staged = owner;
	GsStore *store = staged->store;

	if (!staged->discarded)
		gs_store_set_read_only(store, staged->entry.object.text, staged->stage.error);
	gs_active_remove(&store->active, &staged->entry);
	gs_staged_drop(store, staged);
}

void gs_staged_discard(GsStore *store, GsStaged *staged)
{
	gs_staged_take(staged);
	gs_active_add(&store->active, &staged->entry, &staged->stage.object, GS_ACTIVE_REMOVAL);
	gs_job_submit(&staged->job, store, GS_JOB_LIGHT, staged, discard_run, discard_done);
}

int gs_staged_recall(GsStore *store, const GsProgress *progress)
{
	GsServer *server = gs_store_server(store, &progress->server, true);
	GsStaged *staged = calloc(1, sizeof(*staged));

	if (staged == NULL || server == NULL) {
		free(staged);
		return server == NULL ? -ENOSPC : -ENOMEM;
	}
	staged->server = server;
	gs_stage_recall(&staged->stage, &store->disk, progress);
	store->used_bytes += progress->size_bytes;
	gs_server_stage(server, progress->size_bytes); /* no receipt of it was ever sent */
	gs_staged_add(store, staged);
	return 0;
}

static void expire(uv_timer_t *timer)
{
	GsStore *store = timer->data;
	size_t expired = 0;

	for (size_t i = 0; i < GS_ACTIVE_BUCKETS && expired < EXPIRE_AT_ONCE; i++) {
		GsActive *entry = store->staged.buckets[i], *next;

		for (; entry != NULL && expired < EXPIRE_AT_ONCE; entry = next) {
			GsStaged *staged = (GsStaged *)entry;

			next = entry->next;
			if (staged->stage.until_s + GS_TICKET_LEEWAY_S >= gs_clock_now_s(&staged->server->clock) ||
				gs_active_find(&store->active, &entry->object) != NULL)
				continue;
			gs_log(GS_LOG_INFO, NULL, "an unfinished upload has expired", "object", entry->object.text, NULL);
			gs_staged_discard(store, staged);
			expired++;
		}
	}
}

void gs_staged_start(GsStore *store)
{
	uv_timer_init(store->loop, &store->staged_timer);
	store->staged_timer.data = store;
	uv_timer_start(&store->staged_timer, expire, EXPIRE_EVERY_MS, EXPIRE_EVERY_MS);
}

void gs_staged_free_all(GsStore *store)
{
	for (size_t i = 0; i < GS_ACTIVE_BUCKETS; i++) {
		GsActive *entry;

		while ((entry = store->staged.buckets[i]) != NULL) {
			GsStaged *staged = (GsStaged *)entry;

			gs_staged_take(staged);
			gs_stage_close(&staged->stage);
			free(staged);
		}
	}
}
