/* SPDX-License-Identifier: PostgreSQL */
/*
 * A download in order: one request for all that is missing at the end. Its digest is made on the way. Also the one
 * place that says what a device's failure calls for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/get.h"

const char *gs_get_source(const GsGet *get, const char *member)
{
	const json_t *from = get->designation;

	if (get->source > 0)
		from = json_array_get(json_object_get(get->designation, "alternates"), get->source - 1);
	return json_string_value(json_object_get(from, member));
}

static int put_bytes(GsGet *get, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = get->want->to_fd ? write(get->fd, bytes, size) : pwrite(get->fd, bytes, size, get->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gs_error_errno(&get->client->box,
								  get->want->to_fd ? NULL : "Make room, then run get again: it continues.",
								  "cannot write %s", get->want->to_fd ? "the output" : get->part);
		bytes += n;
		size -= (size_t)n;
		get->at += n;
	}
	return GS_CLIENT_OK;
}

static int on_data(void *arg, const GsHttpReply *reply, const void *data, size_t size)
{
	GsGet *get = arg;
	GsErrorBox *box = &get->client->box;
	const char *bytes = data;

	if (!get->answered) {
		get->answered = true;
		if (reply->status == 206 && reply->range_start != get->at)
			return gs_error_set(box, GS_CLIENT_PROTOCOL, NULL, "the device answered with another range");
		/* 200 to a request for the rest: all of it comes again. */
		get->skip = reply->status == 200 ? get->at : 0;
	}
	if ((int64_t)size <= get->skip) {
		get->skip -= (int64_t)size;
		return GS_CLIENT_OK;
	}
	bytes += get->skip;
	size -= (size_t)get->skip;
	get->skip = 0;
	if ((int64_t)size > get->size - get->at)
		return gs_error_set(box, GS_CLIENT_DIGEST, "Tell the operator.",
							"the device sent more than the share's %lld bytes", (long long)get->size);
	if (!gs_digest_add(get->digest, bytes, size))
		return gs_error_memory(box);
	return put_bytes(get, bytes, size);
}

static int tick(void *arg, uint64_t sent)
{
	const GsGet *get = arg;

	(void)sent;
	if (get->want->progress == NULL)
		return 0;
	return get->want->progress(get->want->progress_arg, GS_CLIENT_RECEIVING, (uint64_t)get->at, (uint64_t)get->size);
}

GsGetNext gs_get_after(const GsGet *get, const GsHttpReply *reply, int status, GsErrorBox *box)
{
	const char *device = gs_get_source(get, "device");
	char where[300];

	snprintf(where, sizeof(where), "device %s", device != NULL ? device : "-");
	if (status == GS_CLIENT_NETWORK) {
		gs_error_at(box, where, "Run get again in a moment: it continues with what is fetched.");
		return GS_GET_AGAIN;
	}
	if (status != GS_CLIENT_OK)
		return status == GS_CLIENT_PROTOCOL ? GS_GET_OTHER : GS_GET_FAIL;
	if (reply->status == 200 || reply->status == 206)
		return GS_GET_DONE;
	status = gs_error_problem(box, reply->status, reply->body, reply->body_size, reply->request_id, where);
	/* 401: the ticket has expired or its key was replaced, the next designation brings a new one. */
	return reply->status == 401 || status == GS_CLIENT_NETWORK ? GS_GET_AGAIN : GS_GET_OTHER;
}

GsGetNext gs_get_fetch(GsGet *get)
{
	GsErrorBox *box = &get->client->box;
	GsHttpRequest request = {.method = "GET",
							 .bearer = gs_get_source(get, "ticket"),
							 .upload_bytes = -1,
							 .sink = on_data,
							 .sink_arg = get,
							 .tick = tick,
							 .tick_arg = get,
							 .wait_s = -1};
	char range[64];
	char if_range[128];
	GsHttpReply reply;
	GsGetNext next;
	char *url;
	int status = gs_http_base_url(gs_get_source(get, "url"), &url, box);

	if (status != GS_CLIENT_OK)
		return GS_GET_FAIL;
	request.url = url;
	get->answered = false;
	if (get->at > 0) {
		snprintf(range, sizeof(range), "Range: bytes=%lld-", (long long)get->at);
		snprintf(if_range, sizeof(if_range), "If-Range: \"%s\"",
				 json_string_value(json_object_get(get->designation, "sha256")));
		request.headers[0] = range;
		request.headers[1] = if_range;
	}
	status = gs_http_send(get->client->http, &request, &reply, box);
	next = gs_get_after(get, &reply, status, box);
	if (next == GS_GET_DONE && get->at < get->size) {
		gs_error_set(box, GS_CLIENT_NETWORK, "Run get again: it continues.", "the answer ended too early");
		next = GS_GET_AGAIN;
	}
	gs_http_reply_clear(&reply);
	free(url);
	return next;
}
