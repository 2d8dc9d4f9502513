/* SPDX-License-Identifier: PostgreSQL */
/*
 * Server-sent events (WHATWG HTML 9.2): events as text in a bounded buffer that the stream takes from. Nothing is put
 * in before what is there has been taken, so a slow reader holds up its own events only.
 */
#ifndef GS_EVENT_STREAM_H
#define GS_EVENT_STREAM_H

#include <jansson.h>

#include "daemon/stream.h"

typedef struct GsEventStream {
	GsSource source; /* the first member: the callback finds the rest by it */
	GsStream *stream;
	char *bytes;
	size_t used, taken, room;
	bool started, ending;
	void (*drained)(void *owner); /* all has been taken */
	void *owner;
} GsEventStream;

/* Sends the header. */
void gs_event_stream_start(GsEventStream *events, GsStream *stream, void (*drained)(void *owner), void *owner);

/* One element of api_events' answer / a comment that keeps proxies awake. Negative: no room or no memory. */
__attribute__((warn_unused_result)) int gs_event_stream_put(GsEventStream *events, const json_t *event);
__attribute__((warn_unused_result)) int gs_event_stream_comment(GsEventStream *events);

bool gs_event_stream_empty(const GsEventStream *events);
void gs_event_stream_flush(GsEventStream *events); /* what was put may be taken */
void gs_event_stream_end(GsEventStream *events);   /* the answer ends behind what is in the buffer */
void gs_event_stream_free(GsEventStream *events);

#endif
