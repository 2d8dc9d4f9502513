/* SPDX-License-Identifier: PostgreSQL */
/*
 * Download (spec D1-D3): designation, bytes from the device into a part file, digest of the whole, final name. The part
 * file is locked while a get writes it, and its name carries the content's digest: what it holds can only be continued
 * with the same content, and the device is asked with If-Range besides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/digest.h"
#include "client/file.h"
#include "client/name.h"
#include "client/part.h"
#include "client/session.h"

/* Attempts in a row that bring less than this count as failures. */
#define FAILURES_MAX 6
#define PROGRESS_BYTES 65536

typedef struct Get {
	GsClient *client;
	const GsClientGet *want;
	json_t *designation;
	int64_t size;
	uint8_t sha256[GS_SHA256_BYTES];
	char *output;
	char *part;
	int fd;
	GsDigest *digest; /* of bytes 0 .. at */
	int64_t at;
	bool answered; /* the first bytes of the current answer have come */
} Get;

static const char *designated(const Get *get, const char *name)
{
	return json_string_value(json_object_get(get->designation, name));
}

/* Sends the download notice. A second one must name the same content as the first. */
static int designate(Get *get)
{
	GsErrorBox *box = &get->client->box;
	const GsClientGet *want = get->want;
	bool first = get->designation == NULL;
	json_t *body = want->share != NULL ? json_pack("{s:s}", "share", want->share)
									   : json_pack("{s:s, s:s}", "owner", want->owner != NULL ? want->owner : "",
												   "name", want->name != NULL ? want->name : "");
	GsCall call = {.method = "POST", .path = "/v1/downloads", .body = body, .idempotent = true};
	uint8_t sha256[GS_SHA256_BYTES];
	json_t *answer;
	json_t *size;
	int status;

	if (body == NULL)
		return gs_error_set(box, GS_CLIENT_INVALID, NULL, "owner and name must be UTF-8");
	status = gs_session_call(get->client, &call, &answer, NULL);
	json_decref(body);
	if (status != GS_CLIENT_OK)
		return status;
	json_decref(get->designation);
	get->designation = answer;
	size = json_object_get(answer, "size");
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
		!gs_sha256_decode(sha256, designated(get, "sha256")) || designated(get, "name") == NULL ||
		designated(get, "url") == NULL || designated(get, "ticket") == NULL)
		return gs_error_set(box, GS_CLIENT_PROTOCOL, NULL, "the storage designation is incomplete");
	if (!first && (json_integer_value(size) != get->size || memcmp(sha256, get->sha256, sizeof(sha256)) != 0))
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Run get again to fetch the new content.",
							"the owner replaced the share meanwhile");
	get->size = json_integer_value(size);
	memcpy(get->sha256, sha256, sizeof(sha256));
	return GS_CLIENT_OK;
}

static int choose_output(Get *get)
{
	GsErrorBox *box = &get->client->box;
	char safe[GS_NAME_MAX_BYTES + 1];
	const char *output = get->want->output;
	struct stat st;

	gs_name_make_safe(safe, designated(get, "name"));
	if (output == NULL)
		get->output = strdup(safe);
	else if (stat(output, &st) == 0 && S_ISDIR(st.st_mode))
		get->output = gs_session_path(get->client, "%s/%s", output, safe);
	else
		get->output = strdup(output);
	if (get->output != NULL)
		get->part = gs_part_path(get->output, designated(get, "sha256"));
	return get->part != NULL ? GS_CLIENT_OK : gs_error_memory(box);
}

static int hash(Get *get, int fd, int64_t size, const char *path)
{
	GsWatcher watcher = {.progress = get->want->progress,
						 .arg = get->want->progress_arg,
						 .phase = GS_CLIENT_CHECKING,
						 .total = (uint64_t)size};

	return gs_digest_add_file(get->digest, fd, size, &watcher, path, &get->client->box);
}

/* Ends the digest; CONFLICT when it is not that of the share. */
static int compare(Get *get)
{
	uint8_t sha256[GS_SHA256_BYTES];

	if (!gs_digest_end(get->digest, sha256))
		return gs_error_memory(&get->client->box);
	return memcmp(sha256, get->sha256, sizeof(sha256)) == 0 ? GS_CLIENT_OK : GS_CLIENT_CONFLICT;
}

/* Is there a file by the final name? *same: it has the share's content. CONFLICT: another one, and no leave to replace.
 */
static int look_at_output(Get *get, bool *same)
{
	GsErrorBox *box = &get->client->box;
	int fd = open(get->output, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int status = GS_CLIENT_CONFLICT;

	*same = false;
	if (fd < 0 && errno == ENOENT)
		return GS_CLIENT_OK;
	if (fd < 0)
		return gs_error_errno(box, NULL, "cannot open %s", get->output);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == get->size) {
		status = hash(get, fd, st.st_size, get->output);
		if (status == GS_CLIENT_OK)
			status = compare(get);
	}
	close(fd);
	*same = status == GS_CLIENT_OK;
	if (status != GS_CLIENT_CONFLICT || (get->want->force && S_ISREG(st.st_mode)))
		return status == GS_CLIENT_CONFLICT ? GS_CLIENT_OK : status;
	return gs_error_set(box, GS_CLIENT_CONFLICT,
						"Choose another name with -o FILE, or replace it with --force (only a regular file).",
						"%s exists already and has another content", get->output);
}

static int restart_part(Get *get)
{
	uint8_t discarded[GS_SHA256_BYTES];

	get->at = 0;
	if (!gs_digest_end(get->digest, discarded))
		return gs_error_memory(&get->client->box);
	if (ftruncate(get->fd, 0) != 0)
		return gs_error_errno(&get->client->box, NULL, "cannot truncate %s", get->part);
	return GS_CLIENT_OK;
}

static int lock_part(Get *get, struct stat *st)
{
	GsErrorBox *box = &get->client->box;
	struct stat by_name;

	get->fd = open(get->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (get->fd < 0)
		return gs_error_errno(box, "Choose a directory that you can write to with -o FILE.", "cannot create %s",
							  get->part);
	if (flock(get->fd, LOCK_EX | LOCK_NB) != 0)
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Wait for it to end.", "another get is writing %s", get->part);
	if (fstat(get->fd, st) != 0)
		return gs_error_errno(box, NULL, "cannot stat %s", get->part);
	/* Between our open and our lock the other get may have ended and given the file its final name. */
	if (lstat(get->part, &by_name) != 0 || by_name.st_ino != st->st_ino || by_name.st_dev != st->st_dev)
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Run get again.", "another get has just ended with %s", get->part);
	return GS_CLIENT_OK;
}

static int open_part(Get *get)
{
	GsErrorBox *box = &get->client->box;
	struct stat st;
	int status = lock_part(get, &st);

	if (status != GS_CLIENT_OK)
		return status;
	switch (gs_part_plan(&st, geteuid(), get->size)) {
	case GS_PART_REFUSE:
		return gs_error_set(box, GS_CLIENT_LOCAL, "Look at it, remove it, then run get again.",
							"%s is not a file that this program made", get->part);
	case GS_PART_START:
		status = restart_part(get);
		break;
	case GS_PART_RESUME:
	case GS_PART_WHOLE:
		status = hash(get, get->fd, st.st_size, get->part);
		get->at = st.st_size;
		break;
	}
	/* Space is claimed at once where the file system can: "no space" comes before the download, not in it. */
	if (status == GS_CLIENT_OK && get->size > get->at &&
		fallocate(get->fd, FALLOC_FL_KEEP_SIZE, get->at, get->size - get->at) != 0 && errno == ENOSPC)
		status = gs_error_errno(box, "Make room, or choose another place with -o FILE.", "cannot keep %s", get->part);
	return status;
}

static int on_data(void *arg, const GsHttpReply *reply, const void *data, size_t size)
{
	Get *get = arg;
	GsErrorBox *box = &get->client->box;
	const char *bytes = data;
	int status;

	if (!get->answered) {
		get->answered = true;
		if (reply->status == 206 && reply->range_start != get->at)
			return gs_error_set(box, GS_CLIENT_PROTOCOL, NULL, "the device answered with another range");
		/* 200 to a request for the rest: all of it comes again. */
		if (reply->status == 200 && get->at > 0 && (status = restart_part(get)) != GS_CLIENT_OK)
			return status;
	}
	if ((int64_t)size > get->size - get->at)
		return gs_error_set(box, GS_CLIENT_DIGEST, "Tell the operator.",
							"the device sent more than the share's %lld bytes", (long long)get->size);
	if (!gs_digest_add(get->digest, data, size))
		return gs_error_memory(box);
	while (size > 0) {
		ssize_t n = pwrite(get->fd, bytes, size, get->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gs_error_errno(box, "Make room, then run get again: it continues.", "cannot write %s", get->part);
		bytes += n;
		size -= (size_t)n;
		get->at += n;
	}
	return 0;
}

static int tick(void *arg, uint64_t sent)
{
	const Get *get = arg;

	(void)sent;
	if (get->want->progress == NULL)
		return 0;
	return get->want->progress(get->want->progress_arg, GS_CLIENT_RECEIVING, (uint64_t)get->at, (uint64_t)get->size);
}

/* One exchange with the device. *again: the failure that is returned may pass. */
static int fetch(Get *get, bool *again)
{
	GsErrorBox *box = &get->client->box;
	GsHttpRequest request = {.method = "GET",
							 .bearer = designated(get, "ticket"),
							 .upload_bytes = -1,
							 .sink = on_data,
							 .sink_arg = get,
							 .tick = tick,
							 .tick_arg = get,
							 .wait_s = -1};
	char range[64];
	char if_range[128];
	char where[300];
	char *url;
	GsHttpReply reply;
	int status = gs_http_base_url(designated(get, "url"), &url, box);

	*again = false;
	if (status != GS_CLIENT_OK)
		return status;
	snprintf(where, sizeof(where), "device %s", designated(get, "device") != NULL ? designated(get, "device") : "-");
	request.url = url;
	get->answered = false;
	if (get->at > 0) {
		snprintf(range, sizeof(range), "Range: bytes=%lld-", (long long)get->at);
		snprintf(if_range, sizeof(if_range), "If-Range: \"%s\"", designated(get, "sha256"));
		request.headers[0] = range;
		request.headers[1] = if_range;
	}
	status = gs_http_send(get->client->http, &request, &reply, box);
	*again = status == GS_CLIENT_NETWORK;
	if (status == GS_CLIENT_NETWORK)
		gs_error_at(box, where, "Run get again in a moment: it continues with what is fetched.");
	if (status == GS_CLIENT_OK && reply.status != 200 && reply.status != 206) {
		status = gs_error_problem(box, reply.status, reply.body, reply.body_size, reply.request_id, where);
		/* 401: the ticket has expired or its key was replaced, the next designation brings a new one. */
		*again = reply.status == 401 || status == GS_CLIENT_NETWORK;
	} else if (status == GS_CLIENT_OK && get->at < get->size) {
		status = gs_error_set(box, GS_CLIENT_NETWORK, "Run get again: it continues.", "the answer ended too early");
		*again = true;
	}
	gs_http_reply_clear(&reply);
	free(url);
	return status;
}

static int fetch_all(Get *get)
{
	int failures = 0;

	while (get->at < get->size) {
		int64_t before = get->at;
		bool again;
		int status = fetch(get, &again);

		if (status == GS_CLIENT_OK)
			continue;
		failures = get->at - before >= PROGRESS_BYTES ? 1 : failures + 1;
		if (!again || failures == FAILURES_MAX)
			return status;
		gs_session_pause(failures, -1);
		status = designate(get);
		if (status != GS_CLIENT_OK)
			return status;
	}
	return GS_CLIENT_OK;
}

/* The part file becomes the output, if it is what was promised. */
static int finish(Get *get)
{
	GsErrorBox *box = &get->client->box;
	int status = compare(get);

	if (status == GS_CLIENT_CONFLICT) {
		unlink(get->part);
		return gs_error_set(box, GS_CLIENT_DIGEST,
							"What was fetched is discarded. Run get again; tell the operator if it happens twice.",
							"the bytes received are not those that were shared (SHA-256 differs)");
	}
	if (status != GS_CLIENT_OK)
		return status;
	if (fchmod(get->fd, get->want->mode != 0 ? get->want->mode & 0777 : 0600) != 0 || fsync(get->fd) != 0)
		return gs_error_errno(box, NULL, "cannot keep %s", get->part);
	status = gs_file_publish(get->part, get->output, get->want->force, box);
	if (status == GS_CLIENT_CONFLICT)
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Choose another name with -o FILE, or use --force.",
							"%s has appeared meanwhile", get->output);
	return status;
}

static int transfer(Get *get, bool *already)
{
	int status = designate(get);

	if (status == GS_CLIENT_OK)
		status = choose_output(get);
	if (status == GS_CLIENT_OK)
		status = look_at_output(get, already);
	if (status != GS_CLIENT_OK || *already)
		return status;
	status = open_part(get);
	if (status == GS_CLIENT_OK)
		status = fetch_all(get);
	if (status == GS_CLIENT_OK)
		status = finish(get);
	return status;
}

int gs_client_get(GsClient *client, const GsClientGet *want, json_t **reply)
{
	Get get = {.client = client, .want = want, .fd = -1};
	bool already = false;
	int status;

	if (reply != NULL)
		*reply = NULL;
	gs_error_clear(&client->box);
	get.digest = gs_digest_open();
	status = get.digest != NULL ? transfer(&get, &already) : gs_error_memory(&client->box);
	if (status == GS_CLIENT_OK)
		status = gs_session_answer(
			client,
			json_pack("{s:O?, s:O?, s:O?, s:I, s:s, s:O?, s:s, s:b}", "share",
					  json_object_get(get.designation, "share"), "name", json_object_get(get.designation, "name"),
					  "owner", json_object_get(get.designation, "owner"), "size", (json_int_t)get.size, "sha256",
					  designated(&get, "sha256"), "device", json_object_get(get.designation, "device"), "path",
					  get.output, "already", (int)already),
			reply);
	if (get.fd >= 0)
		close(get.fd);
	gs_digest_close(get.digest);
	free(get.part);
	free(get.output);
	json_decref(get.designation);
	return status;
}
