/* SPDX-License-Identifier: PostgreSQL */
/*
 * One fetch from begin to end, on its own thread; see fetch.h. What is on disk says where to go on, and the source may
 * be another one with each try: all copies have the same ETag, their digest. The whole is compared with the digest
 * before it is committed, by the same steps as an upload (stage.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "storaged/fault.h"
#include "storaged/fetch.h"
#include "storaged/fetch_http.h"
#include "storaged/journal.h"

/* In a row without a byte. What has come already is worth more than the 15 s after which a dead source's silence is
 * noticed. */
#define TRIES 4
#define TRIES_AMID 16
#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS 8000
#define TICKET_WAIT_MS 20000

static bool is_stopped(void *owner)
{
	GsFetch *fetch = owner;

	return atomic_load(&fetch->stop);
}

/* What the last step on disk means. */
static GsFetchEnd judge_disk(GsFetch *fetch)
{
	switch (fetch->disk) {
	case GS_STAGE_OK:
		return GS_FETCH_GOING;
	case GS_STAGE_NO_ROOM:
		return GS_FETCH_NO_ROOM;
	case GS_STAGE_DIGEST:
		return GS_FETCH_SOURCE_DAMAGED;
	case GS_STAGE_FAILED:
	case GS_STAGE_UNSYNCED:
		break;
	}
	snprintf(fetch->why, sizeof(fetch->why), "%s", strerror(fetch->stage.error));
	return GS_FETCH_FAILED;
}

/* Opening ------------------------------------------------------------------------------------------------------------
 */

/* Its control server may have forgotten that it was told. */
static GsFetchEnd look(GsFetch *fetch)
{
	const GsDisk *disk = &fetch->store->disk;
	int error = gs_journal_read(disk, &fetch->active.object, &fetch->stored);
	int fd;

	if (error == -ENOENT)
		return GS_FETCH_GOING;
	if (error == 0 &&
		(!gs_uuid_equal(&fetch->stored.server, &fetch->server->id) || fetch->stored.size_bytes != fetch->size_bytes ||
		 memcmp(fetch->stored.sha256, fetch->sha256, GS_SHA256_BYTES) != 0)) {
		snprintf(fetch->why, sizeof(fetch->why), "another object is stored under this id");
		return GS_FETCH_FAILED;
	}
	fd = error == 0 ? gs_disk_open_object(disk, &fetch->active.object) : error;
	if (fd >= 0) {
		close(fd);
		return GS_FETCH_THERE;
	}
	if (fd == -ENOENT)
		return GS_FETCH_GOING;
	snprintf(fetch->why, sizeof(fetch->why), "%s", strerror(-fd));
	return GS_FETCH_FAILED;
}

static GsFetchEnd open_stage(GsFetch *fetch)
{
	GsFetchEnd end = fetch->resumed ? GS_FETCH_GOING : look(fetch);

	if (end != GS_FETCH_GOING)
		return end;
	fetch->opened = true;
	if (fetch->resumed)
		fetch->disk = gs_stage_resume(&fetch->stage, fetch->until_s);
	else
		fetch->disk = gs_stage_open_resumable(&fetch->stage, &fetch->store->disk, &fetch->active.object,
											  &fetch->server->id, fetch->size_bytes, fetch->until_s);
	gs_fault_exit("fetch_opened");
	while (fetch->disk == GS_STAGE_OK && fetch->stage.hashed_bytes < fetch->stage.written_bytes) {
		if (is_stopped(fetch))
			return GS_FETCH_PAUSED;
		fetch->disk = gs_stage_catch_up(&fetch->stage);
	}
	return judge_disk(fetch);
}

/* Transferring --------------------------------------------------------------------------------------------------------
 */

static bool take(void *owner, const uint8_t *bytes, size_t size)
{
	GsFetch *fetch = owner;

	if (size > fetch->size_bytes - fetch->stage.written_bytes) {
		fetch->disk = GS_STAGE_DIGEST; /* more than there should be */
		return false;
	}
	fetch->disk = gs_stage_write(&fetch->stage, bytes, size);
	if (fetch->disk == GS_STAGE_OK && gs_stage_record_due(&fetch->stage))
		fetch->disk = gs_stage_record(&fetch->stage);
	atomic_fetch_add(&fetch->fetched_bytes, size);
	return fetch->disk == GS_STAGE_OK;
}

/* One try, with the newest address and ticket. */
static GsFetchHttpResult try_once(GsFetch *fetch, GsFetchHttp *http, char ticket[GS_TICKET_MAX_BYTES + 1])
{
	char url[GS_FETCH_URL_MAX + 1], etag[GS_SHA256_HEX + 3] = "\"";
	GsFetchRequest request = {.url = url,
							  .ticket = ticket,
							  .etag = etag,
							  .from_bytes = fetch->stage.written_bytes,
							  .rate_bytes = fetch->rate_bytes,
							  .min_rate_bytes = fetch->min_rate_bytes,
							  .stall_ms = fetch->stall_ms,
							  .take = take,
							  .stopped = is_stopped,
							  .owner = fetch};
	GsFetchHttpResult result;

	gs_hex_encode(fetch->sha256, GS_SHA256_BYTES, etag + 1);
	strcat(etag, "\"");
	uv_mutex_lock(&fetch->lock);
	strcpy(url, fetch->url);
	strcpy(ticket, fetch->ticket);
	uv_mutex_unlock(&fetch->lock);
	result = gs_fetch_http_get(http, &request);
	memcpy(fetch->why, request.why, sizeof(fetch->why));
	/* An answer that ends early and says that it is complete. */
	if (result == GS_FETCH_HTTP_OK && fetch->stage.written_bytes < fetch->size_bytes)
		return GS_FETCH_HTTP_UNREACHABLE;
	return result;
}

/* `refused`: another ticket than that one ends the pause. */
static void pause_between(GsFetch *fetch, unsigned failures, const char *refused)
{
	uint64_t pause_ms = (uint64_t)RETRY_FIRST_MS << (failures < 4 ? failures : 4), now = uv_hrtime(), end;

	if (pause_ms > RETRY_MOST_MS)
		pause_ms = RETRY_MOST_MS;
	pause_ms = refused != NULL ? TICKET_WAIT_MS : pause_ms / 2 + now / 1000 % pause_ms;
	end = now + pause_ms * 1000000;
	uv_mutex_lock(&fetch->lock);
	while (!atomic_load(&fetch->stop) && (now = uv_hrtime()) < end &&
		   (refused == NULL || strcmp(refused, fetch->ticket) == 0))
		(void)uv_cond_timedwait(&fetch->changed, &fetch->lock, end - now);
	uv_mutex_unlock(&fetch->lock);
}

/* What came before a break is kept durably, whatever comes next. */
static void keep(GsFetch *fetch)
{
	gs_log(GS_LOG_WARN, NULL, "a fetch is interrupted", "object", fetch->active.object.text, "why", fetch->why, NULL);
	if (fetch->stage.written_bytes > fetch->stage.recorded_bytes)
		fetch->disk = gs_stage_record(&fetch->stage);
	gs_fault_exit("fetch_interrupted");
}

static GsFetchEnd judge_try(GsFetch *fetch, GsFetchHttpResult result)
{
	switch (result) {
	case GS_FETCH_HTTP_STOPPED:
		return GS_FETCH_PAUSED;
	case GS_FETCH_HTTP_TAKEN:
		return judge_disk(fetch);
	case GS_FETCH_HTTP_MISSING:
		return GS_FETCH_SOURCE_MISSING;
	case GS_FETCH_HTTP_OTHER:
		return GS_FETCH_SOURCE_DAMAGED;
	case GS_FETCH_HTTP_NO_MEMORY:
		return GS_FETCH_FAILED;
	case GS_FETCH_HTTP_OK:
	case GS_FETCH_HTTP_REFUSED:
	case GS_FETCH_HTTP_UNREACHABLE:
		break;
	}
	return GS_FETCH_GOING;
}

static GsFetchEnd transfer(GsFetch *fetch, GsFetchHttp *http)
{
	char ticket[GS_TICKET_MAX_BYTES + 1];
	GsFetchEnd end = GS_FETCH_GOING;
	unsigned failures = 0;

	while (end == GS_FETCH_GOING && fetch->stage.written_bytes < fetch->size_bytes) {
		uint64_t before = fetch->stage.written_bytes;
		GsFetchHttpResult result = try_once(fetch, http, ticket);

		end = judge_try(fetch, result);
		if (end != GS_FETCH_GOING || result == GS_FETCH_HTTP_OK)
			continue;
		keep(fetch);
		end = judge_disk(fetch);
		failures = fetch->stage.written_bytes > before ? 0 : failures + 1;
		if (end == GS_FETCH_GOING && failures == (fetch->stage.written_bytes > 0 ? TRIES_AMID : TRIES))
			return GS_FETCH_SOURCE_UNREACHABLE;
		if (end == GS_FETCH_GOING)
			pause_between(fetch, failures, result == GS_FETCH_HTTP_REFUSED ? ticket : NULL);
		if (end == GS_FETCH_GOING && is_stopped(fetch))
			end = GS_FETCH_PAUSED;
	}
	return end;
}

/* The end ------------------------------------------------------------------------------------------------------------
 */

static GsFetchEnd walk(GsFetch *fetch)
{
	GsFetchEnd end = open_stage(fetch);
	GsFetchHttp *http;

	if (end != GS_FETCH_GOING)
		return end;
	http = gs_fetch_http_new(fetch->ca);
	end = http != NULL ? transfer(fetch, http) : GS_FETCH_FAILED;
	gs_fetch_http_free(http);
	if (end != GS_FETCH_GOING)
		return end;
	gs_fault_exit("fetch_complete");
	fetch->stored = (GsSidecar){.server = fetch->server->id};
	fetch->disk = gs_stage_commit(&fetch->stage, &fetch->stored, &fetch->origin, fetch->sha256);
	end = judge_disk(fetch);
	return end == GS_FETCH_GOING ? GS_FETCH_STORED : end;
}

void gs_fetch_run(GsFetch *fetch)
{
	fetch->end = walk(fetch);
	if (fetch->end == GS_FETCH_PAUSED) {
		fetch->disk = gs_stage_pause(&fetch->stage);
		if (fetch->disk != GS_STAGE_OK)
			fetch->end = judge_disk(fetch);
	}
	/* What is stored already is none of its business. */
	if (fetch->end > GS_FETCH_PAUSED)
		fetch->discarded = !fetch->opened || gs_stage_discard(&fetch->stage);
}
