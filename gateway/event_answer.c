/* SPDX-License-Identifier: PostgreSQL */
/* What an answer of the control server does to a waiter: it is sent, put into the stream, or waited on; see events.c.
 */
#include <stdio.h>

#include "daemon/json_text.h"
#include "daemon/log.h"
#include "gateway/event_waiter.h"
#include "gateway/reply.h"

void gs_waiter_end_stream(GsWaiter *waiter)
{
	/* What it asks may be answered before the stream is closed, which a client that does not read can put off. */
	gs_waiter_stop_asking(waiter);
	gs_waiter_set_state(waiter, WAITER_ENDED);
	uv_timer_stop(&waiter->timer);
	gs_event_stream_end(&waiter->out);
}

/* With whatever the control server said; or it could not be asked (NULL). */
void gs_waiter_answer(GsWaiter *waiter, const GsPgReply *reply)
{
	gs_waiter_set_state(waiter, WAITER_ENDED);
	uv_timer_stop(&waiter->timer);
	if (reply)
		gs_reply_send(waiter->stream, waiter->api, reply);
	else
		gs_reply_overloaded(waiter->stream);
}

/* Nothing new. A notification that came meanwhile, or the end of its time, has it ask once more. */
static void waiter_park(GsWaiter *waiter)
{
	if (waiter->woken || waiter->last)
		gs_waiter_due(waiter);
	else
		gs_waiter_set_state(waiter, WAITER_PARKED);
}

static void stream_drained(void *owner)
{
	GsWaiter *waiter = owner;

	if (waiter->state != WAITER_TAKING)
		return;
	gs_waiter_due(waiter);
	gs_waiters_move(waiter->events);
}

/* The cursor moves to what the answer calls next, else to the last event in it. */
static void waiter_advance(GsWaiter *waiter, const json_t *answer, const json_t *list)
{
	const json_t *next = json_object_get(answer, "next");
	char number[24];

	if (!json_is_string(next) && !json_is_integer(next))
		next = json_object_get(json_array_get(list, json_array_size(list) - 1), "id");
	if (json_is_integer(next)) {
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(next));
		json_object_set_new(waiter->params, "after", json_string(number));
	} else if (json_is_string(next)) {
		json_object_set_new(waiter->params, "after", json_string(json_string_value(next)));
	}
}

static void stream_answered(GsWaiter *waiter, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "events");
	const json_t *event;
	size_t i;

	if (!waiter->out.started)
		gs_event_stream_start(&waiter->out, waiter->stream, stream_drained, waiter);
	waiter->beats = 0;
	if (json_array_size(list) == 0) {
		waiter_park(waiter);
		return;
	}
	gs_waiter_set_state(waiter, WAITER_TAKING);
	json_array_foreach(list, i, event)
	{
		if (gs_event_stream_put(&waiter->out, event) < 0) {
			gs_log(GS_LOG_ERROR, gs_stream_request_id(waiter->stream), "an event can't be sent", NULL);
			gs_waiter_end_stream(waiter);
			return;
		}
	}
	waiter_advance(waiter, answer, list);
	gs_event_stream_flush(&waiter->out);
}

/* Not answered with a row: a stream that runs goes on when the server is only away, and ends when it said no. */
static void stream_failed(GsWaiter *waiter, const GsPgReply *reply)
{
	if (!waiter->out.started)
		gs_waiter_answer(waiter, reply);
	else if (reply->outcome == GS_PG_ERROR)
		gs_waiter_end_stream(waiter);
	else
		gs_waiter_set_state(waiter, WAITER_PARKED);
}

void gs_waiter_answered(GsWaiter *waiter, const GsPgReply *reply)
{
	json_t *answer = NULL;

	if (reply->outcome == GS_PG_ROW && reply->value[1])
		answer = gs_json_text_read(reply->value[1], reply->size[1], NULL);
	if (waiter->live) {
		if (answer)
			stream_answered(waiter, answer);
		else
			stream_failed(waiter, reply);
		if (waiter->last && waiter->state != WAITER_ENDED)
			gs_waiter_end_stream(waiter);
	} else if (answer && !waiter->last && json_array_size(json_object_get(answer, "events")) == 0) {
		waiter_park(waiter);
	} else {
		gs_waiter_answer(waiter, reply);
	}
	json_decref(answer);
}
