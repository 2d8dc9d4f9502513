/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/fetch_http.o */
/* libs: cmocka libcurl */
/*
 * A source that never ends its answer. It speaks just so much HTTP/2 (RFC 9113) in the clear: an empty SETTINGS, then
 * on stream 1 a status and DATA for as long as somebody reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "storaged/fetch_http.h"

#define PAYLOAD 8192
/* Well within the window that libcurl opens at once: nobody has to read its WINDOW_UPDATEs. */
#define MOST_BYTES (8 << 20)

typedef struct Source {
	int listener, port;
	uint8_t status; /* as an index into HPACK's static table, RFC 7541 appendix A: 8 is 200, 13 is 404, 14 is 500 */
	size_t sent_bytes;
	pthread_t thread;
} Source;

static bool send_all(int fd, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size > 0) {
		ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		size -= (size_t)sent;
	}
	return true;
}

static void *serve(void *arg)
{
	Source *source = arg;
	const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
	const uint8_t headers[] = {0, 0, 1, 1, 4, 0, 0, 0, 1, 0x80 | source->status};
	uint8_t data[9 + PAYLOAD] = {0, PAYLOAD >> 8, 0, 0, 0, 0, 0, 0, 1};
	char request[4096];
	int fd = accept(source->listener, NULL, NULL);

	if (fd < 0 || !send_all(fd, settings, sizeof settings) || recv(fd, request, sizeof request, 0) <= 0)
		return NULL;
	/* The request comes in one piece with the preface or right behind it. */
	usleep(200000);
	if (send_all(fd, headers, sizeof headers))
		while (source->sent_bytes < MOST_BYTES && send_all(fd, data, sizeof data))
			source->sent_bytes += PAYLOAD;
	close(fd);
	return NULL;
}

static void start(Source *source)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;

	source->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(source->listener >= 0);
	assert_int_equal(bind(source->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(source->listener, 1), 0);
	assert_int_equal(getsockname(source->listener, (struct sockaddr *)&address, &size), 0);
	source->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&source->thread, NULL, serve, source), 0);
}

static bool never(void *owner)
{
	(void)owner;
	return false;
}

static bool take_10000(void *owner, const uint8_t *bytes, size_t size)
{
	size_t *taken = owner;

	(void)bytes;
	*taken += size;
	return *taken <= 10000;
}

static GsFetchHttpResult get_from(Source *source, size_t *taken)
{
	GsFetchHttp *http = gs_fetch_http_new(NULL);
	GsFetchHttpResult result;
	char url[64];
	GsFetchRequest request = {.url = url,
							  .ticket = "t",
							  .etag = "\"x\"",
							  .stall_ms = 10000,
							  .take = take_10000,
							  .stopped = never,
							  .owner = taken};

	assert_non_null(http);
	start(source);
	snprintf(url, sizeof url, "http://127.0.0.1:%d/", source->port);
	result = gs_fetch_http_get(http, &request);
	gs_fetch_http_free(http);
	assert_int_equal(pthread_join(source->thread, NULL), 0);
	close(source->listener);
	return result;
}

/* What a refusal says beyond its status is read only as far as it keeps a good connection in use. */
static void endless_error(void **state)
{
	Source missing = {.status = 13}, failing = {.status = 14};
	size_t taken = 0;

	(void)state;
	assert_int_equal(get_from(&missing, &taken), GS_FETCH_HTTP_MISSING);
	assert_in_range(missing.sent_bytes, 1, MOST_BYTES - 1);
	assert_int_equal(get_from(&failing, &taken), GS_FETCH_HTTP_UNREACHABLE);
	assert_in_range(failing.sent_bytes, 1, MOST_BYTES - 1);
	assert_int_equal(taken, 0);
}

static void more_than_wanted(void **state)
{
	Source source = {.status = 8};
	size_t taken = 0;

	(void)state;
	assert_int_equal(get_from(&source, &taken), GS_FETCH_HTTP_TAKEN);
	assert_in_range(taken, 10001, 1 << 20);
}

static int load(void **state)
{
	const char *why;

	(void)state;
	return gs_fetch_http_start(&why) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(endless_error), cmocka_unit_test(more_than_wanted)};

	return cmocka_run_group_tests(tests, load, NULL);
}
