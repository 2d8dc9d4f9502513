/* SPDX-License-Identifier: PostgreSQL */
/*
 * Upload (spec U1-U4): digest of the file, notice, bytes to the device. The notice is idempotent by owner, name, size
 * and digest, so every failure on the way is met by sending it again, with the devices that failed named to be avoided.
 * The bytes are acknowledged by their digest: if the file changes meanwhile, nothing is shared.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/digest.h"
#include "client/name.h"
#include "client/session.h"

#define ATTEMPTS_MAX 8
#define AVOID_MAX 5
#define DEVICE_FAILURES_MAX 2

typedef struct Put {
	GsClient *client;
	const GsClientPut *want;
	const char *name;
	int fd;
	struct stat before; /* as it was when its digest was begun */
	uint8_t sha256[GS_SHA256_BYTES];
	char sha256_hex[GS_SHA256_HEX];
	json_t *avoid;  /* array of device names */
	json_t *notice; /* the latest storage allocation */
	int device_failures;
} Put;

typedef enum Next {
	NEXT_DONE,
	NEXT_SAME,  /* send the notice again, the same device may answer */
	NEXT_OTHER, /* send it again, avoiding this device */
	NEXT_FAIL   /* the box says why */
} Next;

static int open_file(Put *put)
{
	GsErrorBox *box = &put->client->box;
	const char *path = put->want->path;

	put->name = put->want->name != NULL ? put->want->name : gs_name_of_path(path);
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	put->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (put->fd < 0)
		return gs_error_errno(box, NULL, "cannot open %s", path);
	if (fstat(put->fd, &put->before) != 0)
		return gs_error_errno(box, NULL, "cannot stat %s", path);
	if (!S_ISREG(put->before.st_mode))
		return gs_error_set(box, GS_CLIENT_LOCAL,
							S_ISDIR(put->before.st_mode) ? "Pack a directory first, for example with tar or zip."
														 : NULL,
							"%s is not a regular file", path);
	return GS_CLIENT_OK;
}

static bool has_changed(const Put *put)
{
	struct stat now;

	return fstat(put->fd, &now) != 0 || now.st_size != put->before.st_size ||
		   now.st_mtim.tv_sec != put->before.st_mtim.tv_sec || now.st_mtim.tv_nsec != put->before.st_mtim.tv_nsec;
}

static int say_changed(const Put *put)
{
	return gs_error_set(&put->client->box, GS_CLIENT_LOCAL, "Wait until nothing writes to it, then run put again.",
						"%s changed while it was being uploaded, so it was not shared", put->want->path);
}

static int digest_file(Put *put)
{
	GsWatcher watcher = {.progress = put->want->progress,
						 .arg = put->want->progress_arg,
						 .phase = GS_CLIENT_HASHING,
						 .total = (uint64_t)put->before.st_size};
	GsErrorBox *box = &put->client->box;
	GsDigest *digest = gs_digest_open();
	int status;

	if (digest == NULL)
		return gs_error_memory(box);
	status = gs_digest_add_file(digest, put->fd, put->before.st_size, &watcher, put->want->path, box);
	if (status == GS_CLIENT_OK && !gs_digest_end(digest, put->sha256))
		status = gs_error_memory(box);
	gs_hex_encode(put->sha256_hex, put->sha256, sizeof(put->sha256));
	gs_digest_close(digest);
	if (status == GS_CLIENT_OK && has_changed(put))
		status = say_changed(put);
	return status;
}

static json_t *notice_body(const Put *put)
{
	json_t *body = json_pack("{s:s, s:I, s:s}", "name", put->name, "size", (json_int_t)put->before.st_size, "sha256",
							 put->sha256_hex);
	json_t *groups = put->want->groups != NULL ? json_array() : NULL;

	for (size_t i = 0; groups != NULL && i < put->want->groups_count; i++) {
		if (json_array_append_new(groups, json_string(put->want->groups[i])) != 0)
			goto failed;
	}
	if (body == NULL || (groups != NULL && json_object_set(body, "groups", groups) != 0))
		goto failed;
	if (json_array_size(put->avoid) > 0 && json_object_set(body, "avoid", put->avoid) != 0)
		goto failed;
	json_decref(groups);
	return body;
failed:
	json_decref(groups);
	json_decref(body);
	return NULL;
}

/* Sends the upload notice; put->notice is the answer. *http_status 200: stored already, 201: allocated. */
static int send_notice(Put *put, int *http_status)
{
	GsErrorBox *box = &put->client->box;
	json_t *body = notice_body(put);
	GsCall call = {.method = "POST", .path = "/v1/uploads", .body = body, .idempotent = true};
	int status;

	if (body == NULL)
		return gs_error_set(box, GS_CLIENT_INVALID, "Give the share a plain name with --as NAME.",
							"the name of %s is not UTF-8", put->want->path);
	json_decref(put->notice);
	put->notice = NULL;
	status = gs_session_call(put->client, &call, &put->notice, http_status);
	json_decref(body);
	if (status == GS_CLIENT_OK && *http_status != 200 &&
		(!json_is_string(json_object_get(put->notice, "url")) ||
		 !json_is_string(json_object_get(put->notice, "ticket")) ||
		 !json_is_string(json_object_get(put->notice, "device"))))
		return gs_error_set(box, GS_CLIENT_PROTOCOL, NULL, "the storage allocation is incomplete");
	return status;
}

static int tick(void *arg, uint64_t sent)
{
	const Put *put = arg;
	uint64_t total = (uint64_t)put->before.st_size;

	if (put->want->progress == NULL)
		return 0;
	return put->want->progress(put->want->progress_arg, GS_CLIENT_SENDING, sent < total ? sent : total, total);
}

/* What the device's refusal calls for. A broken exchange is tried once more on the same device: it may have been a
 * passing fault, and what it holds already is then only acknowledged. */
static Next after_refusal(Put *put, int http_status)
{
	const char *code = put->client->box.code;

	switch (http_status) {
	case 507:
		return NEXT_OTHER;
	case 401: /* the ticket has expired or its key was replaced: a new notice brings a new one */
	case 410: /* the reservation has ended: likewise */
		return NEXT_SAME;
	case 409:
		return strcmp(code, "busy") == 0 ? NEXT_SAME : NEXT_FAIL;
	case 400:
	case 422:
		if (has_changed(put))
			say_changed(put);
		return NEXT_FAIL;
	default:
		if (http_status < 500 && http_status != 429)
			return NEXT_FAIL;
		return ++put->device_failures >= DEVICE_FAILURES_MAX ? NEXT_OTHER : NEXT_SAME;
	}
}

static Next after_success(Put *put, const GsHttpReply *reply, json_t **stored)
{
	GsErrorBox *box = &put->client->box;
	const char *sha256;

	*stored = json_loadb(reply->body != NULL ? reply->body : "", reply->body_size, 0, NULL);
	sha256 = json_string_value(json_object_get(*stored, "sha256"));
	if (sha256 != NULL && strcmp(sha256, put->sha256_hex) == 0)
		return NEXT_DONE;
	if (has_changed(put))
		say_changed(put);
	else
		gs_error_set(box, GS_CLIENT_DIGEST, "Run put again; tell the operator if it happens twice.",
					 "the device did not acknowledge the digest of what was sent");
	return NEXT_FAIL;
}

/* The bytes, to the device of put->notice. *stored: the device's answer. */
static Next send_bytes(Put *put, json_t **stored)
{
	GsErrorBox *box = &put->client->box;
	char digest_base64[GS_BASE64_SIZE(GS_SHA256_BYTES)];
	char repr_digest[128];
	char where[300];
	char *checked_url;
	GsHttpReply reply;
	Next next;
	int status;

	gs_base64_encode(digest_base64, put->sha256, sizeof(put->sha256));
	snprintf(repr_digest, sizeof(repr_digest), "Repr-Digest: sha-256=:%s:", digest_base64);
	snprintf(where, sizeof(where), "device %s", json_string_value(json_object_get(put->notice, "device")));
	if (gs_http_base_url(json_string_value(json_object_get(put->notice, "url")), &checked_url, box) != GS_CLIENT_OK)
		return NEXT_FAIL;
	status = gs_http_send(put->client->http,
						  &(GsHttpRequest){.method = "PUT",
										   .url = checked_url,
										   .bearer = json_string_value(json_object_get(put->notice, "ticket")),
										   .headers = {repr_digest},
										   .upload_fd = put->fd,
										   .upload_bytes = put->before.st_size,
										   .tick = tick,
										   .tick_arg = put,
										   .wait_s = -1},
						  &reply, box);
	free(checked_url);
	if (status == GS_CLIENT_OK && (reply.status == 201 || reply.status == 202)) {
		next = after_success(put, &reply, stored);
	} else if (status == GS_CLIENT_OK) {
		gs_error_problem(box, reply.status, reply.body, reply.body_size, reply.request_id, where);
		next = after_refusal(put, reply.status);
	} else if (status == GS_CLIENT_NETWORK) {
		gs_error_at(box, where, "Try again in a moment; tell the operator if the device stays away.");
		/* Not reached at all: it is down. Broken off: once more. */
		next = !reply.perhaps_received || ++put->device_failures >= DEVICE_FAILURES_MAX ? NEXT_OTHER : NEXT_SAME;
	} else {
		if (reply.upload_short)
			say_changed(put);
		next = NEXT_FAIL;
	}
	gs_http_reply_clear(&reply);
	return next;
}

static int avoid_device(Put *put)
{
	if (json_array_size(put->avoid) == AVOID_MAX)
		return put->client->box.error.status;
	put->device_failures = 0;
	if (json_array_append(put->avoid, json_object_get(put->notice, "device")) != 0)
		return gs_error_memory(&put->client->box);
	return GS_CLIENT_OK;
}

/* Notice and bytes until they are stored. *already: they were before this call. */
static int run(Put *put, json_t **stored, bool *already)
{
	GsErrorBox *box = &put->client->box;

	for (int attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
		GsErrorBox device_error = *box;
		int http_status;
		int status = send_notice(put, &http_status);
		Next next;

		/* Devices failed and there is no other one: their failure is what the user can do something about. */
		if (status == GS_CLIENT_NO_ROOM && json_array_size(put->avoid) > 0) {
			gs_error_restore(box, &device_error);
			return device_error.error.status;
		}
		if (status != GS_CLIENT_OK)
			return status;
		if (http_status == 200) {
			*already = attempt == 1;
			return GS_CLIENT_OK;
		}
		next = send_bytes(put, stored);
		if (next == NEXT_DONE)
			return GS_CLIENT_OK;
		json_decref(*stored);
		*stored = NULL;
		if (next == NEXT_OTHER && (status = avoid_device(put)) != GS_CLIENT_OK)
			return status;
		if (next == NEXT_FAIL)
			return box->error.status;
		if (attempt < ATTEMPTS_MAX)
			gs_session_pause(attempt, -1);
	}
	return box->error.status;
}

static json_t *describe(const Put *put, const json_t *stored, bool already)
{
	const char *state = json_string_value(json_object_get(stored, "state"));

	return json_pack("{s:O?, s:s, s:I, s:s, s:O?, s:s, s:b}", "share", json_object_get(put->notice, "share"), "name",
					 put->name, "size", (json_int_t)put->before.st_size, "sha256", put->sha256_hex, "device",
					 json_object_get(put->notice, "device"), "state", state != NULL ? state : "stored", "already",
					 (int)already);
}

int gs_client_put(GsClient *client, const GsClientPut *want, json_t **reply)
{
	Put put = {.client = client, .want = want, .fd = -1};
	json_t *stored = NULL;
	bool already = false;
	int status;

	if (reply != NULL)
		*reply = NULL;
	gs_error_clear(&client->box);
	put.avoid = json_array();
	status = put.avoid != NULL ? open_file(&put) : gs_error_memory(&client->box);
	if (status == GS_CLIENT_OK)
		status = digest_file(&put);
	if (status == GS_CLIENT_OK)
		status = run(&put, &stored, &already);
	if (status == GS_CLIENT_OK)
		status = gs_session_answer(client, describe(&put, stored, already), reply);
	json_decref(stored);
	json_decref(put.notice);
	json_decref(put.avoid);
	if (put.fd >= 0)
		close(put.fd);
	return status;
}
