/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/error.o */
/* libs: cmocka jansson */
/*
 * What a failed answer becomes: status, code, message, advice; from problem+json and from anything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "client/error.h"

static GsErrorBox box;

static int problem(int http_status, const char *body)
{
	gs_error_clear(&box);
	return gs_error_problem(&box, http_status, body, strlen(body), "from-header", "the gateway");
}

static void statuses(void **state)
{
	static const struct {
		int http;
		GsClientStatus status;
	} table[] = {
		{400, GS_CLIENT_INVALID},  {401, GS_CLIENT_DENIED},    {403, GS_CLIENT_DENIED},   {404, GS_CLIENT_NOT_FOUND},
		{409, GS_CLIENT_CONFLICT}, {410, GS_CLIENT_NOT_FOUND}, {412, GS_CLIENT_CONFLICT}, {413, GS_CLIENT_NO_ROOM},
		{422, GS_CLIENT_DIGEST},   {429, GS_CLIENT_NETWORK},   {500, GS_CLIENT_PROTOCOL}, {502, GS_CLIENT_NETWORK},
		{503, GS_CLIENT_NETWORK},  {504, GS_CLIENT_NETWORK},   {507, GS_CLIENT_NO_ROOM},  {302, GS_CLIENT_PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(problem(table[i].http, ""), table[i].status);
		assert_int_equal(box.error.status, table[i].status);
		assert_int_equal(box.error.http_status, table[i].http);
		assert_string_not_equal(box.error.message, "");
	}
}

static void whole_problem(void **state)
{
	(void)state;
	problem(409, "{\"type\":\"urn:groupshare:problem:share_exists\",\"title\":\"Conflict\",\"status\":409,"
				 "\"detail\":\"you share film already\",\"code\":\"share_exists\",\"request_id\":\"r-1\"}");
	assert_string_equal(box.error.message, "you share film already");
	assert_string_equal(box.error.code, "share_exists");
	assert_string_equal(box.error.request_id, "r-1");
	/* Advice of our own, where it is about this program's commands; else the server's, if it gives some. */
	assert_non_null(strstr(box.error.hint, "--as"));
	problem(409, "{\"detail\":\"d\",\"code\":\"share_exists\",\"hint\":\"the server's\"}");
	assert_non_null(strstr(box.error.hint, "--as"));
	problem(429, "{\"detail\":\"d\",\"code\":\"too_many_requests\",\"hint\":\"the server's\"}");
	assert_string_equal(box.error.hint, "the server's");
	problem(429, "{\"detail\":\"d\",\"code\":\"too_many_requests\"}");
	assert_non_null(strstr(box.error.hint, "Wait"));
	problem(400, "{\"detail\":\"d\",\"code\":\"new_code\",\"hint\":\"the server's\"}");
	assert_string_equal(box.error.hint, "the server's");
	assert_string_equal(box.error.request_id, "from-header");
	problem(404, "{\"title\":\"Not Found\"}");
	assert_string_equal(box.error.message, "Not Found");
}

/* Nothing but a status is relied on. */
static void other_bodies(void **state)
{
	static const char *const bodies[] = {"<html>Bad gateway</html>",   "{",           "[]", "7", "null",
										 "{\"detail\":7,\"code\":[]}", "\"\xff\xfe\""};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(problem(502, bodies[i]), GS_CLIENT_NETWORK);
		assert_string_equal(box.error.message, "the gateway answered with HTTP status 502");
		assert_string_equal(box.error.code, "");
	}
}

static void long_texts(void **state)
{
	char body[8192];
	char text[4001];

	(void)state;
	/* Two-byte characters: the cut must not leave half of one. */
	for (size_t i = 0; i < 2000; i++)
		memcpy(text + 2 * i, "\xc3\xa9", 2);
	text[4000] = '\0';
	snprintf(body, sizeof(body), "{\"detail\":\"%s\",\"code\":\"%s\"}", text, text);
	problem(400, body);
	assert_in_range(strlen(box.error.message), 1000, 1023);
	assert_int_equal(strlen(box.error.message) % 2, 0);
	assert_in_range(strlen(box.error.code), 60, 63);
	assert_int_equal(strlen(box.error.code) % 2, 0);
}

static void restored(void **state)
{
	GsErrorBox saved;

	(void)state;
	gs_error_clear(&box);
	errno = ENOENT;
	assert_int_equal(gs_error_errno(&box, "hint", "cannot open %s", "f"), GS_CLIENT_LOCAL);
	assert_string_equal(box.error.message, "cannot open f: No such file or directory");
	saved = box;
	gs_error_set(&box, GS_CLIENT_NETWORK, NULL, "other");
	gs_error_restore(&box, &saved);
	memset(&saved, 0, sizeof(saved));
	assert_int_equal(box.error.status, GS_CLIENT_LOCAL);
	assert_string_equal(box.error.message, "cannot open f: No such file or directory");
	assert_string_equal(box.error.hint, "hint");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),   cmocka_unit_test(whole_problem), cmocka_unit_test(other_bodies),
		cmocka_unit_test(long_texts), cmocka_unit_test(restored),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
