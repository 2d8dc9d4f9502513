/* SPDX-License-Identifier: PostgreSQL */
/* The routes of groupshare-storaged. */
#ifndef GS_STORAGED_ROUTES_H
#define GS_STORAGED_ROUTES_H

#include "daemon/cors.h"
#include "daemon/route.h"

extern const GsRoute gs_storage_routes[];
extern const GsCorsNames gs_storage_cors;

#endif
