/* SPDX-License-Identifier: PostgreSQL */
/*
 * The memory is a set-associative table of fixed size: an identifier has WAYS places, the oldest gives way. So no
 * sender of made-up identifiers can make it grow or slow; he can only make it forget. `generation` is raised by every
 * announcement of a change; an answer that was asked for before it is used once and not kept.
 */
#include "gateway/service_list.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "gateway/gateway.h"

#define WAYS 4
/* A longer one is no identifier (doc/contracts.md section 1); the control server says so. */
#define MAX_IDENTIFIER 254
#define MAX_SERVER_NAME 255

typedef struct Entry {
	char *identifier; /* NULL: empty */
	GsServer *server; /* NULL: the list does not know it */
	uint64_t generation;
	uint64_t kept_ms;
} Entry;

struct GsServiceList {
	GsGateway *gateway;
	Entry *entries;
	size_t sets;
	uint64_t generation;
};

struct GsServiceAsk {
	GsServiceList *list;
	GsServiceFound *found;
	void *owner;
	GsPgRequest *request;
	uint64_t generation;
	size_t turn;                      /* servers gone through, from the identifier's one by hash on */
	bool answered;                    /* by one of them at least */
	bool complete;                    /* by each of them */
	char server[MAX_SERVER_NAME + 1]; /* the first answer that names one; by name, since a reload may end a server */
	char identifier[MAX_IDENTIFIER + 1];
};

static const GsPgStatement route_statement = {
	.name = "api_route", .sql = "SELECT groupshare.api_route($1)", .params = 1};

/* FNV-1a: also chooses an unknown terminal's server, so it must be the same in every gateway. */
static uint64_t hash_identifier(const char *identifier)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *identifier; identifier++)
		hash = (hash ^ (unsigned char)*identifier) * 0x100000001b3u;
	return hash ^ hash >> 29;
}

/* As the control server will see it: identifiers are ASCII and lower case. */
static void fold(const char *identifier, char folded[MAX_IDENTIFIER + 1])
{
	size_t i = 0;

	for (; identifier[i] && i < MAX_IDENTIFIER; i++)
		folded[i] = identifier[i] >= 'A' && identifier[i] <= 'Z' ? (char)(identifier[i] + 32) : identifier[i];
	folded[i] = '\0';
}

GsServiceList *gs_service_list_new(GsGateway *gateway, size_t entries)
{
	GsServiceList *list = calloc(1, sizeof *list);

	if (!list)
		return NULL;
	list->gateway = gateway;
	list->sets = entries / WAYS;
	list->entries = calloc(list->sets * WAYS, sizeof *list->entries);
	if (!list->entries) {
		free(list);
		return NULL;
	}
	return list;
}

void gs_service_list_free(GsServiceList *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->sets * WAYS; i++)
		free(list->entries[i].identifier);
	free(list->entries);
	free(list);
}

void gs_service_list_empty(GsServiceList *list)
{
	list->generation++;
}

static Entry *set_of(const GsServiceList *list, const char *folded)
{
	return &list->entries[hash_identifier(folded) % list->sets * WAYS];
}

static bool is_good(const GsServiceList *list, const Entry *entry)
{
	return entry->identifier && entry->generation == list->generation &&
		   uv_now(list->gateway->loop) - entry->kept_ms < (uint64_t)list->gateway->settings->route_cache_ttl_ms;
}

static GsServer *server_by_hash(const GsServiceList *list, const char *folded)
{
	return list->gateway->servers[hash_identifier(folded) % list->gateway->server_count];
}

static void keep(GsServiceList *list, const char *folded, GsServer *server)
{
	Entry *set = set_of(list, folded), *place = set;
	char *copy = strdup(folded);

	if (!copy)
		return;
	for (int i = 0; i < WAYS; i++) {
		if (set[i].identifier && strcmp(set[i].identifier, folded) == 0) {
			place = &set[i];
			break;
		}
		if (is_good(list, place) && (!is_good(list, &set[i]) || set[i].kept_ms < place->kept_ms))
			place = &set[i];
	}
	free(place->identifier);
	*place = (Entry){
		.identifier = copy, .server = server, .generation = list->generation, .kept_ms = uv_now(list->gateway->loop)};
}

GsServer *gs_service_list_remembered(GsServiceList *list, const char *identifier)
{
	char folded[MAX_IDENTIFIER + 1];
	const Entry *set;

	if (list->gateway->server_count == 1)
		return list->gateway->servers[0];
	fold(identifier, folded);
	if (strlen(identifier) > MAX_IDENTIFIER)
		return server_by_hash(list, folded);
	set = set_of(list, folded);
	for (int i = 0; i < WAYS; i++)
		if (is_good(list, &set[i]) && strcmp(set[i].identifier, folded) == 0)
			return set[i].server ? set[i].server : server_by_hash(list, folded);
	return NULL;
}

static void ask_done(void *owner, const GsPgReply *reply);

static bool ask_server(GsServiceAsk *ask, GsServer *server)
{
	ask->request = gs_pg_request_new(&route_statement, (const char *const[]){ask->identifier}, ask_done, ask);
	return ask->request && gs_pg_pool_submit(server->pool, ask->request) == 0;
}

/* The next server that can be asked. False when all have had their turn. */
static bool ask_next(GsServiceAsk *ask)
{
	const GsGateway *gateway = ask->list->gateway;
	const uint64_t first = hash_identifier(ask->identifier);

	while (ask->turn < gateway->server_count) {
		GsServer *server = gateway->servers[(first + ask->turn++) % gateway->server_count];

		if (gs_pg_pool_live(server->pool) && ask_server(ask, server))
			return true;
		ask->complete = false;
	}
	return false;
}

static void ask_finish(GsServiceAsk *ask)
{
	GsServiceList *list = ask->list;
	GsServer *server = NULL;

	if (ask->server[0]) {
		server = gs_gateway_server(list->gateway, ask->server);
		if (!server)
			gs_log(GS_LOG_WARN, NULL, "the service list names a control server that is not in the settings", "server",
				   ask->server, NULL);
	}
	/* That nobody knows it is only known when nobody was passed over. */
	if ((ask->server[0] || ask->complete) && ask->generation == list->generation)
		keep(list, ask->identifier, server);
	if (!server && ask->answered)
		server = server_by_hash(list, ask->identifier);
	ask->found(ask->owner, server);
	free(ask);
}

/* Also when the terminal is found the others are asked: a known terminal must cost what an unknown one costs. */
static void ask_done(void *owner, const GsPgReply *reply)
{
	GsServiceAsk *ask = owner;

	if (reply->outcome == GS_PG_ROW) {
		ask->answered = true;
		if (reply->value[0] && !ask->server[0])
			snprintf(ask->server, sizeof(ask->server), "%s", reply->value[0]);
	} else {
		ask->complete = false;
		gs_log(GS_LOG_WARN, NULL, "the service list could not be asked", "sqlstate", reply->sqlstate, "error",
			   reply->message, NULL);
	}
	if (!ask_next(ask))
		ask_finish(ask);
}

GsServiceAsk *gs_service_list_ask(GsServiceList *list, const char *identifier, GsServiceFound *found, void *owner)
{
	GsServiceAsk *ask = calloc(1, sizeof *ask);

	if (!ask)
		return NULL;
	ask->list = list;
	ask->found = found;
	ask->owner = owner;
	ask->generation = list->generation;
	ask->complete = true;
	fold(identifier, ask->identifier);
	/* With no server live one is asked all the same: it may be back before the request's time is up. */
	if (!ask_next(ask) && !ask_server(ask, server_by_hash(list, ask->identifier))) {
		free(ask);
		return NULL;
	}
	return ask;
}

void gs_service_list_forget(GsServiceAsk *ask)
{
	gs_pg_pool_cancel(ask->request);
	free(ask);
}
