/* SPDX-License-Identifier: PostgreSQL */
/* Serves the embedded OpenAPI document; it changes with the program only. */
#include "gateway/openapi.h"

#include "daemon/response.h"

static void openapi_end(GsStream *stream)
{
	gs_json_send(stream, 200, (const char *)gs_openapi_json, gs_openapi_json_size, NULL, false);
}

const GsHandler gs_openapi_handler = {.end = openapi_end, .max_body_bytes = 1};
