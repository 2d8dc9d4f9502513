/* SPDX-License-Identifier: PostgreSQL */
/* The worker's state; see store.h. */
#include "storaged/store.h"

#include <assert.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/program.h"
#include "storaged/measure.h"

static void job_run(uv_work_t *work)
{
	GsJob *job = work->data;

	job->run(job->owner);
}

/* Once draining, the daemon may end when the last transfer and the last disk work have. */
static void check_drained(GsStore *store)
{
	if (store->draining && store->jobs == 0 && store->transfers == 0)
		gs_program_drained(store);
}

static void job_done(uv_work_t *work, int status);

static void start(GsJob *job)
{
	int error = uv_queue_work(job->store->loop, &job->work, job_run, job_done);

	assert(error == 0); /* it fails only without a callback */
	(void)error;
}

static void start_waiting(GsStore *store, GsJobKind kind)
{
	size_t threads = store->io_threads;
	const size_t most[GS_JOB_KINDS] = {
		[GS_JOB_LIGHT] = SIZE_MAX, [GS_JOB_WRITE] = (threads + 3) / 4, [GS_JOB_SYNC] = threads / 2};
	GsJob *job;

	while (store->running[kind] < most[kind] && (job = TAILQ_FIRST(&store->waiting[kind])) != NULL) {
		TAILQ_REMOVE(&store->waiting[kind], job, link);
		store->running[kind]++;
		start(job);
	}
}

static void job_done(uv_work_t *work, int status)
{
	GsJob *job = work->data;
	GsStore *store = job->store;
	GsJobKind kind = job->kind;

	assert(status == 0);
	(void)status;
	store->jobs--;
	store->running[kind]--;
	job->done(job->owner); /* may free the job */
	start_waiting(store, kind);
	check_drained(store);
}

void gs_job_submit(GsJob *job, GsStore *store, GsJobKind kind, void *owner, void (*run)(void *), void (*done)(void *))
{
	job->work.data = job;
	job->store = store;
	job->kind = kind;
	job->owner = owner;
	job->run = run;
	job->done = done;
	store->jobs++;
	TAILQ_INSERT_TAIL(&store->waiting[kind], job, link);
	start_waiting(store, kind);
}

void gs_store_begin_thread(GsStore *store)
{
	store->jobs++;
}

void gs_store_end_thread(GsStore *store)
{
	assert(store->jobs > 0);
	store->jobs--;
	check_drained(store);
}

GsServer *gs_store_server(GsStore *store, const GsUuid *id, bool add)
{
	GsServer *server;

	for (size_t i = 0; i < store->server_count; i++)
		if (gs_uuid_equal(&store->servers[i].id, id))
			return &store->servers[i];
	if (!add || store->server_count == GS_SERVERS_MAX)
		return NULL;
	server = &store->servers[store->server_count++];
	server->id = *id;
	TAILQ_INIT(&server->receipts);
	TAILQ_INIT(&server->postponed);
	TAILQ_INIT(&server->damages);
	return server;
}

void gs_server_stage(GsServer *server, uint64_t bytes)
{
	server->staged_bytes += bytes;
}

void gs_server_unstage(GsServer *server, uint64_t bytes)
{
	assert(bytes <= server->staged_bytes);
	server->staged_bytes -= bytes;
	server->staged_floor_bytes -= bytes < server->staged_floor_bytes ? bytes : server->staged_floor_bytes;
}

bool gs_store_begin(GsStore *store)
{
	if (store->transfers >= (size_t)store->settings->max_transfers)
		return false;
	store->transfers++;
	gs_metric_set(&gs_metric_transfers, (double)store->transfers);
	return true;
}

void gs_store_end(GsStore *store)
{
	assert(store->transfers > 0);
	store->transfers--;
	gs_metric_set(&gs_metric_transfers, (double)store->transfers);
	check_drained(store);
}

bool gs_store_has_room(const GsStore *store, uint64_t bytes)
{
	uint64_t capacity = (uint64_t)store->settings->capacity_bytes;

	return capacity == 0 || (store->used_bytes <= capacity && bytes <= capacity - store->used_bytes);
}

void gs_store_set_read_only(GsStore *store, const char *object, int error)
{
	gs_log(GS_LOG_ERROR, NULL, "the disk failed; no more uploads are taken until it is replaced and the daemon started",
		   "object", object, "error", strerror(error), NULL);
	store->read_only = true;
	gs_metric_set(&gs_metric_read_only, 1);
}

GsSpace gs_store_space(const GsStore *store, const GsDiskSpace *disk)
{
	uint64_t capacity = (uint64_t)store->settings->capacity_bytes;
	GsSpace space = {.capacity_bytes = disk->total_bytes, .free_bytes = disk->free_bytes};

	if (capacity != 0) {
		uint64_t left = capacity > store->used_bytes ? capacity - store->used_bytes : 0;

		space.capacity_bytes = capacity;
		space.free_bytes = left < disk->free_bytes ? left : disk->free_bytes;
	}
	return space;
}
