/* SPDX-License-Identifier: PostgreSQL */
/*
 * A download; see get.h. One job at a time: OPENING (get_open.c), then reads into two buffers ahead of the socket,
 * which bound the memory, then CLOSING (a close may free a deleted file's blocks, which takes long). The stream may
 * close at any time; the download is freed by its last job.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "storaged/damage.h"
#include "storaged/get_state.h"
#include "storaged/measure.h"

void gs_get_set_state(GsGet *get, GsGetState state)
{
	static const bool legal[GET_STATES][GET_STATES] = {
		[GET_OPENING] = {[GET_SENDING] = true, [GET_CLOSING] = true},
		[GET_SENDING] = {[GET_CLOSING] = true},
	};

	assert(legal[get->state][state]);
	get->state = state;
}

void gs_get_submit(GsGet *get, void (*run)(void *), void (*done)(void *))
{
	assert(!get->running);
	get->running = true;
	gs_job_submit(&get->job, get->store, GS_JOB_LIGHT, get, run, done);
}

/* The end ------------------------------------------------------------------------------------------------------------
 */

static void close_run(void *owner)
{
	GsGet *get = owner;

	if (get->fd >= 0)
		close(get->fd);
	gs_check_clear(&get->check);
	for (size_t i = 0; i < GS_GET_BUFFERS; i++)
		free(get->buffers[i]);
}

static void close_done(void *owner)
{
	GsGet *get = owner;
	GsStore *store = get->store;

	free(get);
	gs_store_end(store);
}

void gs_get_close(GsGet *get)
{
	gs_get_set_state(get, GET_CLOSING);
	if (get->fd >= 0) {
		gs_get_submit(get, close_run, close_done);
	} else {
		close_run(get);
		close_done(get);
	}
}

bool gs_get_prepare(GsGet *get)
{
	size_t most = (size_t)get->store->settings->io_buffer_bytes;

	get->read_at = get->range.offset;
	get->read_end = get->range.offset + get->range.size;
	get->to_send = get->range.size;
	get->buffer_bytes = get->range.size < most ? (size_t)get->range.size : most;
	for (size_t i = 0; i < GS_GET_BUFFERS && get->buffers[i] == NULL; i++) {
		/* what fits into the first never needs the second */
		if (i > 0 && get->range.size <= most)
			break;
		get->buffers[i] = malloc(get->buffer_bytes);
		if (get->buffers[i] == NULL)
			return false;
	}
	/* of a small one the digest costs less than preparing for a tag */
	if (get->range.size == get->sidecar.size_bytes && get->range.size > 0 && !gs_check_began(&get->check) &&
		!gs_check_begin(&get->check, get->store->proofs, &get->sidecar, get->range.size > most))
		return false;
	if (get->range.size > most)
		posix_fadvise(get->fd, (off_t)get->read_at, (off_t)get->range.size, POSIX_FADV_SEQUENTIAL);
	return true;
}

/* Reading ahead of the socket ----------------------------------------------------------------------------------------
 */

void gs_get_read_run(void *owner)
{
	GsGet *get = owner;
	uint8_t *buffer = get->buffers[get->reading];
	uint64_t left = get->read_end - get->read_at;
	size_t wanted = left < get->buffer_bytes ? (size_t)left : get->buffer_bytes, done = 0;

	get->read_error = 0;
	while (done < wanted && get->read_error == 0) {
		ssize_t count = pread(get->fd, buffer + done, wanted - done, (off_t)(get->read_at + done));

		if (count < 0 && errno != EINTR)
			get->read_error = errno;
		else if (count == 0)
			get->read_error = ENODATA; /* shorter than when it was opened */
		else if (count > 0)
			done += (size_t)count;
	}
	if (get->read_error == 0)
		get->read_error =
			gs_check_bytes(&get->check, buffer, done, get->read_at + done == get->read_end ? &get->sidecar : NULL);
	get->filled[get->reading] = done;
}

static void read_done(void *owner);

void gs_get_read_ahead(GsGet *get)
{
	if (get->running || get->ready == GS_GET_BUFFERS || get->read_at == get->read_end || get->error != 0)
		return;
	get->reading = (get->front + get->ready) % GS_GET_BUFFERS;
	gs_get_submit(get, gs_get_read_run, read_done);
}

void gs_get_tell_damage(GsGet *get)
{
	if (get->read_error == EBADMSG || get->read_error == ENODATA || get->read_error == EIO)
		gs_damage_found(get->store, &get->sidecar, get->read_error == EBADMSG ? get->check.found : NULL);
}

void gs_get_take_read(GsGet *get)
{
	get->error = get->read_error;
	if (get->error != 0) {
		gs_log(GS_LOG_ERROR, gs_stream_request_id(get->transfer.stream), "cannot read an object", "object",
			   get->transfer.ticket.object.text, "error", strerror(get->error), NULL);
		return;
	}
	get->read_at += get->filled[get->reading];
	get->ready++;
	if (get->read_at == get->read_end)
		gs_proof_keep(get->store->proofs, &get->check, &get->sidecar);
	gs_get_read_ahead(get);
}

/* One bounded step of looking at the digest of what its tag says is not what it was; the last one judges. */
static void recheck_done(void *owner)
{
	GsGet *get = owner;
	bool ending = get->store->draining || get->store->stopping; /* then it is found the next time, or by the scrub */

	get->running = false;
	if (get->read_error == 0)
		get->read_at += get->filled[get->reading];
	if (get->read_error == 0 && get->read_at < get->read_end && !ending) {
		gs_get_submit(get, gs_get_read_run, recheck_done);
		return;
	}
	gs_get_tell_damage(get);
	if (get->transfer.stream == NULL)
		gs_get_close(get);
}

/* The download has failed; whether the object is damaged is for its digest to say. */
static void recheck(GsGet *get)
{
	gs_proof_forget(get->store->proofs, &get->sidecar);
	gs_check_clear(&get->check);
	get->read_at = 0;
	if (gs_check_begin(&get->check, get->store->proofs, &get->sidecar, false))
		gs_get_submit(get, gs_get_read_run, recheck_done);
}

static void read_done(void *owner)
{
	GsGet *get = owner;
	bool by_tag = get->read_error == EBADMSG && get->check.digest == NULL;

	get->running = false;
	if (!by_tag)
		gs_get_tell_damage(get);
	if (get->transfer.stream != NULL) {
		gs_get_take_read(get);
		gs_stream_resume(get->transfer.stream);
	}
	if (by_tag)
		recheck(get);
	if (get->transfer.stream == NULL && !get->running)
		gs_get_close(get);
}

ssize_t gs_get_source_read(GsSource *source, uint8_t *buf, size_t size, bool *eof)
{
	GsGet *get = (GsGet *)((char *)source - offsetof(GsGet, source));
	uint64_t room;
	size_t left;

	if (get->ready == 0)
		return get->error != 0 ? GS_SOURCE_FAIL : GS_SOURCE_DEFER;
	room = gs_pace_room(&get->transfer.paced);
	if (room == 0)
		return GS_SOURCE_DEFER;
	left = get->filled[get->front] - get->taken;
	if (size > left)
		size = left;
	if (size > room)
		size = (size_t)room;
	gs_pace_spend(&get->transfer.paced, size);
	memcpy(buf, get->buffers[get->front] + get->taken, size);
	get->taken += size;
	get->to_send -= size;
	gs_metric_add(&gs_metric_download_bytes, (double)size);
	if (size == left) {
		get->front = (get->front + 1) % GS_GET_BUFFERS;
		get->ready--;
		get->taken = 0;
		gs_get_read_ahead(get);
	}
	*eof = get->to_send == 0;
	return (ssize_t)size;
}
