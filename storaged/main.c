/* SPDX-License-Identifier: PostgreSQL */
/*
 * groupshare-storaged: keeps objects on one disk and serves them to whoever holds a ticket. Here the worker is put
 * together: disk, epoch, sweep, one connection a control server; requests enter at routes.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/log.h"
#include "daemon/program.h"
#include "storaged/control.h"
#include "storaged/damage.h"
#include "storaged/fetch.h"
#include "storaged/fetch_http.h"
#include "storaged/measure.h"
#include "storaged/pace.h"
#include "storaged/proof.h"
#include "storaged/receipt.h"
#include "storaged/routes.h"
#include "storaged/scrub.h"
#include "storaged/sidecar_cache.h"
#include "storaged/staged.h"
#include "storaged/sweep.h"
#include "storaged/ticket_cache.h"

/* Before the first job, since the pool reads it then. */
static bool size_thread_pool(const GsStorageSettings *settings)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, settings->io_threads);
	return setenv("UV_THREADPOOL_SIZE", text, 1) == 0;
}

static bool make_url(GsStore *store, int port)
{
	const GsStorageSettings *settings = store->settings;
	const char *host = settings->common.listen_host;
	bool ipv6 = strchr(host, ':') != NULL;
	int size;

	if (settings->public_url != NULL)
		size = snprintf(store->url, sizeof(store->url), "%s", settings->public_url);
	else
		size = snprintf(store->url, sizeof(store->url), "%s://%s%s%s:%d", settings->common.cleartext ? "http" : "https",
						ipv6 ? "[" : "", host, ipv6 ? "]" : "", port);
	return size > 0 && (size_t)size < sizeof(store->url);
}

static bool make_caches(GsStore *store)
{
	store->proofs = gs_proof_start();
	store->tickets = gs_ticket_cache_new();
	store->sidecars = gs_sidecar_cache_new();
	return store->proofs != NULL && store->tickets != NULL && store->sidecars != NULL;
}

static int prepare_disk(GsStore *store)
{
	char error[512];
	struct timespec now;

	if (gs_disk_open(&store->disk, store->settings->root, error, sizeof(error)) != 0) {
		gs_log(GS_LOG_ERROR, NULL, "cannot use the disk", "error", error, NULL);
		return -1;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	store->epoch = gs_disk_next_epoch(&store->disk, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	if (store->epoch < 0) {
		gs_log(GS_LOG_ERROR, NULL, "cannot keep the epoch", "error", strerror((int)-store->epoch), NULL);
		return -1;
	}
	srandom((unsigned)store->epoch);
	return gs_sweep_start(store);
}

static bool start_controls(GsStore *store)
{
	const GsStorageSettings *settings = store->settings;

	for (size_t i = 0; i < settings->control_count; i++) {
		GsControl *control = gs_control_start(store, settings->controls[i].name, settings->controls[i].conninfo);

		if (control == NULL)
			return false;
		store->controls[store->control_count++] = control;
	}
	return true;
}

static void *worker_start(uv_loop_t *loop, const void *settings, int worker_index, int port)
{
	GsStore *store = calloc(1, sizeof(*store));
	const char *why;

	(void)worker_index;
	if (store == NULL)
		return NULL;
	store->loop = loop;
	store->settings = settings;
	store->io_threads = (size_t)store->settings->io_threads;
	store->disk = (GsDisk){-1, -1, -1, -1, -1, -1};
	TAILQ_INIT(&store->waits);
	TAILQ_INIT(&store->open);
	TAILQ_INIT(&store->fetches);
	for (int kind = 0; kind < GS_JOB_KINDS; kind++)
		TAILQ_INIT(&store->waiting[kind]);
	uv_timer_init(loop, &store->wait_timer);
	store->wait_timer.data = store;
	gs_staged_start(store);
	gs_pace_start(store);
	gs_measure_register();
	if (!gs_fetch_http_start(&why)) {
		gs_log(GS_LOG_ERROR, NULL, "cannot start", "error", why, NULL);
		return NULL;
	}
	if (!size_thread_pool(settings) || !make_caches(store) || !make_url(store, port) || prepare_disk(store) != 0 ||
		!start_controls(store) || (store->scrub = gs_scrub_start(store)) == NULL) {
		gs_log(GS_LOG_ERROR, NULL, "cannot start", NULL);
		return NULL; /* the process ends */
	}
	return store;
}

/* Root, threads, listening address and the list of control servers are fixed for the life of the process. */
static void worker_reload(void *state, const void *settings_)
{
	const GsStorageSettings *settings = settings_;
	GsStore *store = state;

	if (strcmp(settings->root, store->settings->root) != 0)
		gs_log(GS_LOG_WARN, NULL, "another [storage] root takes a restart", NULL);
	if ((size_t)settings->io_threads != store->io_threads)
		gs_log(GS_LOG_WARN, NULL, "another number of [storage] io_threads takes a restart", NULL);
	for (size_t i = 0; i < settings->control_count; i++) {
		bool known = false;

		for (size_t j = 0; j < store->control_count; j++) {
			if (strcmp(settings->controls[i].name, gs_control_name(store->controls[j])) != 0)
				continue;
			gs_control_set_conninfo(store->controls[j], settings->controls[i].conninfo);
			known = true;
		}
		if (!known)
			gs_log(GS_LOG_WARN, NULL, "a new control server takes a restart", "server", settings->controls[i].name,
				   NULL);
	}
	store->settings = settings;
}

static void worker_drain(void *state)
{
	GsStore *store = state;

	store->draining = true;
	gs_fetch_stop_all(store);
	if (store->jobs == 0 && store->transfers == 0)
		gs_program_drained(store);
}

static void timer_closed(uv_handle_t *handle)
{
	size_t *open_handles = handle->data;

	--*open_handles;
}

/* The streams are closed by now, so each transfer ends with what it still has on the pool. */
static void worker_stop(void *state)
{
	GsStore *store = state;
	size_t open_handles = 2;

	store->draining = false;
	store->stopping = true;
	gs_scrub_rest(store->scrub); /* else one without a rate to keep has a job at every turn */
	gs_fetch_stop_all(store);
	while (store->jobs > 0 || store->transfers > 0)
		uv_run(store->loop, UV_RUN_ONCE);
	for (size_t i = 0; i < store->control_count; i++)
		gs_control_stop(store->controls[i], &open_handles);
	gs_pace_stop(store, &open_handles);
	store->wait_timer.data = &open_handles;
	gs_scrub_stop(store->scrub, &open_handles);
	store->staged_timer.data = &open_handles;
	uv_close((uv_handle_t *)&store->wait_timer, timer_closed);
	uv_close((uv_handle_t *)&store->staged_timer, timer_closed);
	while (open_handles > 0)
		uv_run(store->loop, UV_RUN_ONCE);
	gs_receipt_free_all(store);
	gs_fetch_free_all(store);
	gs_staged_free_all(store);
	gs_damage_free_all(store);
	gs_proof_stop(store->proofs);
	gs_ticket_cache_free(store->tickets);
	gs_sidecar_cache_free(store->sidecars);
	gs_revocation_free(&store->revocations);
	gs_disk_close(&store->disk);
	free(store);
}

static const char *worker_ready(void *state)
{
	const GsStore *store = state;

	if (store->read_only)
		return "the disk failed";
	for (size_t i = 0; i < store->control_count; i++)
		if (gs_control_announced(store->controls[i]))
			return NULL;
	return "no control server is reached";
}

int main(int argc, char **argv)
{
	static const GsProgram program = {.name = "groupshare-storaged",
									  .version = GS_VERSION,
									  .settings = &gs_storage_settings,
									  .settings_size = sizeof(GsStorageSettings),
									  .routes = gs_storage_routes,
									  .cors = &gs_storage_cors,
									  .worker_start = worker_start,
									  .worker_reload = worker_reload,
									  .worker_drain = worker_drain,
									  .worker_stop = worker_stop,
									  .worker_ready = worker_ready};

	return gs_program_main(&program, argc, argv);
}
