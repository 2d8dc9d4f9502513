/* SPDX-License-Identifier: PostgreSQL */
/* GET /openapi.json: the document that gateway.mk turned into bytes. */
#ifndef GS_GATEWAY_OPENAPI_H
#define GS_GATEWAY_OPENAPI_H

#include "daemon/stream.h"

extern const GsHandler gs_openapi_handler;

/* Made by the build from gateway/openapi.json. */
extern const unsigned char gs_openapi_json[];
extern const unsigned long gs_openapi_json_size;

#endif
