/* SPDX-License-Identifier: PostgreSQL */
/*
 * A download; see get.h. One job at a time: OPENING (sidecar and data), then reads into two buffers ahead of the
 * socket, which bound the memory, then CLOSING (a close may free a deleted file's blocks, which takes long). Of an
 * object that fits into one buffer and is asked for as a whole, the first job does it all: each job is a switch of
 * threads there and back, which costs more than the bytes. The stream may close at any time; the download is freed by
 * its last job.
 */
#include "storaged/get.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/response.h"
#include "storaged/auth.h"
#include "storaged/condition.h"
#include "storaged/damage.h"
#include "storaged/digest_field.h"
#include "storaged/disposition.h"
#include "storaged/journal.h"
#include "storaged/measure.h"
#include "storaged/proof.h"
#include "storaged/range.h"
#include "storaged/transfer.h"

#define BUFFERS 2
#define ETAG_MAX (GS_SHA256_HEX + 3)

typedef enum GetState {
	GET_OPENING, /* pool */
	GET_SENDING, /* answered; reads ahead of the socket */
	GET_CLOSING, /* the stream is closed; pool */
	GET_STATES
} GetState;

typedef struct Get {
	GsTransfer transfer; /* its stream is NULL once closed */
	GsSource source;
	GsStore *store;
	GetState state;
	bool running; /* a job is on the pool */
	GsJob job;
	GsSidecar sidecar;
	bool whole;      /* asked for without range and conditions */
	bool read_early; /* by the job that opened it, all of it; its result is still to be taken */
	int fd, error;
	bool resized; /* the file is not as long as its sidecar says */
	GsRange range;
	uint64_t read_at, read_end; /* what of the file is still to be read */
	uint64_t to_send;
	size_t buffer_bytes;
	uint8_t *buffers[BUFFERS];
	size_t filled[BUFFERS];
	size_t front, ready, taken; /* buffer being sent; how many are filled; bytes of the front that are sent */
	size_t reading;             /* buffer that the job on the pool fills; the loop leaves it and its `filled` alone */
	int read_error;             /* of that job */
	/* The whole object is sent: its bytes are checked on the way, and the last buffer is sent only when they are right.
	 */
	GsCheck check;
} Get;

static void set_state(Get *get, GetState state)
{
	static const bool legal[GET_STATES][GET_STATES] = {
		[GET_OPENING] = {[GET_SENDING] = true, [GET_CLOSING] = true},
		[GET_SENDING] = {[GET_CLOSING] = true},
	};

	assert(legal[get->state][state]);
	get->state = state;
}

static void submit(Get *get, void (*run)(void *), void (*done)(void *))
{
	assert(!get->running);
	get->running = true;
	gs_job_submit(&get->job, get->store, GS_JOB_LIGHT, get, run, done);
}

/* The end ------------------------------------------------------------------------------------------------------------
 */

static void close_run(void *owner)
{
	Get *get = owner;

	if (get->fd >= 0)
		close(get->fd);
	gs_check_clear(&get->check);
	for (size_t i = 0; i < BUFFERS; i++)
		free(get->buffers[i]);
}

static void close_done(void *owner)
{
	Get *get = owner;
	GsStore *store = get->store;

	free(get);
	gs_store_end(store);
}

static void get_close(Get *get)
{
	set_state(get, GET_CLOSING);
	if (get->fd >= 0) {
		submit(get, close_run, close_done);
	} else {
		close_run(get);
		close_done(get);
	}
}

/* Reading ahead of the socket ----------------------------------------------------------------------------------------
 */

static void read_run(void *owner)
{
	Get *get = owner;
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

static void read_ahead(Get *get)
{
	if (get->running || get->ready == BUFFERS || get->read_at == get->read_end || get->error != 0)
		return;
	get->reading = (get->front + get->ready) % BUFFERS;
	submit(get, read_run, read_done);
}

static void tell_damage(Get *get)
{
	if (get->read_error == EBADMSG || get->read_error == ENODATA || get->read_error == EIO)
		gs_damage_found(get->store, &get->sidecar, get->read_error == EBADMSG ? get->check.found : NULL);
}

static void take_read(Get *get)
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
	read_ahead(get);
}

/* One bounded step of looking at the digest of what its tag says is not what it was; the last one judges. */
static void recheck_done(void *owner)
{
	Get *get = owner;
	bool ending = get->store->draining || get->store->stopping; /* then it is found the next time, or by the scrub */

	get->running = false;
	if (get->read_error == 0)
		get->read_at += get->filled[get->reading];
	if (get->read_error == 0 && get->read_at < get->read_end && !ending) {
		submit(get, read_run, recheck_done);
		return;
	}
	tell_damage(get);
	if (get->transfer.stream == NULL)
		get_close(get);
}

/* The download has failed; whether the object is damaged is for its digest to say. */
static void recheck(Get *get)
{
	gs_proof_forget(get->store->proofs, &get->sidecar);
	gs_check_clear(&get->check);
	get->read_at = 0;
	if (gs_check_begin(&get->check, NULL, &get->sidecar))
		submit(get, read_run, recheck_done);
}

static void read_done(void *owner)
{
	Get *get = owner;
	bool by_tag = get->read_error == EBADMSG && get->check.digest == NULL;

	get->running = false;
	if (!by_tag)
		tell_damage(get);
	if (get->transfer.stream != NULL) {
		take_read(get);
		gs_stream_resume(get->transfer.stream);
	}
	if (by_tag)
		recheck(get);
	if (get->transfer.stream == NULL && !get->running)
		get_close(get);
}

static ssize_t source_read(GsSource *source, uint8_t *buf, size_t size, bool *eof)
{
	Get *get = (Get *)((char *)source - offsetof(Get, source));
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
		get->front = (get->front + 1) % BUFFERS;
		get->ready--;
		get->taken = 0;
		read_ahead(get);
	}
	*eof = get->to_send == 0;
	return (ssize_t)size;
}

/* Answering ----------------------------------------------------------------------------------------------------------
 */

static bool prepare_buffers(Get *get)
{
	size_t most = (size_t)get->store->settings->io_buffer_bytes;

	get->read_at = get->range.offset;
	get->read_end = get->range.offset + get->range.size;
	get->to_send = get->range.size;
	get->buffer_bytes = get->range.size < most ? (size_t)get->range.size : most;
	for (size_t i = 0; i < BUFFERS && get->buffers[i] == NULL; i++) {
		/* what fits into the first never needs the second */
		if (i > 0 && get->range.size <= most)
			break;
		get->buffers[i] = malloc(get->buffer_bytes);
		if (get->buffers[i] == NULL)
			return false;
	}
	/* of a small one the digest costs less than preparing for a tag */
	if (get->range.size == get->sidecar.size_bytes && get->range.size > 0 && !gs_check_began(&get->check) &&
		!gs_check_begin(&get->check, get->range.size > most ? get->store->proofs : NULL, &get->sidecar))
		return false;
	if (get->range.size > most)
		posix_fadvise(get->fd, (off_t)get->read_at, (off_t)get->range.size, POSIX_FADV_SEQUENTIAL);
	return true;
}

/* With its quotes. */
static void format_etag(const Get *get, char etag[ETAG_MAX])
{
	etag[0] = '"';
	gs_hex_encode(get->sidecar.sha256, GS_SHA256_BYTES, etag + 1);
	strcat(etag, "\"");
}

static void send_unsatisfiable(Get *get)
{
	char range[64], etag[ETAG_MAX];
	const char *request_id = gs_stream_request_id(get->transfer.stream);
	json_t *problem =
		json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "type", "urn:groupshare:problem:range_not_satisfiable", "title",
				  "Range Not Satisfiable", "status", 416, "detail", "the range lies outside of the object", "code",
				  "range_not_satisfiable", "request_id", request_id);
	char *text = problem != NULL ? json_dumps(problem, JSON_COMPACT) : NULL;

	snprintf(range, sizeof(range), "bytes */%" PRIu64, get->sidecar.size_bytes);
	format_etag(get, etag);
	gs_stream_respond(get->transfer.stream, 416,
					  (GsHeader[]){{"content-type", "application/problem+json"},
								   {"content-range", range},
								   {"accept-ranges", "bytes"},
								   {"etag", etag}},
					  4, text, text != NULL ? strlen(text) : 0);
	free(text);
	json_decref(problem);
}

static void send_object(Get *get, int status, const char *etag)
{
	char disposition[GS_DISPOSITION_MAX], digest[GS_SHA256_BASE64 + 16], range[96];
	bool is_head = strcmp(gs_stream_method(get->transfer.stream), "HEAD") == 0;
	GsHeader headers[12] = {{"etag", etag},
							{"accept-ranges", "bytes"},
							{"repr-digest", digest},
							{"cache-control", "private, no-transform"},
							{"x-content-type-options", "nosniff"},
							{"content-security-policy", "sandbox"},
							{"content-type", "application/octet-stream"},
							{"content-disposition", disposition}};
	size_t count = 8;

	gs_digest_field_format(get->sidecar.sha256, digest, sizeof(digest));
	gs_disposition_format(get->transfer.ticket.name, disposition);
	if (status == 304) {
		gs_stream_respond(get->transfer.stream, 304, headers, 4, NULL, 0);
		return;
	}
	if (status == 206) {
		snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, get->range.offset,
				 get->range.offset + get->range.size - 1, get->sidecar.size_bytes);
		headers[count++] = (GsHeader){"content-range", range};
	}
	if (!is_head && !get->read_early && !prepare_buffers(get)) {
		gs_problem_send(get->transfer.stream, 503, "try_again", "out of memory", NULL, 2);
		return;
	}
	gs_metric_add(&gs_metric_downloads, is_head ? 0 : 1);
	get->source.read = source_read;
	gs_stream_respond_source(get->transfer.stream, status, headers, count, (int64_t)get->range.size, &get->source);
	if (get->read_early)
		take_read(get);
	else if (!is_head && get->range.size > 0)
		read_ahead(get);
}

/* RFC 9110 section 13.2.2: conditions first, then the range. */
static void answer(Get *get)
{
	GsStream *stream = get->transfer.stream;
	const char *range = gs_stream_header(stream, "range");
	char etag[ETAG_MAX];

	format_etag(get, etag);
	switch (
		gs_condition_evaluate(gs_stream_header(stream, "if-match"), gs_stream_header(stream, "if-none-match"), etag)) {
	case GS_CONDITION_FAILED:
		gs_problem_send(stream, 412, "precondition_failed", "If-Match names another object", NULL, 0);
		return;
	case GS_CONDITION_NOT_MODIFIED:
		send_object(get, 304, etag);
		return;
	case GS_CONDITION_PROCEED:
		break;
	}
	if (strcmp(gs_stream_method(stream), "GET") != 0 || !gs_condition_range(gs_stream_header(stream, "if-range"), etag))
		range = NULL;
	switch (gs_range_parse(range, get->sidecar.size_bytes, &get->range)) {
	case GS_RANGE_WHOLE:
		send_object(get, 200, etag);
		break;
	case GS_RANGE_PART:
		send_object(get, 206, etag);
		break;
	case GS_RANGE_UNSATISFIABLE:
		send_unsatisfiable(get);
		break;
	}
}

/* Opening ------------------------------------------------------------------------------------------------------------
 */

/* Bytes are served only when the sidecar, the ticket and the file agree on what they are. */
static int open_object(Get *get)
{
	const GsDisk *disk = &get->store->disk;
	const GsTicket *ticket = &get->transfer.ticket;
	struct stat status;
	int error = gs_journal_read(disk, &ticket->object, &get->sidecar);

	if (error != 0)
		return error;
	if (!gs_uuid_equal(&get->sidecar.server, &ticket->server))
		return -ENOENT;
	if (get->sidecar.size_bytes != (uint64_t)ticket->size_bytes ||
		(ticket->has_sha256 && memcmp(get->sidecar.sha256, ticket->sha256, GS_SHA256_BYTES) != 0))
		return -EBADMSG;
	get->fd = gs_disk_open_object(disk, &ticket->object);
	if (get->fd < 0)
		return get->fd;
	if (fstat(get->fd, &status) != 0)
		return -errno;
	get->resized = !S_ISREG(status.st_mode) || (uint64_t)status.st_size != get->sidecar.size_bytes;
	return get->resized ? -EBADMSG : 0;
}

static void open_run(void *owner)
{
	Get *get = owner;
	uint64_t size;

	get->error = -open_object(get);
	size = get->sidecar.size_bytes;
	if (get->error != 0 || !get->whole || size == 0 || size > (uint64_t)get->store->settings->io_buffer_bytes)
		return;
	get->range = (GsRange){.size = size};
	if (!prepare_buffers(get))
		return; /* tried again, and answered, by send_object */
	read_run(get);
	get->read_early = true;
	close(get->fd);
	get->fd = -1;
}

static void open_done(void *owner)
{
	Get *get = owner;
	int error = get->error;

	get->running = false;
	if (get->resized)
		gs_damage_found(get->store, &get->sidecar, NULL);
	tell_damage(get);
	if (get->transfer.stream == NULL) {
		get_close(get);
		return;
	}
	set_state(get, GET_SENDING);
	get->error = 0;
	if (error == 0) {
		answer(get);
	} else if (error == ENOENT) {
		gs_problem_send(get->transfer.stream, 404, "not_found", "no such object is stored here", NULL, 0);
	} else {
		gs_log(GS_LOG_ERROR, gs_stream_request_id(get->transfer.stream), "an object is damaged", "object",
			   get->transfer.ticket.object.text, "error", strerror(error), NULL);
		gs_problem_send(get->transfer.stream, 500, "internal", "the object can't be read", NULL, 0);
	}
}

static void get_closed(GsTransfer *transfer)
{
	Get *get = (Get *)transfer;

	if (!get->running)
		get_close(get);
}

static void paced_go(GsPaced *paced)
{
	Get *get = (Get *)((char *)paced - offsetof(Get, transfer) - offsetof(GsTransfer, paced));

	gs_stream_resume(get->transfer.stream);
}

void gs_get_begin(GsStream *stream, const GsTicket *ticket)
{
	GsStore *store = gs_stream_program(stream);
	Get *get = calloc(1, sizeof(*get));

	if (get == NULL || !gs_store_begin(store)) {
		free(get);
		gs_problem_send(stream, 503, "try_again", "too many transfers", NULL, 2);
		return;
	}
	get->store = store;
	get->fd = -1;
	get->whole = strcmp(gs_stream_method(stream), "GET") == 0 && gs_stream_header(stream, "range") == NULL &&
				 gs_stream_header(stream, "if-match") == NULL && gs_stream_header(stream, "if-none-match") == NULL;
	gs_transfer_open(store, &get->transfer, stream, ticket, get_closed, paced_go);
	submit(get, open_run, open_done);
}

static void begin(GsStream *stream)
{
	GsTicket ticket;

	if (gs_auth_check(stream, gs_stream_program(stream), &ticket))
		gs_get_begin(stream, &ticket);
}

const GsHandler gs_get_handler = {.begin = begin, .closed = gs_transfer_closed};
