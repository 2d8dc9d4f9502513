/* SPDX-License-Identifier: PostgreSQL */
/*
 * The buffer grows to what one page of events needs, at most MAX_BUFFER. An event's JSON is dumped in one line: JSON
 * has no raw line feeds, so it can't break the framing; `id` and `kind` are checked for the same reason.
 */
#include "gateway/event_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BUFFER (1024 * 1024)
#define RETRY_HINT "retry: 3000\n\n"

static int append(GsEventStream *events, const char *text, size_t size)
{
	if (events->used + size > events->room) {
		size_t room = (events->used + size) * 2;
		char *bytes;

		if (events->used + size > MAX_BUFFER)
			return -1;
		bytes = realloc(events->bytes, room);
		if (!bytes)
			return -1;
		events->bytes = bytes;
		events->room = room;
	}
	memcpy(events->bytes + events->used, text, size);
	events->used += size;
	return 0;
}

static ssize_t source_read(GsSource *source, uint8_t *buf, size_t size, bool *eof)
{
	GsEventStream *events = (GsEventStream *)source;
	size_t left = events->used - events->taken;

	if (size > left)
		size = left;
	memcpy(buf, events->bytes + events->taken, size);
	events->taken += size;
	if (size < left)
		return (ssize_t)size;
	events->used = events->taken = 0;
	*eof = events->ending;
	if (size == 0)
		return events->ending ? 0 : GS_SOURCE_DEFER;
	events->drained(events->owner);
	return (ssize_t)size;
}

void gs_event_stream_start(GsEventStream *events, GsStream *stream, void (*drained)(void *owner), void *owner)
{
	static const GsHeader headers[] = {{"content-type", "text/event-stream"}, {"cache-control", "no-store"}};

	events->source.read = source_read;
	events->stream = stream;
	events->drained = drained;
	events->owner = owner;
	events->started = true;
	events->ending = append(events, RETRY_HINT, strlen(RETRY_HINT)) < 0;
	gs_stream_respond_source(stream, 200, headers, sizeof headers / sizeof *headers, -1, &events->source);
}

static bool is_one_line(const char *text)
{
	return text && !strpbrk(text, "\r\n");
}

int gs_event_stream_put(GsEventStream *events, const json_t *event)
{
	const json_t *id = json_object_get(event, "id");
	const char *kind = json_string_value(json_object_get(event, "kind"));
	char number[24];
	const char *id_text = json_string_value(id);
	char *data = json_dumps(event, JSON_COMPACT);
	char head[512];
	int size = -1, result = -1;

	if (json_is_integer(id)) {
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(id));
		id_text = number;
	}
	if (is_one_line(id_text) && is_one_line(kind))
		size = snprintf(head, sizeof head, "id: %s\nevent: %s\ndata: ", id_text, kind);
	if (data && size > 0 && (size_t)size < sizeof head && append(events, head, (size_t)size) == 0 &&
		append(events, data, strlen(data)) == 0)
		result = append(events, "\n\n", 2);
	free(data);
	return result;
}

int gs_event_stream_comment(GsEventStream *events)
{
	static const char comment[] = ": still here\n\n";

	return append(events, comment, sizeof comment - 1);
}

bool gs_event_stream_empty(const GsEventStream *events)
{
	return events->used == 0;
}

void gs_event_stream_flush(GsEventStream *events)
{
	gs_stream_resume(events->stream);
}

void gs_event_stream_end(GsEventStream *events)
{
	events->ending = true;
	gs_stream_resume(events->stream);
}

void gs_event_stream_free(GsEventStream *events)
{
	free(events->bytes);
	events->bytes = NULL;
}
