/* SPDX-License-Identifier: PostgreSQL */
/*
 * groupshare-gateway: the access proxy. Puts a worker together: one pool a control server, the service list, the event
 * waiters; and takes it apart. On HUP, pools are kept, changed, added and closed as the settings say; a server that
 * left lives on until its pool has given the last answer.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/program.h"
#include "gateway/gateway.h"
#include "gateway/request.h"
#include "gateway/routes.h"

GsServer *gs_gateway_server(const GsGateway *gateway, const char *name)
{
	for (size_t i = 0; i < gateway->server_count; i++)
		if (strcmp(gs_pg_pool_server(gateway->servers[i]->pool), name) == 0)
			return gateway->servers[i];
	return NULL;
}

/* What pools say ----------------------------------------------------------------------------------------------------
 */

static void server_listening(void *owner)
{
	GsServer *server = owner;

	gs_service_list_empty(server->gateway->service_list);
	gs_events_wake(server->gateway->events, server, "");
}

static void server_notify(void *owner, const char *channel, const char *payload)
{
	GsServer *server = owner;

	if (strcmp(channel, "groupshare_service_list") == 0)
		gs_service_list_empty(server->gateway->service_list);
	else if (strcmp(channel, "groupshare_event") == 0)
		gs_events_wake(server->gateway->events, server, payload);
}

static void gateway_free(GsGateway *gateway)
{
	if (!gateway)
		return;
	gs_service_list_free(gateway->service_list);
	gs_events_free(gateway->events);
	gs_admission_free(gateway->admission);
	free(gateway);
}

static void server_freed(void *owner)
{
	GsServer *server = owner;
	GsGateway *gateway = server->gateway;

	free(server);
	if (--gateway->pools == 0 && gateway->stopped)
		gateway_free(gateway);
}

static const GsPgPoolEvents server_events = {
	.listening = server_listening, .notify = server_notify, .freed = server_freed};

/* Settings ----------------------------------------------------------------------------------------------------------
 */

static GsPgLimits limits_of(const GsGatewaySettings *settings)
{
	return (GsPgLimits){.size = (size_t)settings->pool_size,
						.depth = (size_t)settings->pipeline_depth,
						.queue_limit = (size_t)settings->queue_limit,
						.queue_timeout_ms = (uint64_t)settings->queue_timeout_ms,
						.connect_timeout_ms = (uint64_t)settings->connect_timeout_ms,
						.statement_timeout_ms = (uint64_t)settings->statement_timeout_ms,
						.reconnect_min_ms = (uint64_t)settings->reconnect_min_ms,
						.reconnect_max_ms = (uint64_t)settings->reconnect_max_ms};
}

static GsServer *server_new(GsGateway *gateway, const GsControlSetting *control, const GsPgLimits *limits)
{
	GsServer *server = calloc(1, sizeof *server);

	if (!server)
		return NULL;
	server->gateway = gateway;
	server->pool = gs_pg_pool_new(gateway->loop, control->name, control->conninfo, limits, &server_events, server);
	if (server->pool) {
		gateway->pools++;
		return server;
	}
	free(server);
	return NULL;
}

/* The server of this setting: the one there is, changed, or a new one. NULL when out of memory. */
static GsServer *server_for(GsGateway *gateway, const GsControlSetting *control, const GsPgLimits *limits)
{
	GsServer *server = gs_gateway_server(gateway, control->name);

	if (!server)
		return server_new(gateway, control, limits);
	return gs_pg_pool_configure(server->pool, control->conninfo, limits) == 0 ? server : NULL;
}

static bool is_in(GsServer *const *servers, size_t count, const GsServer *server)
{
	for (size_t i = 0; i < count; i++)
		if (servers[i] == server)
			return true;
	return false;
}

static int gateway_configure(GsGateway *gateway, const GsGatewaySettings *settings)
{
	const GsPgLimits limits = limits_of(settings);
	GsServer *servers[GS_GATEWAY_MAX_SERVERS];
	size_t count = 0;

	gateway->settings = settings;
	gs_request_handler.max_body_bytes = (size_t)settings->max_body_bytes;
	for (size_t i = 0; i < settings->control_count; i++) {
		servers[count] = server_for(gateway, &settings->controls[i], &limits);
		if (!servers[count++])
			return -1;
	}
	for (size_t i = 0; i < gateway->server_count; i++) {
		if (is_in(servers, count, gateway->servers[i]))
			continue;
		gs_events_end(gateway->events, gateway->servers[i]);
		gs_pg_pool_close(gateway->servers[i]->pool);
	}
	memcpy(gateway->servers, servers, sizeof servers);
	gateway->server_count = count;
	gs_service_list_empty(gateway->service_list);
	return 0;
}

/* The worker --------------------------------------------------------------------------------------------------------
 */

static void *worker_start(uv_loop_t *loop, const void *settings, int worker_index, int port)
{
	GsGateway *gateway = calloc(1, sizeof *gateway);

	(void)worker_index;
	(void)port;
	/* Workers must not pause for the same time after they lost the same server. */
	srandom((unsigned)getpid());
	if (gateway) {
		gateway->loop = loop;
		gateway->settings = settings;
		gateway->service_list = gs_service_list_new(gateway, (size_t)gateway->settings->route_cache_entries);
		gateway->events = gs_events_new(gateway);
		gateway->admission = gs_admission_new((size_t)gateway->settings->budget_entries);
		gs_pg_pool_register_metrics();
	}
	if (gateway && gateway->service_list && gateway->events && gateway->admission &&
		gateway_configure(gateway, settings) == 0)
		return gateway;
	gs_log(GS_LOG_ERROR, NULL, "out of memory", NULL);
	gateway_free(gateway);
	return NULL;
}

static void worker_reload(void *state, const void *settings)
{
	/* Half of the pools would have the new settings; a new worker has them all. */
	if (gateway_configure(state, settings) < 0)
		gs_program_abort("out of memory while reading the settings again");
}

static void worker_drain(void *state)
{
	GsGateway *gateway = state;

	gs_events_end(gateway->events, NULL);
	/* All else are requests, which the daemon waits for. */
	gs_program_drained(gateway);
}

/* All streams are closed, so nobody waits for an answer any more. */
static void worker_stop(void *state)
{
	GsGateway *gateway = state;

	gateway->stopped = true;
	for (size_t i = 0; i < gateway->server_count; i++)
		gs_pg_pool_abort(gateway->servers[i]->pool);
}

static const char *worker_ready(void *state)
{
	const GsGateway *gateway = state;

	for (size_t i = 0; i < gateway->server_count; i++)
		if (gs_pg_pool_live(gateway->servers[i]->pool))
			return NULL;
	return "no control server is connected";
}

int main(int argc, char **argv)
{
	static const GsProgram program = {
		.name = "groupshare-gateway",
		.version = GS_VERSION,
		.settings = &gs_gateway_settings,
		.settings_size = sizeof(GsGatewaySettings),
		.routes = gs_gateway_routes,
		.cors = &gs_gateway_cors,
		.worker_start = worker_start,
		.worker_reload = worker_reload,
		.worker_drain = worker_drain,
		.worker_stop = worker_stop,
		.worker_ready = worker_ready,
	};

	return gs_program_main(&program, argc, argv);
}
