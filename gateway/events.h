/* SPDX-License-Identifier: PostgreSQL */
/*
 * GET /v1/events [spec G6]: long poll (`wait` seconds) and server-sent events. Events are the control server's; here
 * are only those who wait for some, bounded in number, and who is asked for again when a notification comes.
 */
#ifndef GS_GATEWAY_EVENTS_H
#define GS_GATEWAY_EVENTS_H

#include "daemon/stream.h"

typedef struct GsEvents GsEvents;
struct GsGateway;
struct GsServer;

extern const GsHandler gs_events_handler;

GsEvents *gs_events_new(struct GsGateway *gateway);
void gs_events_free(GsEvents *events);

/* A notification of that server: comma separated terminal UUIDs, "" for all. */
void gs_events_wake(GsEvents *events, const struct GsServer *server, const char *terminals);

/* The server leaves the settings, or (NULL) the worker drains: long polls are answered, streams ended. */
void gs_events_end(GsEvents *events, const struct GsServer *server);

#endif
