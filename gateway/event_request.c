/* SPDX-License-Identifier: PostgreSQL */
/* Requests for events: what they ask for, and the waiter that answers them; see events.c. */
#include <stdlib.h>
#include <string.h>

#include "daemon/response.h"
#include "gateway/event_waiter.h"
#include "gateway/reply.h"
#include "gateway/request.h"

#define MAX_WAIT_S 60

/* Seconds, 0 when absent; negative when it is none, and then it has answered. */
static int read_wait(GsStream *stream)
{
	const char *text = gs_stream_query(stream, "wait");
	long wait = 0;
	char *end;

	if (!text)
		return 0;
	wait = strtol(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && wait >= 0 && wait <= MAX_WAIT_S)
		return (int)wait;
	gs_problem_send(stream, 400, "invalid_parameter", "wait must be 0 to 60 seconds.", NULL, 0);
	return -1;
}

/* Asked for as such, or nothing said that a long poll has. A HEAD gets the header of one answer. */
static bool wants_stream(GsStream *stream)
{
	const char *accept = gs_stream_header(stream, "accept");

	if (strcmp(gs_stream_method(stream), "HEAD") == 0)
		return false;
	if (accept && strstr(accept, "text/event-stream"))
		return true;
	return !gs_stream_query(stream, "after") && !gs_stream_query(stream, "wait");
}

static void events_end(GsStream *stream)
{
	GsEvents *events = ((GsGateway *)gs_stream_program(stream))->events;
	GsRouteToken token;
	bool unknown;
	GsServer *server = gs_request_session(stream, &token, &unknown);
	json_t *params = server ? gs_request_params(stream, gs_stream_route_arg(stream)) : NULL;
	int wait_s = params ? read_wait(stream) : -1;
	GsWaiter *waiter = NULL;

	if (wait_s >= 0 && events->waiters < (size_t)events->gateway->settings->max_event_waiters)
		waiter = gs_waiter_new(events, stream, token.terminal, wants_stream(stream));
	if (waiter) {
		waiter->server = server;
		waiter->params = params;
		waiter->unknown = unknown;
		gs_waiter_start(waiter, wait_s);
		return;
	}
	json_decref(params);
	if (wait_s >= 0)
		gs_reply_overloaded(stream);
}

static void events_closed(GsStream *stream)
{
	GsWaiter *waiter = gs_stream_data(stream);

	if (waiter)
		gs_waiter_close(waiter);
}

const GsHandler gs_events_handler = {.end = events_end, .closed = events_closed, .max_body_bytes = 1};
