/* SPDX-License-Identifier: PostgreSQL */
/* Routes of every daemon: is the process alive, may it serve, what has it done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/response.h"
#include "daemon/stream_internal.h"

static const char ok_text[] = "{\"status\":\"ok\"}";

static void healthz(GsStream *stream)
{
	gs_json_send(stream, 200, ok_text, sizeof(ok_text) - 1, NULL, true);
}

static void readyz(GsStream *stream)
{
	const GsServer *server = stream->connection->server;
	const char *why = NULL;

	if (server->draining)
		why = "shutting down";
	else if (server->program->worker_ready != NULL)
		why = server->program->worker_ready(server->state);
	if (why != NULL)
		gs_problem_send(stream, 503, "not_ready", why, NULL, 1);
	else
		gs_json_send(stream, 200, ok_text, sizeof(ok_text) - 1, NULL, true);
}

static void metrics(GsStream *stream)
{
	static const GsHeader headers[] = {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out != NULL) {
		gs_metrics_render(out);
		if (fclose(out) == 0 && text != NULL) {
			gs_stream_respond(stream, 200, headers, 1, text, size);
			free(text);
			return;
		}
	}
	free(text);
	gs_problem_send(stream, 503, "unavailable", "out of memory", NULL, 1);
}

static const GsHandler healthz_handler = {.end = healthz}, readyz_handler = {.end = readyz},
					   metrics_handler = {.end = metrics};

const GsRoute gs_builtin_routes[] = {
	{"GET", "/healthz", &healthz_handler, NULL},
	{"GET", "/readyz", &readyz_handler, NULL},
	{"GET", "/metrics", &metrics_handler, NULL},
	{NULL, NULL, NULL, NULL},
};
