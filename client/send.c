/* SPDX-License-Identifier: PostgreSQL */
/*
 * One attempt to bring an upload's bytes to the device of the latest notice. Small contents go by one PUT. Larger ones
 * go by PATCH (resumable uploads, IETF draft): the device says what it holds, the rest is sent in requests that grow
 * while they take less than a minute at most, so that a long upload comes back to its notice in time, whose repetition
 * renews ticket and reservation. A device that knows no PATCH gets the whole by PUT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/put.h"

/* Below this, asking what the device holds costs more than it can save. */
#define RESUMABLE_MIN_BYTES (1 << 20)
#define PATCH_FIRST_BYTES (16LL << 20)
#define PATCH_FIRST_HASTY_BYTES (1LL << 20) /* under an allocation of short life */
#define PATCH_MIN_BYTES (256LL << 10)
#define PATCH_MAX_BYTES (16LL << 30)
#define PATCH_LONG_S 60
/* Requests in a row that find the device elsewhere than it said. */
#define MISMATCHES_MAX 4
/* A device that holds a part is worth waiting for. */
#define FAILURES_MAX 2
#define FAILURES_HOLDING_MAX 6

static const char INTEROP[] = "Upload-Draft-Interop-Version: 8";

typedef struct Attempt {
	GsPut *put;
	char *url;
	const char *ticket;
	char where[300];
	json_t **stored;
	int mismatches;
} Attempt;

static int tick(void *arg, uint64_t sent)
{
	const GsPut *put = arg;
	uint64_t at = (uint64_t)put->base + sent;
	uint64_t total = (uint64_t)put->size;

	if (put->want->progress == NULL)
		return 0;
	return put->want->progress(put->want->progress_arg, GS_CLIENT_SENDING, at < total ? at : total, total);
}

/* The device holds everything before `at`. */
static void now_held(GsPut *put, int64_t at)
{
	if (at > put->held) {
		put->moved = true;
		put->failures = 0;
		put->wait.since_s = 0;
	}
	put->held = at;
}

/* A failure that may pass: again here, or elsewhere when there were too many. */
static GsPutNext here_or_other(GsPut *put)
{
	int most = put->held > 0 ? FAILURES_HOLDING_MAX : FAILURES_MAX;

	return ++put->failures >= most ? GS_PUT_OTHER : GS_PUT_SAME;
}

static GsPutNext after_refusal(Attempt *attempt, const GsHttpReply *reply)
{
	GsPut *put = attempt->put;
	GsErrorBox *box = &put->client->box;

	gs_error_problem(box, reply->status, reply->body, reply->body_size, reply->request_id, attempt->where);
	put->retry_after_s = reply->retry_after_s;
	switch (reply->status) {
	case 507:
		return GS_PUT_OTHER;
	case 401: /* the ticket has expired or its key was replaced: a new notice brings a new one */
	case 404:
	case 410: /* the reservation has ended: likewise */
		return GS_PUT_SAME;
	case 409:
		return strcmp(box->code, "different") == 0 ? GS_PUT_FAIL : GS_PUT_SAME;
	case 422:
		if (put->inherited) {
			/* Perhaps what was there before was wrong; the device has dropped it. */
			put->inherited = false;
			put->held = 0;
			return GS_PUT_SAME;
		}
		gs_put_has_changed(put);
		return GS_PUT_FAIL;
	case 400:
		gs_put_has_changed(put);
		return GS_PUT_FAIL;
	default:
		return reply->status < 500 && reply->status != 429 ? GS_PUT_FAIL : here_or_other(put);
	}
}

/* No answer came. A device that was not reached at all is down; but if it holds a part, it may soon be back. */
static GsPutNext after_break(Attempt *attempt, const GsHttpReply *reply, int status)
{
	GsPut *put = attempt->put;

	if (status != GS_CLIENT_NETWORK) {
		if (reply->upload_short)
			gs_put_has_changed(put);
		return GS_PUT_FAIL;
	}
	gs_error_at(&put->client->box, attempt->where,
				"Run put again in a moment: it continues. Tell the operator if the "
				"device stays away.");
	if (!reply->perhaps_received && put->held == 0)
		return GS_PUT_OTHER;
	return here_or_other(put);
}

/*
 * The answer broke off after its status. That is enough: the request bore the digest, and of bytes with another one the
 * device would have said 422.
 */
static GsPutNext after_cut_success(Attempt *attempt, const GsHttpReply *reply)
{
	json_decref(*attempt->stored);
	*attempt->stored = json_pack("{s:s}", "state", reply->status == 202 ? "receipt_pending" : "stored");
	if (*attempt->stored != NULL)
		return GS_PUT_DONE;
	gs_error_memory(&attempt->put->client->box);
	return GS_PUT_FAIL;
}

static GsPutNext after_success(Attempt *attempt, const GsHttpReply *reply)
{
	GsPut *put = attempt->put;
	const char *sha256;

	*attempt->stored = json_loadb(reply->body != NULL ? reply->body : "", reply->body_size, 0, NULL);
	sha256 = json_string_value(json_object_get(*attempt->stored, "sha256"));
	if (sha256 == NULL && reply->cut)
		return after_cut_success(attempt, reply);
	if (sha256 != NULL && strcmp(sha256, put->sha256_hex) == 0)
		return GS_PUT_DONE;
	if (!gs_put_has_changed(put))
		gs_error_set(&put->client->box, GS_CLIENT_DIGEST, "Run put again; tell the operator if it happens twice.",
					 "the device did not acknowledge the digest of what was sent");
	return GS_PUT_FAIL;
}

static void digest_line(const GsPut *put, char line[128])
{
	char base64[GS_BASE64_SIZE(GS_SHA256_BYTES)];

	gs_base64_encode(base64, put->sha256, sizeof(put->sha256));
	snprintf(line, 128, "Repr-Digest: sha-256=:%s:", base64);
}

/* All of a file in one request, from its first byte. */
static GsPutNext send_whole(Attempt *attempt)
{
	GsPut *put = attempt->put;
	char repr_digest[128];
	GsHttpReply reply;
	GsPutNext next;
	int status;

	digest_line(put, repr_digest);
	put->base = 0;
	status = gs_http_send(put->client->http,
						  &(GsHttpRequest){.method = "PUT",
										   .url = attempt->url,
										   .bearer = attempt->ticket,
										   .headers = {repr_digest},
										   .upload_fd = put->fd,
										   .upload_data = put->stream ? put->piece : NULL,
										   .upload_bytes = put->size,
										   .tick = tick,
										   .tick_arg = put,
										   .wait_s = -1,
										   .status_suffices = true},
						  &reply, &put->client->box);
	if (status != GS_CLIENT_OK)
		next = after_break(attempt, &reply, status);
	else if (reply.status == 201 || reply.status == 202)
		next = after_success(attempt, &reply);
	else
		next = after_refusal(attempt, &reply);
	gs_http_reply_clear(&reply);
	return next;
}

/* The device takes no parts. What of a stream is gone from memory can't be sent again. */
static GsPutNext fall_back(Attempt *attempt)
{
	GsPut *put = attempt->put;

	put->whole = true;
	put->held = 0;
	if (!put->stream || (put->piece_at == 0 && put->sha256_hex[0] != '\0'))
		return send_whole(attempt);
	gs_error_set(&put->client->box, GS_CLIENT_PROTOCOL, "Leave --size out, then the input is kept on disk first.",
				 "%s takes no stream", attempt->where);
	return GS_PUT_FAIL;
}

/* A new stream owes nothing to what an earlier one has left on the device. */
static GsPutNext forget_earlier(Attempt *attempt)
{
	GsPut *put = attempt->put;
	GsHttpReply reply;
	GsPutNext next = GS_PUT_DONE;
	int status = gs_http_send(
		put->client->http,
		&(GsHttpRequest){.method = "DELETE", .url = attempt->url, .bearer = attempt->ticket, .upload_bytes = -1},
		&reply, &put->client->box);

	if (status != GS_CLIENT_OK)
		next = after_break(attempt, &reply, status);
	else if (reply.status != 204 && reply.status != 404)
		next = after_refusal(attempt, &reply);
	put->held = 0;
	put->inherited = false;
	gs_http_reply_clear(&reply);
	return next;
}

/* HEAD: how far the device is. DONE: put->held says it, or put->whole. */
static GsPutNext ask_offset(Attempt *attempt)
{
	GsPut *put = attempt->put;
	GsHttpReply reply;
	GsPutNext next = GS_PUT_DONE;
	int status = gs_http_send(
		put->client->http,
		&(GsHttpRequest){
			.method = "HEAD", .url = attempt->url, .bearer = attempt->ticket, .headers = {INTEROP}, .upload_bytes = -1},
		&reply, &put->client->box);

	if (status != GS_CLIENT_OK)
		next = after_break(attempt, &reply, status);
	else if (reply.status == 401 || reply.status == 409 || reply.status == 410 || reply.status == 429 ||
			 reply.status >= 500)
		next = after_refusal(attempt, &reply);
	else if (reply.status > 299 || reply.upload_offset < 0 || reply.upload_offset > put->size)
		put->whole = true;
	else {
		put->inherited = put->inherited || (!put->begun && reply.upload_offset > 0);
		now_held(put, reply.upload_offset);
	}
	gs_http_reply_clear(&reply);
	return next;
}

/* Larger while it takes less time than the allocation is left alone for, smaller when much longer. */
static void adapt(GsPut *put, double took_s)
{
	if (took_s < put->renew_s / 2 && put->patch < PATCH_MAX_BYTES)
		put->patch *= 2;
	else if (took_s > put->renew_s * 2 && put->patch > PATCH_MIN_BYTES)
		put->patch /= 2;
}

/* A PATCH was answered. RENEW: go on with the next. */
static GsPutNext after_patch(Attempt *attempt, const GsHttpReply *reply, int64_t sent, bool last)
{
	GsPut *put = attempt->put;

	if (last && (reply->status == 201 || reply->status == 202))
		return after_success(attempt, reply);
	if (reply->status == 409 && reply->upload_offset >= 0 && reply->upload_offset <= put->size &&
		++attempt->mismatches < MISMATCHES_MAX) {
		put->held = reply->upload_offset;
		return GS_PUT_RENEW;
	}
	if (reply->status == 405 || reply->status == 415 || reply->status == 501)
		return fall_back(attempt);
	if (reply->status < 200 || reply->status > 299)
		return after_refusal(attempt, reply);
	if (last || reply->upload_offset <= put->base || reply->upload_offset > put->base + sent) {
		gs_error_set(&put->client->box, GS_CLIENT_PROTOCOL, NULL, "%s does not say how much it holds", attempt->where);
		return here_or_other(put);
	}
	attempt->mismatches = 0;
	now_held(put, reply->upload_offset);
	return GS_PUT_RENEW;
}

/* The next bytes, from put->held on. */
static GsPutNext send_patch(Attempt *attempt)
{
	GsPut *put = attempt->put;
	int64_t end = put->stream ? put->piece_at + (int64_t)put->piece_size : put->held + put->patch;
	bool last = end >= put->size;
	int64_t bytes = (last ? put->size : end) - put->held;
	double began_s = gs_session_now_s();
	char offset[64];
	char repr_digest[128] = "";
	GsHttpReply reply;
	GsPutNext next;
	int status;

	snprintf(offset, sizeof(offset), "Upload-Offset: %lld", (long long)put->held);
	if (last)
		digest_line(put, repr_digest);
	put->base = put->held;
	status =
		gs_http_send(put->client->http,
					 &(GsHttpRequest){.method = "PATCH",
									  .url = attempt->url,
									  .bearer = attempt->ticket,
									  .headers = {INTEROP, offset, last ? "Upload-Complete: ?1" : "Upload-Complete: ?0",
												  last ? repr_digest : NULL},
									  .upload_fd = put->fd,
									  .upload_from = put->held,
									  .upload_data = put->stream ? put->piece + (put->held - put->piece_at) : NULL,
									  .upload_bytes = bytes,
									  .upload_type = "application/partial-upload",
									  .tick = tick,
									  .tick_arg = put,
									  .wait_s = -1,
									  .status_suffices = last},
					 &reply, &put->client->box);
	next = status != GS_CLIENT_OK ? after_break(attempt, &reply, status) : after_patch(attempt, &reply, bytes, last);
	gs_http_reply_clear(&reply);
	if (next == GS_PUT_RENEW)
		adapt(put, gs_session_now_s() - began_s);
	return next;
}

static GsPutNext send_parts(Attempt *attempt)
{
	GsPut *put = attempt->put;
	GsPutNext next = GS_PUT_RENEW;

	while (next == GS_PUT_RENEW) {
		if (put->stream && gs_put_piece(put, put->held) != GS_CLIENT_OK)
			return GS_PUT_FAIL;
		if (put->stream && put->held < put->piece_at) {
			gs_error_set(&put->client->box, GS_CLIENT_NETWORK,
						 "Send it again, or without --size: then it is kept on disk.",
						 "%s has lost bytes of the stream", attempt->where);
			return GS_PUT_FAIL;
		}
		if (gs_session_now_s() - put->noticed_s > put->renew_s)
			break;
		next = send_patch(attempt);
	}
	return next;
}

static GsPutNext send_resumable(Attempt *attempt)
{
	GsPut *put = attempt->put;
	GsPutNext next = ask_offset(attempt);

	if (next == GS_PUT_DONE && put->stream && !put->begun && put->held > 0)
		next = forget_earlier(attempt);
	if (next != GS_PUT_DONE)
		return next;
	put->begun = true;
	if (put->whole)
		return put->stream && gs_put_piece(put, 0) != GS_CLIENT_OK ? GS_PUT_FAIL : fall_back(attempt);
	return send_parts(attempt);
}

GsPutNext gs_put_send(GsPut *put, json_t **stored)
{
	Attempt attempt = {
		.put = put, .ticket = json_string_value(json_object_get(put->notice, "ticket")), .stored = stored};
	GsPutNext next;

	put->retry_after_s = -1;
	if (put->patch == 0)
		put->patch = put->renew_s < PATCH_LONG_S ? PATCH_FIRST_HASTY_BYTES : PATCH_FIRST_BYTES;
	snprintf(attempt.where, sizeof(attempt.where), "device %s",
			 json_string_value(json_object_get(put->notice, "device")));
	if (gs_http_base_url(json_string_value(json_object_get(put->notice, "url")), &attempt.url, &put->client->box) !=
		GS_CLIENT_OK)
		return GS_PUT_FAIL;
	if (put->whole || (!put->stream && put->size < RESUMABLE_MIN_BYTES))
		next = send_whole(&attempt);
	else
		next = send_resumable(&attempt);
	free(attempt.url);
	return next;
}
