/* SPDX-License-Identifier: PostgreSQL */
/*
 * Everything is checked here that can be without knowing what the function does: JSON, its size and depth, names of
 * query parameters, presence of a session. Who the terminal is comes from the session alone and its address from the
 * socket alone: no header (X-Forwarded-For, X-User, ...) is read for either.
 *
 * The five arguments are built before the control server is looked up, so the request needs nothing of the stream while
 * it waits. One GsCall a stream, in the stream's pool; `closed` lets go of whatever still runs for it.
 */
#include "gateway/request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/json_text.h"
#include "daemon/response.h"
#include "gateway/admission.h"
#include "gateway/gateway.h"
#include "gateway/reply.h"

#define MAX_JSON_DEPTH 16

typedef struct Call {
	GsStream *stream;
	const GsApi *api;
	bool unknown;         /* the session, to admission.c */
	GsPgRequest *request; /* built, or with the pool; NULL when there is none any more */
	GsServiceAsk *ask;    /* the service list is being asked */
} Call;

/* Checks ------------------------------------------------------------------------------------------------------------
 */

static void refuse(GsStream *stream, const char *code, const char *detail)
{
	gs_problem_send(stream, 400, code, detail, NULL, 0);
}

static bool depth_is_good(const json_t *value, int left)
{
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key,
							member) if (left == 0 || !depth_is_good(member, left - 1)) return false;
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, member) if (left == 0 || !depth_is_good(member, left - 1)) return false;
	}
	return true;
}

/* application/json, with parameters or without; UTF-8 is the only charset that JSON has. */
static bool is_json_type(const char *type)
{
	static const char json[] = "application/json";
	size_t size = sizeof json - 1;

	if (!type || strncasecmp(type, json, size) != 0)
		return false;
	return type[size + strspn(type + size, " \t")] == '\0' || type[size + strspn(type + size, " \t")] == ';';
}

/* The body as an object, the caller's. NULL without an answer: there is none, and none is needed. */
static json_t *read_body(GsStream *stream, const GsApi *api, const uint8_t *bytes, size_t size)
{
	json_t *body;
	int error;

	if (size == 0) {
		if (api->body == GS_API_NEEDS_BODY)
			refuse(stream, "invalid_json", "This request needs a JSON object as its body.");
		return NULL;
	}
	if (api->body == GS_API_NO_BODY) {
		refuse(stream, "invalid_parameter", "This request has no body.");
		return NULL;
	}
	if (!is_json_type(gs_stream_header(stream, "content-type"))) {
		gs_problem_send(stream, 415, "unsupported_media_type", "The body must be application/json.", NULL, 0);
		return NULL;
	}
	body = gs_json_text_read((const char *)bytes, size, &error);
	if (error == -ENOMEM) {
		gs_problem_send(stream, 503, "try_again", "out of memory", NULL, 2);
	} else if (!json_is_object(body) || memchr(bytes, '\0', size)) {
		refuse(stream, "invalid_json", "The body must be one JSON object in UTF-8, without duplicate members.");
	} else if (!depth_is_good(body, MAX_JSON_DEPTH)) {
		refuse(stream, "invalid_json", "The body is nested too deeply.");
	} else {
		return body;
	}
	json_decref(body);
	return NULL;
}

static bool is_known(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* A single strong or weak entity tag, without W/; NULL for a list or "*", which reply.c deals with. */
static json_t *single_tag(const char *value)
{
	size_t size;

	if (strncmp(value, "W/", 2) == 0)
		value += 2;
	size = strlen(value);
	if (size < 2 || *value != '"' || strchr(value + 1, '"') != value + size - 1)
		return NULL;
	return json_string(value);
}

json_t *gs_request_params(GsStream *stream, const GsApi *api)
{
	const char *tag = api->tagged ? gs_stream_header_joined(stream, "if-none-match") : NULL;
	json_t *params = json_object();
	bool good = params != NULL;

	for (size_t i = 0; i < gs_stream_query_count(stream); i++) {
		const char *name, *value;

		gs_stream_query_at(stream, i, &name, &value);
		if (!is_known(api->query, name)) {
			refuse(stream, "unknown_member", "The query has a parameter that this request does not know.");
			json_decref(params);
			return NULL;
		}
		good = good && json_object_set_new(params, name, json_string(value)) == 0;
	}
	for (const char *const *name = api->path; *name; name++)
		good = good && json_object_set_new(params, *name, json_string(gs_stream_param(stream, *name))) == 0;
	/* A tag that is not UTF-8 can't be ours; then there is no condition. */
	if (tag)
		json_object_set_new(params, "if_none_match", single_tag(tag));
	if (good)
		return params;
	refuse(stream, "invalid_parameter", "A parameter is not UTF-8.");
	json_decref(params);
	return NULL;
}

GsServer *gs_request_session(GsStream *stream, GsRouteToken *token, bool *unknown)
{
	const GsGateway *gateway = gs_stream_program(stream);
	const char *session = gs_stream_bearer(stream);
	GsServer *server = NULL;

	if (session && gs_route_token_read(session, token) == 0)
		server = gs_gateway_server(gateway, token->server);
	if (!server)
		gs_problem_send(stream, 401, "session_invalid",
						session ? "The session is not valid." : "This request needs a session.", "Connect first.", 0);
	else if (!gs_admission_check(stream, gs_stream_route_arg(stream), unknown))
		server = NULL;
	return server;
}

/* inet has no zone: fe80::1%eth0 is passed as fe80::1. */
static const char *peer_without_zone(GsStream *stream)
{
	const char *peer = gs_stream_peer(stream);
	const char *zone = peer ? strchr(peer, '%') : NULL;
	char *copy;

	if (!zone)
		return peer;
	copy = gs_stream_alloc(stream, (size_t)(zone - peer) + 1);
	if (copy) {
		memcpy(copy, peer, (size_t)(zone - peer));
		copy[zone - peer] = '\0';
	}
	return copy;
}

GsPgRequest *gs_request_new(GsStream *stream, const GsApi *api, const json_t *params, const char *body, GsPgDone *done,
							void *owner)
{
	char *params_text = json_dumps(params, JSON_COMPACT);
	const char *const values[GS_PG_MAX_PARAMS] = {api->session ? gs_stream_bearer(stream) : NULL,
												  peer_without_zone(stream), gs_stream_request_id(stream), params_text,
												  body};
	GsPgRequest *request = params_text ? gs_pg_request_new(&api->statement, values, done, owner) : NULL;

	free(params_text);
	return request;
}

/* The way -----------------------------------------------------------------------------------------------------------
 */

static void request_done(void *owner, const GsPgReply *reply)
{
	Call *call = owner;

	call->request = NULL;
	if (call->api->session)
		gs_admission_learn(call->stream, reply, call->unknown);
	gs_reply_send(call->stream, call->api, reply);
}

static void call_submit(Call *call, GsServer *server)
{
	GsPgRequest *request = call->request;

	if (server && gs_pg_pool_submit(server->pool, request) == 0)
		return;
	/* A full pool has freed it. */
	call->request = NULL;
	if (!server)
		gs_pg_request_free(request);
	gs_reply_overloaded(call->stream);
}

static void service_found(void *owner, GsServer *server)
{
	Call *call = owner;

	call->ask = NULL;
	call_submit(call, server);
}

/* For requests without a session: by the terminal that the body names. */
static void call_route(Call *call, const json_t *body)
{
	GsServiceList *list = ((GsGateway *)gs_stream_program(call->stream))->service_list;
	const char *terminal = json_string_value(json_object_get(body, "terminal"));
	GsServer *server;

	/* One that names none gets its answer from any server: it says what is missing. */
	if (!terminal)
		terminal = "";
	server = gs_service_list_remembered(list, terminal);
	if (server) {
		call_submit(call, server);
		return;
	}
	call->ask = gs_service_list_ask(list, terminal, service_found, call);
	if (!call->ask)
		call_submit(call, NULL);
}

static char *body_text(GsStream *stream, const uint8_t *bytes, size_t size)
{
	char *text = gs_stream_alloc(stream, size + 1);

	if (text) {
		memcpy(text, bytes, size);
		text[size] = '\0';
	}
	return text;
}

static void request_end(GsStream *stream)
{
	const GsApi *api = gs_stream_route_arg(stream);
	Call *call = gs_stream_alloc(stream, sizeof *call);
	GsRouteToken token;
	GsServer *server = NULL;
	const uint8_t *bytes;
	json_t *params = NULL, *body = NULL;
	bool unknown = false;
	char *text = NULL;
	size_t size;

	bytes = gs_stream_body(stream, &size);
	if (api->session ? !(server = gs_request_session(stream, &token, &unknown))
					 : !gs_admission_check(stream, api, &unknown))
		return;
	params = gs_request_params(stream, api);
	if (!params)
		return;
	body = read_body(stream, api, bytes, size);
	if (gs_stream_answered(stream))
		goto finish;
	if (body)
		text = body_text(stream, bytes, size);
	if (!call || (body && !text)) {
		gs_reply_overloaded(stream);
		goto finish;
	}
	*call = (Call){.stream = stream, .api = api, .unknown = unknown};
	call->request = gs_request_new(stream, api, params, text, request_done, call);
	gs_stream_set_data(stream, call);
	if (!call->request)
		gs_reply_overloaded(stream);
	else if (api->session)
		call_submit(call, server);
	else
		call_route(call, body);
finish:
	if (text)
		explicit_bzero(text, size);
	json_decref(body);
	json_decref(params);
}

static void request_closed(GsStream *stream)
{
	Call *call = gs_stream_data(stream);

	if (!call)
		return;
	if (call->ask)
		gs_service_list_forget(call->ask);
	if (call->request)
		gs_pg_pool_cancel(call->request);
}

GsHandler gs_request_handler = {.end = request_end, .closed = request_closed, .max_body_bytes = 262144};
