/* SPDX-License-Identifier: PostgreSQL */
/*
 * A daemon with routes that show what daemon/ does: echo (collected body), sink (streamed body, consumed late), source
 * (streamed answer, with pauses), and ways to fail. Driven by test/t/010_daemon.t.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>

#include "daemon/program.h"
#include "daemon/response.h"
#include "daemon/settings_common.h"

typedef struct ProbeSettings {
	GsCommonSettings common;
	char *password;
	bool fail;
} ProbeSettings;

static const GsSetting probe_settings[] = {GS_COMMON_SETTINGS,
										   {.section = "probe",
											.name = "password",
											.type = GS_SETTING_STRING,
											.offset = offsetof(ProbeSettings, password),
											.secret = true,
											.help = "never shown"},
										   {.section = "probe",
											.name = "fail",
											.type = GS_SETTING_BOOL,
											.offset = offsetof(ProbeSettings, fail),
											.help = "workers do not start"},
										   {.section = NULL}};
static const GsSettingsTable probe_table = {.settings = probe_settings, .env_prefix = "GROUPSHARE_PROBE"};

static long closed_count, begun_count;

/* echo: what came, back */

static void echo_end(GsStream *stream)
{
	size_t size;
	const uint8_t *body = gs_stream_body(stream, &size);
	const char *name = gs_stream_query(stream, "name"), *item = gs_stream_param(stream, "item");
	GsHeader headers[] = {{"content-type", "application/octet-stream"},
						  {"x-item", item != NULL ? item : "-"},
						  {"x-name", name != NULL ? name : "-"},
						  {"x-bearer", gs_stream_bearer(stream) != NULL ? gs_stream_bearer(stream) : "-"}};

	gs_stream_respond(stream, 200, headers, 4, body, size);
}

/* sink: digest of what came; half of the bytes are given back to the window a turn later */

typedef struct Sink {
	EVP_MD_CTX *digest;
	uint64_t size;
	size_t owed;
	uv_timer_t *timer;
	GsStream *stream;
} Sink;

static void timer_free(uv_handle_t *handle)
{
	free(handle);
}

static void sink_begin(GsStream *stream)
{
	Sink *sink = calloc(1, sizeof(Sink));

	begun_count++;
	sink->stream = stream;
	sink->digest = EVP_MD_CTX_new();
	EVP_DigestInit_ex(sink->digest, EVP_sha256(), NULL);
	sink->timer = malloc(sizeof(uv_timer_t));
	uv_timer_init(gs_stream_loop(stream), sink->timer);
	sink->timer->data = sink;
	gs_stream_set_data(stream, sink);
}

static void sink_late(uv_timer_t *timer)
{
	Sink *sink = timer->data;
	size_t owed = sink->owed;

	sink->owed = 0;
	gs_stream_consume(sink->stream, owed);
}

static void sink_data(GsStream *stream, const uint8_t *bytes, size_t size)
{
	Sink *sink = gs_stream_data(stream);

	EVP_DigestUpdate(sink->digest, bytes, size);
	sink->size += size;
	sink->owed += size - size / 2;
	gs_stream_consume(stream, size / 2);
	uv_timer_start(sink->timer, sink_late, 1, 0);
}

static void sink_end(GsStream *stream)
{
	Sink *sink = gs_stream_data(stream);
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[200];
	unsigned size;
	int used;

	EVP_DigestFinal_ex(sink->digest, digest, &size);
	used = snprintf(text, sizeof(text), "%llu ", (unsigned long long)sink->size);
	for (unsigned i = 0; i < size; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%02x", digest[i]);
	gs_stream_respond(stream, 200, NULL, 0, text, (size_t)used);
}

static void sink_closed(GsStream *stream)
{
	Sink *sink = gs_stream_data(stream);

	closed_count++;
	EVP_MD_CTX_free(sink->digest);
	uv_close((uv_handle_t *)sink->timer, timer_free);
	free(sink);
}

/* source: `size` bytes of a pattern; pauses every MiB; `fail` breaks off after so many */

typedef struct Source {
	GsSource source;
	GsStream *stream;
	uint64_t size, sent, fail, paused_at;
	uv_timer_t *timer;
} Source;

static void source_go_on(uv_timer_t *timer)
{
	gs_stream_resume(((Source *)timer->data)->stream);
}

static ssize_t source_read(GsSource *base, uint8_t *buf, size_t size, bool *eof)
{
	Source *source = (Source *)base;

	if (source->fail > 0 && source->sent >= source->fail)
		return GS_SOURCE_FAIL;
	if (source->sent - source->paused_at >= 1 << 20) {
		source->paused_at = source->sent;
		uv_timer_start(source->timer, source_go_on, 1, 0);
		return GS_SOURCE_DEFER;
	}
	if (size > source->size - source->sent)
		size = source->size - source->sent;
	for (size_t i = 0; i < size; i++)
		buf[i] = (uint8_t)((source->sent + i) * 31 >> 3);
	source->sent += size;
	*eof = source->sent == source->size;
	return (ssize_t)size;
}

static uint64_t query_number(GsStream *stream, const char *name)
{
	const char *text = gs_stream_query(stream, name);

	return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static void source_end(GsStream *stream)
{
	Source *source = gs_stream_alloc(stream, sizeof(Source));

	memset(source, 0, sizeof(*source));
	begun_count++;
	source->source.read = source_read;
	source->stream = stream;
	source->size = query_number(stream, "size");
	source->fail = query_number(stream, "fail");
	source->timer = malloc(sizeof(uv_timer_t));
	uv_timer_init(gs_stream_loop(stream), source->timer);
	source->timer->data = source;
	gs_stream_set_data(stream, source);
	gs_stream_respond_source(stream, 200, NULL, 0,
							 gs_stream_query(stream, "unknown") != NULL ? -1 : (int64_t)source->size, &source->source);
}

static void source_closed(GsStream *stream)
{
	Source *source = gs_stream_data(stream);

	if (source == NULL)
		return;
	closed_count++;
	uv_close((uv_handle_t *)source->timer, timer_free);
}

/* refuse: answers in begin; hang: never answers; counts: are all handlers closed? crash, pid: for the master */

static void refuse_begin(GsStream *stream)
{
	gs_problem_send(stream, 403, "refused", "not here", "try elsewhere", 7);
}

static void refuse_never(GsStream *stream)
{
	(void)stream;
	abort(); /* an answered stream gets no more callbacks */
}

static void refuse_data(GsStream *stream, const uint8_t *bytes, size_t size)
{
	(void)bytes, (void)size;
	refuse_never(stream);
}

static void counts_end(GsStream *stream)
{
	char text[100];

	snprintf(text, sizeof(text), "%ld %ld", begun_count, closed_count);
	gs_stream_respond(stream, 200, NULL, 0, text, strlen(text));
}

static void hang_begin(GsStream *stream)
{
	(void)stream;
	begun_count++;
}

static void hang_closed(GsStream *stream)
{
	(void)stream;
	closed_count++;
}

static void pid_end(GsStream *stream)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", (int)getpid());
	gs_json_send(stream, 200, text, strlen(text), "\"e\"", false);
}

static const GsHandler echo_handler = {.end = echo_end, .max_body_bytes = 65536},
					   sink_handler = {.begin = sink_begin, .data = sink_data, .end = sink_end, .closed = sink_closed},
					   source_handler = {.end = source_end, .closed = source_closed},
					   refuse_handler = {.begin = refuse_begin, .data = refuse_data, .end = refuse_never},
					   hang_handler = {.begin = hang_begin, .closed = hang_closed}, pid_handler = {.end = pid_end},
					   counts_handler = {.end = counts_end};

static const GsRoute routes[] = {
	{"POST", "/echo", &echo_handler, NULL},
	{"GET", "/echo/{item}", &echo_handler, NULL},
	{"PUT", "/echo/{item}", &echo_handler, NULL},
	{"GET", "/echo/fixed", &pid_handler, NULL},
	{"POST", "/sink", &sink_handler, NULL},
	{"GET", "/source", &source_handler, NULL},
	{"POST", "/refuse", &refuse_handler, NULL},
	{"GET", "/hang", &hang_handler, NULL},
	{"GET", "/counts", &counts_handler, NULL},
	{"GET", "/pid", &pid_handler, NULL},
	{NULL, NULL, NULL, NULL},
};

static void *probe_start(uv_loop_t *loop, const void *settings, int index, int port)
{
	(void)loop, (void)index, (void)port;
	return ((const ProbeSettings *)settings)->fail ? NULL : &closed_count;
}

int main(int argc, char **argv)
{
	const GsProgram program = {.name = "probe-daemon",
							   .version = GS_VERSION,
							   .settings = &probe_table,
							   .settings_size = sizeof(ProbeSettings),
							   .routes = routes,
							   .worker_start = probe_start};

	return gs_program_main(&program, argc, argv);
}
