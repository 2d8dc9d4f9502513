/* SPDX-License-Identifier: PostgreSQL */
/* A worker's state: what gs_stream_program gives to the handlers. */
#ifndef GS_GATEWAY_H
#define GS_GATEWAY_H

#include "gateway/admission.h"
#include "gateway/events.h"
#include "gateway/pg_pool.h"
#include "gateway/service_list.h"
#include "gateway/settings.h"

typedef struct GsServer {
	struct GsGateway *gateway;
	GsPgPool *pool;
} GsServer;

typedef struct GsGateway {
	uv_loop_t *loop;
	const GsGatewaySettings *settings;
	/* In the order of the settings: an unknown terminal's server is chosen by its place here. */
	GsServer *servers[GS_GATEWAY_MAX_SERVERS];
	size_t server_count;
	size_t pools; /* not yet freed, also of servers that left the settings */
	bool stopped;
	GsServiceList *service_list;
	GsEvents *events;
	GsAdmission *admission;
} GsGateway;

/* NULL when it is not in the settings. */
GsServer *gs_gateway_server(const GsGateway *gateway, const char *name);

#endif
