/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which control server manages a terminal [spec P1]: asked of every live control server (api_route), remembered for a
 * while. The DBAs keep the servers' lists the same; where one lags behind, any server that knows the terminal will do.
 * A terminal that no list knows, or whose server this gateway does not have, gets a server by a hash of its identifier:
 * always the same one, so that its answers look like those of a known terminal.
 */
#ifndef GS_SERVICE_LIST_H
#define GS_SERVICE_LIST_H

#include <stddef.h>
#include <stdint.h>

typedef struct GsServiceList GsServiceList;
typedef struct GsServiceAsk GsServiceAsk;
struct GsGateway;
struct GsServer;

/* `server` is NULL when no control server could be asked. */
typedef void GsServiceFound(void *owner, struct GsServer *server);

GsServiceList *gs_service_list_new(struct GsGateway *gateway, size_t entries);
void gs_service_list_free(GsServiceList *list);

/* Forgets all that it remembers. */
void gs_service_list_empty(GsServiceList *list);

/* Without asking: the server, or NULL when it has to be asked. */
struct GsServer *gs_service_list_remembered(GsServiceList *list, const char *identifier);

/* `found` comes once, later; not after gs_service_list_forget. NULL: could not be asked, `found` does not come. */
GsServiceAsk *gs_service_list_ask(GsServiceList *list, const char *identifier, GsServiceFound *found, void *owner);
void gs_service_list_forget(GsServiceAsk *ask);

#endif
