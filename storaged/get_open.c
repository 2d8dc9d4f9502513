/* SPDX-License-Identifier: PostgreSQL */
/*
 * The beginning of a download. Of an object that fits into one buffer and is asked for as a whole, the job that opens
 * it does it all: each job is a switch of threads there and back, which costs more than the bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/response.h"
#include "storaged/auth.h"
#include "storaged/damage.h"
#include "storaged/get_state.h"
#include "storaged/journal.h"
#include "storaged/sidecar_cache.h"

/* The loop hashes no more at once: ten microseconds. At most what io_buffer_bytes can be set to. */
#define CACHED_MAX_BYTES 16384

/* Bytes are served only when the sidecar, the ticket and the file agree on what they are. */
static int sidecar_fits(const GsSidecar *sidecar, const GsTicket *ticket)
{
	if (!gs_uuid_equal(&sidecar->server, &ticket->server))
		return -ENOENT;
	if (sidecar->size_bytes != (uint64_t)ticket->size_bytes ||
		(ticket->has_sha256 && memcmp(sidecar->sha256, ticket->sha256, GS_SHA256_BYTES) != 0))
		return -EBADMSG;
	return 0;
}

static bool file_fits(const struct stat *status, const GsSidecar *sidecar)
{
	return S_ISREG(status->st_mode) && (uint64_t)status->st_size == sidecar->size_bytes;
}

static int open_object(GsGet *get)
{
	const GsDisk *disk = &get->store->disk;
	const GsTicket *ticket = &get->transfer.ticket;
	struct stat status;
	int error = gs_journal_read(disk, &ticket->object, &get->sidecar);

	if (error != 0)
		return error;
	error = sidecar_fits(&get->sidecar, ticket);
	if (error != 0)
		return error;
	get->fd = gs_disk_open_object(disk, &ticket->object);
	if (get->fd < 0)
		return get->fd;
	if (fstat(get->fd, &status) != 0)
		return -errno;
	get->resized = !file_fits(&status, &get->sidecar);
	return get->resized ? -EBADMSG : 0;
}

static void open_run(void *owner)
{
	GsGet *get = owner;
	uint64_t size;

	get->error = -open_object(get);
	size = get->sidecar.size_bytes;
	if (get->error != 0 || !get->whole || size == 0 || size > (uint64_t)get->store->settings->io_buffer_bytes)
		return;
	get->range = (GsRange){.size = size};
	if (!gs_get_prepare(get))
		return; /* tried again, and answered, by send_object */
	gs_get_read_run(get);
	get->read_early = true;
	close(get->fd);
	get->fd = -1;
}

static void open_done(void *owner)
{
	GsGet *get = owner;
	int error = get->error;

	get->running = false;
	if (get->resized)
		gs_damage_found(get->store, &get->sidecar, NULL);
	gs_get_tell_damage(get);
	if (get->transfer.stream == NULL) {
		gs_get_close(get);
		return;
	}
	gs_get_set_state(get, GET_SENDING);
	get->error = 0;
	if (error == 0) {
		gs_get_answer(get);
	} else if (error == ENOMEM) {
		gs_problem_send(get->transfer.stream, 503, "unavailable", "out of memory", NULL, 2);
	} else if (error == ENOENT) {
		gs_problem_send(get->transfer.stream, 404, "not_found", "no such object is stored here", NULL, 0);
	} else {
		gs_log(GS_LOG_ERROR, gs_stream_request_id(get->transfer.stream), "an object is damaged", "object",
			   get->transfer.ticket.object.text, "error", strerror(error), NULL);
		gs_problem_send(get->transfer.stream, 500, "internal", "the object can't be read", NULL, 0);
	}
}

/* A small object that is in memory is opened, read, checked and closed at once, on the loop; the rest is the pool's. */
static bool read_cached_sidecar(GsGet *get)
{
	const GsTicket *ticket = &get->transfer.ticket;
	char text[GS_SIDECAR_MAX_BYTES];
	int fd = gs_disk_open_cached(&get->store->disk, &ticket->object, true);
	ssize_t size;

	if (fd < 0)
		return false;
	size = gs_disk_read_cached(fd, text, sizeof(text));
	close(fd);
	return size > 0 && (size_t)size < sizeof(text) &&
		   gs_sidecar_cache_decode(get->store->sidecars, &ticket->object, text, (size_t)size, &get->sidecar) == 0 &&
		   gs_uuid_equal(&get->sidecar.object, &ticket->object) && sidecar_fits(&get->sidecar, ticket) == 0;
}

static bool read_cached_bytes(GsGet *get)
{
	size_t size = (size_t)get->sidecar.size_bytes;
	struct stat status;

	/* one that is deleted meanwhile is the pool's too: its close frees blocks */
	if (fstat(get->fd, &status) != 0 || !file_fits(&status, &get->sidecar) || status.st_nlink == 0)
		return false;
	get->range = (GsRange){.size = size};
	if (!gs_get_prepare(get) || gs_disk_read_cached(get->fd, get->buffers[0], size) != (ssize_t)size ||
		gs_check_bytes(&get->check, get->buffers[0], size, &get->sidecar) != 0)
		return false;
	get->filled[0] = size;
	return true;
}

/* False: nothing is decided, and whatever it was the pool will find it too. */
static bool open_cached(GsGet *get)
{
	int64_t size = get->transfer.ticket.size_bytes;

	if (!get->whole || size == 0 || size > CACHED_MAX_BYTES || !read_cached_sidecar(get))
		return false;
	get->fd = gs_disk_open_cached(&get->store->disk, &get->transfer.ticket.object, false);
	if (get->fd < 0)
		return false;
	get->read_early = read_cached_bytes(get);
	close(get->fd);
	get->fd = -1;
	if (!get->read_early)
		gs_check_clear(&get->check);
	return get->read_early;
}

static void get_closed(GsTransfer *transfer)
{
	GsGet *get = (GsGet *)transfer;

	if (!get->running)
		gs_get_close(get);
}

static void paced_go(GsPaced *paced)
{
	GsGet *get = (GsGet *)((char *)paced - offsetof(GsGet, transfer) - offsetof(GsTransfer, paced));

	gs_stream_resume(get->transfer.stream);
}

void gs_get_begin(GsStream *stream, const GsTicket *ticket)
{
	GsStore *store = gs_stream_program(stream);
	GsGet *get = calloc(1, sizeof(*get));

	if (get == NULL || !gs_store_begin(store)) {
		gs_problem_send(stream, 503, get != NULL ? "try_again" : "unavailable",
						get != NULL ? "too many transfers" : "out of memory", NULL, 2);
		free(get);
		return;
	}
	get->store = store;
	get->fd = -1;
	get->whole = strcmp(gs_stream_method(stream), "GET") == 0 && gs_stream_header(stream, "range") == NULL &&
				 gs_stream_header(stream, "if-match") == NULL && gs_stream_header(stream, "if-none-match") == NULL;
	gs_transfer_open(store, &get->transfer, stream, ticket, get_closed, paced_go);
	if (open_cached(get)) {
		gs_get_set_state(get, GET_SENDING);
		gs_get_answer(get);
	} else {
		gs_get_submit(get, open_run, open_done);
	}
}

static void begin(GsStream *stream)
{
	GsTicket ticket;

	if (gs_auth_check(stream, gs_stream_program(stream), &ticket))
		gs_get_begin(stream, &ticket);
}

const GsHandler gs_get_handler = {.begin = begin, .closed = gs_transfer_closed};
