/* SPDX-License-Identifier: PostgreSQL */
/*
 * Upload (spec U1-U4): digest of the file, notice, bytes to the device. The notice is idempotent by owner, name, size
 * and digest, so every failure on the way is met by sending it again, with the devices that failed named to be avoided.
 * The bytes are acknowledged by their digest: if the file changes meanwhile, nothing is shared.
 */
#include "client/put.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Attempts in a row in which the device came to hold nothing more. */
#define ATTEMPTS_MAX 10
#define AVOID_MAX 5
#define RETRY_AFTER_MAX_S 5
/* An allocation is renewed when this much of its life is over, and a request to the device may take as long again. */
#define RENEW_PART 4
#define RENEW_LEAST_S 1
#define RENEW_MOST_S 60

static json_t *notice_body(const GsPut *put)
{
	json_t *body = json_pack("{s:s, s:I}", "name", put->name, "size", (json_int_t)put->size);
	json_t *groups = put->want->groups != NULL ? json_array() : NULL;

	for (size_t i = 0; groups != NULL && i < put->want->groups_count; i++) {
		if (json_array_append_new(groups, json_string(put->want->groups[i])) != 0)
			goto failed;
	}
	if (body == NULL || (groups != NULL && json_object_set(body, "groups", groups) != 0))
		goto failed;
	if (!put->stream && json_object_set_new(body, "sha256", json_string(put->sha256_hex)) != 0)
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

/* Another object than in the notice before is an upload that begins anew, on whatever device. */
static void compare_notices(GsPut *put, const json_t *answer)
{
	const char *then = json_string_value(json_object_get(put->notice, "object"));
	const char *now = json_string_value(json_object_get(answer, "object"));

	if (then != NULL && now != NULL && strcmp(then, now) != 0) {
		put->held = 0;
		put->failures = 0;
		put->begun = false;
		put->inherited = false;
		put->whole = false;
	}
}

/* A share of this name that is only half uploaded has other remedies than one that is stored. */
static void explain_conflict(GsPut *put)
{
	GsErrorBox *box = &put->client->box;
	GsErrorBox why;
	bool unfinished = false;
	json_t *reply;
	json_t *share;
	size_t i;

	gs_error_restore(&why, box);
	if (gs_client_shares(put->client, &reply) == GS_CLIENT_OK) {
		json_array_foreach(json_object_get(reply, "shares"), i, share)
		{
			const char *name = json_string_value(json_object_get(share, "name"));
			const char *state = json_string_value(json_object_get(share, "state"));

			if (name != NULL && state != NULL && strcmp(name, put->name) == 0 && strcmp(state, "pending") == 0)
				unfinished = true;
		}
		json_decref(reply);
	}
	gs_error_restore(box, &why);
	if (unfinished)
		gs_error_hint(box,
					  "That upload is unfinished. Finish it by putting the same content again, drop it with groupshare "
					  "rm NAME, or choose another name with --as NAME.");
}

/* What the API's own words leave open for who put a file. */
static int refused(GsPut *put, int status)
{
	GsErrorBox *box = &put->client->box;

	if (strcmp(box->code, "share_exists") == 0)
		explain_conflict(put);
	else if (status == GS_CLIENT_INVALID && box->hint[0] == '\0')
		gs_error_hint(box, "Another name is given with --as NAME.");
	return status;
}

/*
 * When the allocation has to be renewed, by what the answer says of its end and of its own time; nobody's clock is
 * compared with this machine's. Without either, or if the gateway's clock is beyond that end, after a minute.
 */
static double renewal_of(const GsPut *put, const json_t *answer)
{
	int64_t ticket_s = gs_time_decode(json_string_value(json_object_get(answer, "expires_at")));
	int64_t reserved_s = gs_time_decode(json_string_value(json_object_get(answer, "reservation_expires_at")));
	int64_t end_s = reserved_s >= 0 && reserved_s < ticket_s ? reserved_s : ticket_s;
	double renew_s = (double)(end_s - put->client->date_s) / RENEW_PART;

	if (end_s < 0 || put->client->date_s < 0 || renew_s <= 0 || renew_s > RENEW_MOST_S)
		return RENEW_MOST_S;
	return renew_s < RENEW_LEAST_S ? RENEW_LEAST_S : renew_s;
}

/* Sends the upload notice; put->notice is the answer. *http_status 200: stored already, 201: allocated. */
static int send_notice(GsPut *put, int *http_status)
{
	GsErrorBox *box = &put->client->box;
	json_t *body = notice_body(put);
	GsCall call = {.method = "POST", .path = "/v1/uploads", .body = body, .idempotent = true};
	json_t *answer;
	int status;

	if (body == NULL)
		return gs_error_set(box, GS_CLIENT_INVALID, "Give the share a plain name with --as NAME.",
							"the name of %s is not UTF-8", put->want->path);
	status = gs_session_call(put->client, &call, &answer, http_status);
	json_decref(body);
	if (status != GS_CLIENT_OK)
		return refused(put, status);
	compare_notices(put, answer);
	json_decref(put->notice);
	put->notice = answer;
	put->noticed_s = gs_session_now_s();
	put->renew_s = renewal_of(put, answer);
	if (*http_status != 200 && (!json_is_string(json_object_get(put->notice, "url")) ||
								!json_is_string(json_object_get(put->notice, "ticket")) ||
								!json_is_string(json_object_get(put->notice, "device"))))
		return gs_error_set(box, GS_CLIENT_PROTOCOL, NULL, "the storage allocation is incomplete");
	return status;
}

static int avoid_device(GsPut *put)
{
	if (json_array_size(put->avoid) == AVOID_MAX)
		return put->client->box.error.status;
	if (json_array_append(put->avoid, json_object_get(put->notice, "device")) != 0)
		return gs_error_memory(&put->client->box);
	return GS_CLIENT_OK;
}

/* A share of this name and size is there, but only its bytes could say whether it is the same content. */
static int stored_already(GsPut *put, bool first)
{
	if (!put->stream)
		return GS_CLIENT_OK;
	if (first)
		return gs_error_set(&put->client->box, GS_CLIENT_CONFLICT,
							"Choose another name, or remove it first (groupshare rm NAME), or leave --size out.",
							"something of this name and size is shared already");
	return GS_CLIENT_OK;
}

/* The notice that `why` calls for. While the device takes the bytes, a control server that is away for a while stops
 * nothing: the ticket that is there is gone on with, and asked for anew a minute later. */
static int next_notice(GsPut *put, GsPutNext why, int *http_status)
{
	int status = send_notice(put, http_status);

	if (status != GS_CLIENT_NETWORK || why != GS_PUT_RENEW)
		return status;
	gs_error_clear(&put->client->box);
	put->noticed_s = gs_session_now_s();
	*http_status = 201;
	return GS_CLIENT_OK;
}

static void pause_for_device(GsPut *put, int attempt)
{
	char device[sizeof(put->wait.whom)];

	/* send_notice has taken no allocation without the device's name. */
	snprintf(device, sizeof(device), "device %s", json_string_value(json_object_get(put->notice, "device")));
	gs_session_await(&put->wait, device);
	gs_session_pause(put->client, &put->wait, attempt,
					 put->retry_after_s < RETRY_AFTER_MAX_S ? put->retry_after_s : RETRY_AFTER_MAX_S);
}

/* Notice and bytes until they are stored. *already: they were before this call. */
static int run(GsPut *put, json_t **stored, bool *already)
{
	GsErrorBox *box = &put->client->box;
	GsPutNext next = GS_PUT_SAME;
	bool first = true;

	for (int attempt = 1; attempt <= ATTEMPTS_MAX; first = false) {
		GsErrorBox device_error = *box;
		int http_status;
		int status = next_notice(put, next, &http_status);

		/* Devices failed and there is no other one: their failure is what the user can do something about. */
		if (status == GS_CLIENT_NO_ROOM && json_array_size(put->avoid) > 0) {
			gs_error_restore(box, &device_error);
			return device_error.error.status;
		}
		if (status != GS_CLIENT_OK)
			return status;
		if (http_status == 200) {
			*already = first;
			return stored_already(put, first);
		}
		next = gs_put_send(put, stored);
		if (next == GS_PUT_DONE)
			return GS_CLIENT_OK;
		json_decref(*stored);
		*stored = NULL;
		if (next == GS_PUT_OTHER && (status = avoid_device(put)) != GS_CLIENT_OK)
			return status;
		if (next == GS_PUT_FAIL)
			return box->error.status;
		attempt = put->moved ? 1 : attempt + 1;
		put->moved = false;
		if (next == GS_PUT_SAME && attempt <= ATTEMPTS_MAX)
			pause_for_device(put, attempt);
	}
	return box->error.status;
}

/* Bytes that failed and can't come again, of a stream or of a file that has changed: without their share, the name is
 * free again and nothing stays reserved. */
static void forget(GsPut *put)
{
	const char *share = json_string_value(json_object_get(put->notice, "share"));
	GsErrorBox why = put->client->box;

	if (share == NULL || gs_client_delete_share(put->client, share) != GS_CLIENT_OK)
		gs_error_clear(&put->client->box);
	gs_error_restore(&put->client->box, &why);
}

static json_t *describe(const GsPut *put, const json_t *stored, bool already)
{
	const char *state = json_string_value(json_object_get(stored, "state"));

	return json_pack("{s:O?, s:s, s:I, s:s, s:O?, s:s, s:b, s:b}", "share", json_object_get(put->notice, "share"),
					 "name", put->name, "size", (json_int_t)put->size, "sha256", put->sha256_hex, "device",
					 json_object_get(put->notice, "device"), "state", state != NULL ? state : "stored", "already",
					 (int)already, "changed", (int)gs_put_differs(put));
}

int gs_client_put(GsClient *client, const GsClientPut *want, json_t **reply)
{
	GsPut put = {.client = client, .want = want, .fd = -1, .retry_after_s = -1};
	json_t *stored = NULL;
	bool already = false;
	int status;

	if (reply != NULL)
		*reply = NULL;
	gs_error_clear(&client->box);
	put.avoid = json_array();
	status = put.avoid != NULL ? gs_put_open(&put) : gs_error_memory(&client->box);
	if (status == GS_CLIENT_OK)
		status = run(&put, &stored, &already);
	if (status == GS_CLIENT_OK)
		status = gs_session_answer(client, describe(&put, stored, already), reply);
	else if ((put.stream || put.changed) && !already)
		forget(&put);
	json_decref(stored);
	json_decref(put.notice);
	json_decref(put.avoid);
	gs_put_close(&put);
	return status;
}
