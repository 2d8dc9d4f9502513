/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/fetch_http.o */
/* libs: cmocka libcurl */
/* A fetch's request for which there is no memory: it ends before anybody is spoken to, whatever is lacking. */
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

#include "storaged/fetch_http.h"
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

static bool take(void *owner, const uint8_t *bytes, size_t size)
{
	(void)owner, (void)bytes, (void)size;
	return true;
}

static bool stopped(void *owner)
{
	(void)owner;
	return false;
}

static GsFetchHttpResult fetch_once(GsFetchHttp *http, const char *url)
{
	GsFetchRequest request = {.url = url,
							  .ticket = "a.b.c",
							  .etag = "\"d\"",
							  .from_bytes = 5,
							  .min_rate_bytes = 1,
							  .stall_ms = 1000,
							  .take = take,
							  .stopped = stopped};

	return gs_fetch_http_get(http, &request);
}

static void test_no_memory(void **state)
{
	static const char *const texts[] = {"Authorization:",      "Range:", "If-Range:", "http://127.0.0.1:", "*", CA,
										"groupshare-storaged/"};
	GsFetchHttp *http = gs_fetch_http_new(CA);
	char url[64];
	int source = listener_open(url);

	(void)state;
	assert_non_null(http);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		refused = texts[i];
		refusals = 0;
		assert_int_equal(fetch_once(http, url), GS_FETCH_HTTP_NO_MEMORY);
		assert_int_equal(refusals, 1);
		assert_false(listener_somebody_came(source));
	}
	/* And with enough of it somebody is. */
	refused = NULL;
	assert_int_equal(fetch_once(http, url), GS_FETCH_HTTP_UNREACHABLE);
	assert_true(listener_somebody_came(source));
	gs_fetch_http_free(http);
	close(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_memory)};
	const char *why;

	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, copy, calloc) != CURLE_OK ||
		!gs_fetch_http_start(&why))
		return 1;
	return cmocka_run_group_tests_name("fetch_memory", tests, NULL, NULL);
}
