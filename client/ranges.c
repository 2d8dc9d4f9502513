/* SPDX-License-Identifier: PostgreSQL */
/*
 * A download by several requests at a time, each on a connection and in a thread of its own, so that neither one
 * connection's window or losses nor one processor limits it. A lane takes pieces that nobody has, fetches them by one
 * request, and takes the next. The caller's thread meanwhile makes the digest of what lies in a row, keeps the map on
 * disk, and calls the progress function; it alone touches the client and the digest.
 *
 * One lock, `lock`, for the map and the counters; nothing is called while it is held. After a failure no lane takes
 * more.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/get.h"

#define RUN_MAX_BYTES (32 << 20)
#define LANE_STACK_BYTES (512 << 10)
#define LOOK_MS 100
#define HASH_STEP_BYTES (8 << 20)
#define SAVE_LOOKS 10

typedef struct Ranges Ranges;

typedef struct Lane {
	Ranges *ranges;
	pthread_t thread;
	bool started;
	GsHttp *http;
	size_t first; /* the pieces that it fetches */
	size_t count;
	int64_t at; /* its next byte */
	int64_t end;
	bool answered;
	GsErrorBox box;
} Lane;

struct Ranges {
	GsGet *get;
	const char *url;
	pthread_mutex_t lock;
	pthread_cond_t ended; /* a lane */
	unsigned running;
	int64_t received; /* bytes that are had, and those of unfinished pieces */
	GsGetNext next;   /* other than DONE: why no lane goes on */
	GsErrorBox box;   /* of that */
	atomic_bool cancelled;
	Lane lanes[GS_CLIENT_PARALLEL_MAX];
};

static int lane_tick(void *arg, uint64_t sent)
{
	const Lane *lane = arg;

	(void)sent;
	return atomic_load(&lane->ranges->cancelled) ? 1 : 0;
}

/* The pieces that are whole now. */
static void pieces_done(Lane *lane, size_t size)
{
	Ranges *ranges = lane->ranges;
	GsMap *map = &ranges->get->map;

	pthread_mutex_lock(&ranges->lock);
	ranges->received += (int64_t)size;
	while (lane->count > 0 && gs_map_offset(map, lane->first + 1) <= lane->at) {
		gs_map_put(map, lane->first++);
		lane->count--;
	}
	pthread_mutex_unlock(&ranges->lock);
}

static int on_data(void *arg, const GsHttpReply *reply, const void *data, size_t size)
{
	Lane *lane = arg;
	const GsGet *get = lane->ranges->get;
	const char *bytes = data;
	size_t left = size;

	if (!lane->answered && (reply->status != 206 || reply->range_start != lane->at))
		return gs_error_set(&lane->box, GS_CLIENT_PROTOCOL, "Try --parallel 1.",
							"the device did not answer with the range that was asked for");
	lane->answered = true;
	if ((int64_t)size > lane->end - lane->at)
		return gs_error_set(&lane->box, GS_CLIENT_PROTOCOL, NULL, "the device sent more than was asked for");
	while (left > 0) {
		ssize_t n = pwrite(get->fd, bytes, left, lane->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gs_error_errno(&lane->box, "Make room, then run get again: it continues.", "cannot write %s",
								  get->part);
		bytes += n;
		left -= (size_t)n;
		lane->at += n;
	}
	pieces_done(lane, size);
	return GS_CLIENT_OK;
}

static GsGetNext fetch_run(Lane *lane)
{
	const GsGet *get = lane->ranges->get;
	char range[80];
	char if_range[128];
	GsHttpReply reply;
	GsGetNext next;
	int status;

	snprintf(range, sizeof(range), "Range: bytes=%lld-%lld", (long long)lane->at, (long long)lane->end - 1);
	snprintf(if_range, sizeof(if_range), "If-Range: \"%s\"",
			 json_string_value(json_object_get(get->designation, "sha256")));
	lane->answered = false;
	status = gs_http_send(lane->http,
						  &(GsHttpRequest){.method = "GET",
										   .url = lane->ranges->url,
										   .bearer = gs_get_source(get, "ticket"),
										   .headers = {range, if_range},
										   .upload_bytes = -1,
										   .sink = on_data,
										   .sink_arg = lane,
										   .tick = lane_tick,
										   .tick_arg = lane,
										   .wait_s = -1},
						  &reply, &lane->box);
	next = gs_get_after(get, &reply, status, &lane->box);
	if (next == GS_GET_DONE && lane->at < lane->end) {
		gs_error_set(&lane->box, GS_CLIENT_NETWORK, "Run get again: it continues.", "the answer ended too early");
		next = GS_GET_AGAIN;
	}
	gs_http_reply_clear(&reply);
	return next;
}

/* Smaller towards the end, so that the lanes end together. */
static bool take_run(Lane *lane)
{
	Ranges *ranges = lane->ranges;
	GsMap *map = &ranges->get->map;
	int64_t share = (map->size - gs_map_had_bytes(map)) / (2 * ranges->get->lanes);
	size_t most = (size_t)((share < RUN_MAX_BYTES ? share : RUN_MAX_BYTES) / map->piece);

	if (ranges->next != GS_GET_DONE || atomic_load(&ranges->cancelled) ||
		!gs_map_take(map, most > 0 ? most : 1, &lane->first, &lane->count))
		return false;
	lane->at = gs_map_offset(map, lane->first);
	lane->end = gs_map_offset(map, lane->first + lane->count);
	return true;
}

static void *lane_main(void *arg)
{
	Lane *lane = arg;
	Ranges *ranges = lane->ranges;

	pthread_mutex_lock(&ranges->lock);
	while (take_run(lane)) {
		GsGetNext next;

		pthread_mutex_unlock(&ranges->lock);
		next = fetch_run(lane);
		pthread_mutex_lock(&ranges->lock);
		if (lane->count > 0) {
			ranges->received -= lane->at - gs_map_offset(&ranges->get->map, lane->first);
			gs_map_give_back(&ranges->get->map, lane->first, lane->count);
		}
		/* What can't pass goes before what may. */
		if (next > ranges->next) {
			ranges->next = next;
			gs_error_restore(&ranges->box, &lane->box);
		}
	}
	ranges->running--;
	pthread_cond_signal(&ranges->ended);
	pthread_mutex_unlock(&ranges->lock);
	return NULL;
}

static int start_lane(Ranges *ranges, Lane *lane)
{
	GsErrorBox *box = &ranges->get->client->box;
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;
	int failed;
	int status = gs_http_open(&lane->http, ranges->get->client->config.ca, box);

	if (status != GS_CLIENT_OK)
		return status;
	lane->ranges = ranges;
	gs_error_clear(&lane->box);
	if (pthread_attr_init(&attributes) != 0)
		return gs_error_memory(box);
	pthread_attr_setstacksize(&attributes, LANE_STACK_BYTES);
	/* Signals are the business of the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&lane->thread, &attributes, lane_main, lane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	lane->started = failed == 0;
	return lane->started ? GS_CLIENT_OK : gs_error_memory(box);
}

int gs_get_save_map(GsGet *get, uint8_t *bytes)
{
	size_t size = gs_map_bytes(get->size);

	if (fdatasync(get->fd) != 0 || pwrite(get->fd, bytes, size, get->size) != (ssize_t)size)
		return gs_error_errno(&get->client->box, "Make room, then run get again.", "cannot write %s", get->part);
	return GS_CLIENT_OK;
}

/* What the map says now; its bytes have been written, though perhaps not synced. */
static int save(Ranges *ranges, uint8_t *bytes)
{
	pthread_mutex_lock(&ranges->lock);
	gs_map_save(&ranges->get->map, bytes);
	pthread_mutex_unlock(&ranges->lock);
	return gs_get_save_map(ranges->get, bytes);
}

/* Adds the next of what lies in a row to the digest. *more: there is more to add. */
static int hash_step(GsGet *get, int64_t prefix, bool *more)
{
	GsWatcher nobody = {0};
	int64_t to = prefix - get->at < HASH_STEP_BYTES ? prefix : get->at + HASH_STEP_BYTES;
	int status = gs_digest_add_file(get->digest, get->fd, get->at, to, &nobody, get->part, &get->client->box);

	get->at = to;
	*more = to < prefix;
	return status;
}

/* One look at the lanes: counts, digest, progress. */
static int look(Ranges *ranges, bool *running)
{
	GsGet *get = ranges->get;
	struct timespec until;
	int64_t received;
	int64_t prefix;
	bool more;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&ranges->lock);
	if (ranges->running > 0 && gs_map_prefix_bytes(&get->map) - get->at < HASH_STEP_BYTES)
		pthread_cond_timedwait(&ranges->ended, &ranges->lock, &until);
	received = ranges->received;
	prefix = gs_map_prefix_bytes(&get->map);
	*running = ranges->running > 0;
	pthread_mutex_unlock(&ranges->lock);
	status = hash_step(get, prefix, &more);
	if (status == GS_CLIENT_OK && get->want->progress != NULL &&
		get->want->progress(get->want->progress_arg, GS_CLIENT_RECEIVING, (uint64_t)received, (uint64_t)get->size) != 0)
		status = gs_error_set(&get->client->box, GS_CLIENT_CANCELLED, NULL, "cancelled");
	return status;
}

static int watch_lanes(Ranges *ranges, uint8_t *bytes)
{
	GsGet *get = ranges->get;
	bool running = true;
	int status = GS_CLIENT_OK;

	for (int looks = 1; running && status == GS_CLIENT_OK; looks++) {
		status = look(ranges, &running);
		if (status == GS_CLIENT_OK && looks % SAVE_LOOKS == 0)
			status = save(ranges, bytes);
	}
	if (status != GS_CLIENT_OK)
		atomic_store(&ranges->cancelled, true);
	for (unsigned i = 0; i < get->lanes; i++) {
		if (ranges->lanes[i].started)
			pthread_join(ranges->lanes[i].thread, NULL);
		gs_http_close(ranges->lanes[i].http);
	}
	return status;
}

static GsGetNext run_lanes(Ranges *ranges, uint8_t *bytes)
{
	GsGet *get = ranges->get;
	GsErrorBox why;
	int status = GS_CLIENT_OK;

	ranges->received = gs_map_had_bytes(&get->map);
	for (unsigned i = 0; i < get->lanes && status == GS_CLIENT_OK; i++) {
		pthread_mutex_lock(&ranges->lock);
		ranges->running++;
		pthread_mutex_unlock(&ranges->lock);
		status = start_lane(ranges, &ranges->lanes[i]);
		if (status != GS_CLIENT_OK) {
			pthread_mutex_lock(&ranges->lock);
			ranges->running--;
			pthread_mutex_unlock(&ranges->lock);
			gs_http_close(ranges->lanes[i].http);
			ranges->lanes[i].http = NULL;
			/* Fewer lanes than wished are enough. */
			status = i > 0 ? GS_CLIENT_OK : status;
			break;
		}
	}
	if (status == GS_CLIENT_OK)
		status = watch_lanes(ranges, bytes);
	why = get->client->box;
	/* The last pieces, also after a failure: the next get begins there. */
	if (save(ranges, bytes) != GS_CLIENT_OK && status == GS_CLIENT_OK)
		return GS_GET_FAIL;
	gs_error_restore(&get->client->box, &why);
	if (status != GS_CLIENT_OK)
		return GS_GET_FAIL;
	if (ranges->next != GS_GET_DONE)
		gs_error_restore(&get->client->box, &ranges->box);
	return ranges->next;
}

GsGetNext gs_get_ranges(GsGet *get)
{
	GsErrorBox *box = &get->client->box;
	Ranges *ranges = calloc(1, sizeof(*ranges));
	uint8_t *bytes = malloc(gs_map_bytes(get->size));
	pthread_condattr_t attributes;
	char *url = NULL;
	GsGetNext next = GS_GET_FAIL;

	if (ranges == NULL || bytes == NULL || pthread_condattr_init(&attributes) != 0) {
		gs_error_memory(box);
	} else if (gs_http_base_url(gs_get_source(get, "url"), &url, box) == GS_CLIENT_OK) {
		ranges->get = get;
		ranges->url = url;
		pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
		pthread_mutex_init(&ranges->lock, NULL);
		pthread_cond_init(&ranges->ended, &attributes);
		next = run_lanes(ranges, bytes);
		pthread_cond_destroy(&ranges->ended);
		pthread_mutex_destroy(&ranges->lock);
		pthread_condattr_destroy(&attributes);
	}
	free(url);
	free(bytes);
	free(ranges);
	return next;
}
