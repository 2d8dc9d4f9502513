/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/http.o client/encode.o client/error.o */
/* libs: cmocka libcurl jansson libcrypto */
/* A request for which there is no memory: it ends before anybody is spoken to, whatever is lacking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <unistd.h>

#include "client/http.h"
#include "test/unit/listener.h"

#define CA "/nowhere/authorities.pem"

static const char *refused; /* libcurl gets no copy of what begins so */
static int refusals;

static char *copy(const char *text)
{
	if (refused != NULL && strncmp(text, refused, strlen(refused)) == 0) {
		refusals++;
		return NULL;
	}
	return strdup(text);
}

static int cancel(void *arg, uint64_t sent)
{
	(void)sent;
	return listener_somebody_came(*(int *)arg) ? 1 : 0;
}

static int send_once(GsHttp *http, const char *url, int *server)
{
	GsHttpRequest request = {.method = "POST",
							 .url = url,
							 .bearer = "session",
							 .body = "{}",
							 .upload_bytes = -1,
							 .upload_fd = -1,
							 .tick = cancel,
							 .tick_arg = server};
	GsHttpReply reply;
	GsErrorBox box;
	int status;

	gs_error_clear(&box);
	status = gs_http_send(http, &request, &reply, &box);
	gs_http_reply_clear(&reply);
	return status;
}

static void test_no_memory(void **state)
{
	static const char *const texts[] = {"Authorization:", "http://127.0.0.1:", CA, "POST", "groupshare/"};
	GsHttp *http;
	GsErrorBox box;
	char url[64];
	int server = listener_open(url);

	(void)state;
	gs_error_clear(&box);
	assert_int_equal(gs_http_open(&http, CA, &box), GS_CLIENT_OK);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		refused = texts[i];
		refusals = 0;
		assert_int_equal(send_once(http, url, &server), GS_CLIENT_NO_MEMORY);
		assert_int_equal(refusals, 1);
		assert_false(listener_somebody_came(server));
	}
	/* And with enough of it somebody is. */
	refused = NULL;
	assert_int_not_equal(send_once(http, url, &server), GS_CLIENT_NO_MEMORY);
	assert_true(listener_somebody_came(server));
	gs_http_close(http);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_memory)};

	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, copy, calloc) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests_name("client_http", tests, NULL, NULL);
}
