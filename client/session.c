/* SPDX-License-Identifier: PostgreSQL */
/*
 * API calls. The session is cached in a file between processes; it is dropped the moment the gateway refuses it, and a
 * call is then tried once more with a new one. Only calls that can be repeated without harm are repeated after a lost
 * answer; any call is repeated when the server can't have seen it.
 */
#include "client/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define ATTEMPTS_MAX 4
#define PAUSE_FIRST_MS 200
#define PAUSE_MAX_MS 3000
#define WAITING_FIRST_S 3
/* A server that wants a longer pause gets it from the user, who is told. */
#define RETRY_AFTER_MAX_S 5

char *gs_session_path(GsClient *client, const char *format, ...)
{
	va_list args;
	char *path;
	int n;

	va_start(args, format);
	n = vasprintf(&path, format, args);
	va_end(args);
	if (n < 0) {
		gs_error_memory(&client->box);
		return NULL;
	}
	return path;
}

int gs_session_answer(GsClient *client, json_t *value, json_t **reply)
{
	if (value == NULL)
		return gs_error_memory(&client->box);
	if (reply != NULL)
		*reply = value;
	else
		json_decref(value);
	return GS_CLIENT_OK;
}

double gs_session_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void gs_session_await(GsWait *wait, const char *whom)
{
	if (wait->since_s != 0)
		return;
	wait->since_s = wait->told_s = gs_session_now_s();
	snprintf(wait->whom, sizeof(wait->whom), "%s", whom);
}

static void tell_waiting(const GsClient *client, GsWait *wait)
{
	double now = gs_session_now_s();

	if (client->waiting == NULL || wait->since_s == 0 || now < wait->since_s + WAITING_FIRST_S ||
		now < wait->told_s + 1)
		return;
	wait->told_s = now;
	client->waiting(client->waiting_arg, wait->whom, (unsigned)(now - wait->since_s));
}

static void sleep_ms(uint32_t ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
		;
}

void gs_session_pause(GsClient *client, GsWait *wait, int attempt, int retry_after_s)
{
	uint32_t random = 0;
	uint32_t most_ms = PAUSE_FIRST_MS;

	for (int i = 1; i < attempt && most_ms < PAUSE_MAX_MS; i++)
		most_ms *= 2;
	if (most_ms > PAUSE_MAX_MS)
		most_ms = PAUSE_MAX_MS;
	/* No entropy only means no jitter. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = most_ms;
	most_ms = most_ms / 2 + random % (most_ms / 2 + 1);
	if (retry_after_s > 0)
		most_ms += (uint32_t)retry_after_s * 1000;
	for (uint32_t step; most_ms > 0; most_ms -= step) {
		step = most_ms < 500 ? most_ms : 500;
		sleep_ms(step);
		tell_waiting(client, wait);
	}
}

int gs_session_terminal(GsClient *client, const char **terminal)
{
	*terminal = client->config.terminal;
	if (*terminal != NULL)
		return GS_CLIENT_OK;
	return gs_error_set(&client->box, GS_CLIENT_DENIED,
						"Get a one-time code from the operator, then run: groupshare enroll IDENTIFIER CODE",
						"this terminal is not enrolled (no settings in %s)", client->config.config_directory);
}

/* May this exchange be tried again? The box says how it failed. */
static bool repeatable(const GsClient *client, const GsCall *call, const GsHttpReply *reply, int sent)
{
	if (sent == GS_CLIENT_NETWORK)
		return call->idempotent || !reply->perhaps_received;
	if (sent != GS_CLIENT_OK || reply->retry_after_s > RETRY_AFTER_MAX_S)
		return false;
	/* 429 is said before anything is done; a 503 may follow a commit whose answer was lost. A device that is called
	 * unavailable has been silent for a while: that does not pass within seconds. */
	return reply->status == 429 ||
		   (reply->status == 503 && call->idempotent && strcmp(client->box.code, "device_unavailable") != 0);
}

static int parse_reply(GsClient *client, const GsHttpReply *raw, json_t **reply)
{
	json_error_t error;

	*reply = NULL;
	if (raw->body_size == 0)
		return GS_CLIENT_OK;
	*reply = json_loadb(raw->body, raw->body_size, 0, &error);
	if (!json_is_object(*reply)) {
		json_decref(*reply);
		*reply = NULL;
		return gs_error_set(&client->box, GS_CLIENT_PROTOCOL, "Is the address (--url) that of a groupshare gateway?",
							"the answer is not a JSON object");
	}
	return GS_CLIENT_OK;
}

typedef struct Patience {
	const GsClient *client;
	GsWait wait;
} Patience;

static int call_tick(void *arg, uint64_t sent)
{
	Patience *patience = arg;

	(void)sent;
	tell_waiting(patience->client, &patience->wait);
	return 0;
}

/* One call without any session logic. */
static int call_with(GsClient *client, const GsCall *call, const char *bearer, json_t **reply, int *http_status)
{
	char *url = NULL;
	char *body = NULL;
	GsHttpReply raw = {0};
	Patience patience = {.client = client};
	bool failed = false;
	int status;

	*reply = NULL;
	*http_status = 0;
	if (client->config.url == NULL)
		return gs_error_set(&client->box, GS_CLIENT_INVALID,
							"Give it with --url https://HOST or set GROUPSHARE_URL; enrolling saves it.",
							"no gateway address is known");
	url = gs_session_path(client, "%s%s", client->config.url, call->path);
	if (call->body != NULL)
		body = json_dumps(call->body, JSON_COMPACT);
	if (url == NULL || (call->body != NULL && body == NULL)) {
		status = gs_error_memory(&client->box);
		goto finish;
	}
	gs_session_await(&patience.wait, "the control server");
	/* A long poll is meant to take long. */
	patience.wait.since_s += call->wait_s;
	for (int attempt = 1;; attempt++) {
		GsHttpRequest request = {.method = call->method,
								 .url = url,
								 .bearer = bearer,
								 .headers = {"Accept: application/json, application/problem+json"},
								 .body = body,
								 .upload_bytes = -1,
								 .tick = call_tick,
								 .tick_arg = &patience,
								 .wait_s = call->wait_s};

		status = gs_http_send(client->http, &request, &raw, &client->box);
		failed = status == GS_CLIENT_OK && (raw.status < 200 || raw.status > 299);
		if (failed)
			gs_error_problem(&client->box, raw.status, raw.body, raw.body_size, raw.request_id, "the gateway");
		if (attempt == ATTEMPTS_MAX || !repeatable(client, call, &raw, status))
			break;
		gs_session_pause(client, &patience.wait, attempt, raw.retry_after_s);
		gs_http_reply_clear(&raw);
	}
	*http_status = raw.status;
	client->date_s = raw.date_s;
	if (failed)
		status = client->box.error.status;
	else if (status == GS_CLIENT_OK)
		status = parse_reply(client, &raw, reply);
finish:
	gs_http_reply_clear(&raw);
	free(body);
	free(url);
	return status;
}

int gs_session_post(GsClient *client, const char *path, json_t *body, bool idempotent, json_t **reply)
{
	GsCall call = {.method = "POST", .path = path, .body = body, .idempotent = idempotent};
	int http_status;
	int status = body != NULL ? call_with(client, &call, NULL, reply, &http_status) : gs_error_memory(&client->box);

	json_decref(body);
	return status;
}

int gs_session_key(GsClient *client)
{
	int status;

	if (client->key != NULL)
		return GS_CLIENT_OK;
	status = gs_key_load(client->config.key_file, &client->key, &client->box);
	if (status == GS_CLIENT_OK && client->key == NULL)
		return gs_error_set(&client->box, GS_CLIENT_DENIED,
							"Restore it from a backup, or ask the operator for a new code and enrol again.",
							"the key of this terminal is missing: %s", client->config.key_file);
	return status;
}

/* The new session goes to the handle and to the cache; a cache that can't be written only costs the next connect. */
static int keep_session(GsClient *client, const json_t *reply)
{
	const char *token = json_string_value(json_object_get(reply, "session"));
	const char *server = json_string_value(json_object_get(reply, "server"));
	const char *expires_at = json_string_value(json_object_get(reply, "expires_at"));

	if (token == NULL || server == NULL || expires_at == NULL)
		return gs_error_set(&client->box, GS_CLIENT_PROTOCOL, NULL, "the gateway's answer names no session");
	gs_session_free(&client->session);
	client->session.token = strdup(token);
	client->session.server = strdup(server);
	client->session.expires_at = strdup(expires_at);
	if (client->session.token == NULL || client->session.server == NULL || client->session.expires_at == NULL) {
		gs_session_free(&client->session);
		return gs_error_memory(&client->box);
	}
	if (gs_session_save(&client->config, &client->session, &client->box) != GS_CLIENT_OK)
		gs_error_clear(&client->box);
	return GS_CLIENT_OK;
}

int gs_client_connect(GsClient *client, json_t **reply)
{
	char signature[GS_KEY_SIGNATURE_TEXT];
	const char *terminal;
	const char *challenge;
	json_t *asked = NULL;
	json_t *answer = NULL;
	int status = gs_session_terminal(client, &terminal);

	if (reply != NULL)
		*reply = NULL;
	if (status == GS_CLIENT_OK)
		status = gs_session_key(client);
	if (status == GS_CLIENT_OK)
		status = gs_session_post(client, "/v1/challenge", json_pack("{s:s}", "terminal", terminal), true, &asked);
	if (status != GS_CLIENT_OK)
		return status;
	challenge = json_string_value(json_object_get(asked, "challenge"));
	if (challenge == NULL)
		status = gs_error_set(&client->box, GS_CLIENT_PROTOCOL, NULL, "the gateway sent no challenge");
	else
		status = gs_key_sign(client->key, challenge, signature, &client->box);
	/* A challenge is good once: after a lost answer the whole connect is done again, not this request. */
	if (status == GS_CLIENT_OK)
		status = gs_session_post(
			client, "/v1/connect",
			json_pack("{s:s, s:s, s:s}", "terminal", terminal, "challenge", challenge, "signature", signature), false,
			&answer);
	json_decref(asked);
	if (status == GS_CLIENT_OK)
		status = keep_session(client, answer);
	if (status != GS_CLIENT_OK) {
		json_decref(answer);
		return status;
	}
	return gs_session_answer(client, answer, reply);
}

int gs_session_call(GsClient *client, const GsCall *call, json_t **reply, int *http_status)
{
	json_t *answer = NULL;
	int http = 0;
	int status = GS_CLIENT_OK;

	if (reply != NULL)
		*reply = NULL;
	for (int round = 0; round < 2; round++) {
		if (client->session.token == NULL && (status = gs_client_connect(client, NULL)) != GS_CLIENT_OK)
			return status;
		status = call_with(client, call, client->session.token, &answer, &http);
		/* A refusal whose body broke off has no code; of a call with a session, 401 is about the session. */
		if (http != 401 || (client->box.code[0] != '\0' && strcmp(client->box.code, "session_invalid") != 0))
			break;
		gs_session_free(&client->session);
	}
	if (http_status != NULL)
		*http_status = http;
	if (status != GS_CLIENT_OK || reply == NULL)
		json_decref(answer);
	else
		*reply = answer;
	return status;
}

/* The text of `next`, which the server gives as a string or a number; NULL = the end. malloc'd. */
static int next_of(GsClient *client, const json_t *page, char **next)
{
	const json_t *value = json_object_get(page, "next");

	*next = NULL;
	if (json_is_string(value))
		*next = gs_percent_encode(json_string_value(value));
	else if (json_is_integer(value))
		*next = gs_session_path(client, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		return GS_CLIENT_OK;
	return *next != NULL ? GS_CLIENT_OK : gs_error_memory(&client->box);
}

int gs_session_pages(GsClient *client, const char *path, const char *list, size_t most, json_t **reply)
{
	json_t *whole = NULL;
	char *next = NULL;
	int status = GS_CLIENT_OK;

	for (int pages = 0; status == GS_CLIENT_OK; pages++) {
		json_t *page = NULL;
		char *full = next != NULL ? gs_session_path(client, "%s&after=%s", path, next) : strdup(path);
		GsCall call = {.method = "GET", .path = full, .idempotent = true};

		free(next);
		next = NULL;
		if (full == NULL)
			status = gs_error_memory(&client->box);
		else if (pages == GS_PAGES_MAX)
			status =
				gs_error_set(&client->box, GS_CLIENT_PROTOCOL, NULL, "the list has more than %d pages", GS_PAGES_MAX);
		else
			status = gs_session_call(client, &call, &page, NULL);
		free(full);
		if (status == GS_CLIENT_OK && !json_is_array(json_object_get(page, list)))
			status = gs_error_set(&client->box, GS_CLIENT_PROTOCOL, NULL, "the answer has no list \"%s\"", list);
		if (status == GS_CLIENT_OK)
			status = next_of(client, page, &next);
		if (status == GS_CLIENT_OK && whole == NULL)
			whole = json_incref(page);
		else if (status == GS_CLIENT_OK &&
				 json_array_extend(json_object_get(whole, list), json_object_get(page, list)) != 0)
			status = gs_error_memory(&client->box);
		json_decref(page);
		if (next == NULL || (most > 0 && json_array_size(json_object_get(whole, list)) >= most))
			break;
	}
	if (status == GS_CLIENT_OK && most > 0 && json_object_set_new(whole, "more", json_boolean(next != NULL)) != 0)
		status = gs_error_memory(&client->box);
	free(next);
	if (status != GS_CLIENT_OK) {
		json_decref(whole);
		return status;
	}
	json_object_del(whole, "next");
	return gs_session_answer(client, whole, reply);
}
