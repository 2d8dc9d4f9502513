/* SPDX-License-Identifier: PostgreSQL */
/* objects: daemon/json_text.o storaged/sidecar.o storaged/progress.o storaged/disk.o */
/* objects: storaged/codec.o storaged/uuid.o storaged/call.o */
/* libs: cmocka jansson libcrypto */
/* Sidecars, records of unfinished uploads and control servers' answers for which there is no memory; of tickets, see
 * test_storaged_ticket.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/json_text.h"
#include "storaged/call.h"
#include "storaged/progress.h"
#include "storaged/sidecar.h"

static const char id[] = "0190a5b2-1111-7222-8333-444444444444";

static int calls, refused_call; /* allocation number refused_call of JSON fails */

static void *starving_malloc(size_t size)
{
	return ++calls == refused_call ? NULL : malloc(size);
}

/* What there is no memory to read is not damaged. */
static void test_no_memory(void **state)
{
	GsSidecar sidecar = {.size_bytes = 7, .stored_at = "2026-01-02T03:04:05Z"}, again;
	GsProgress progress = {.size_bytes = 10, .offset_bytes = 10, .until_s = 5}, read;
	char side[GS_SIDECAR_MAX_BYTES], part[GS_PROGRESS_MAX_BYTES];
	size_t side_size, part_size;
	int error;

	(void)state;
	assert_true(gs_uuid_parse(id, &sidecar.object) && gs_uuid_parse(id, &sidecar.server));
	assert_true(gs_uuid_parse(id, &progress.object) && gs_uuid_parse(id, &progress.server));
	side_size = gs_sidecar_encode(&sidecar, &(GsOrigin){0}, side);
	part_size = gs_progress_encode(&progress, part);
	gs_json_text_malloc = starving_malloc;
	do {
		calls = 0;
		refused_call++;
		error = gs_sidecar_decode(side, side_size, &again);
		if (error == 0)
			error = gs_progress_decode(part, part_size, &read);
		if (calls >= refused_call)
			assert_int_equal(error, -ENOMEM);
	} while (calls >= refused_call);
	gs_json_text_malloc = malloc;
	assert_int_equal(error, 0);
	assert_true(refused_call > 20);
}

/* An answer is read as it is or not at all: with a digit less the server's clock would stand still in another century,
 * and another order would be reported as done. */
static void test_no_memory_for_answer(void **state)
{
	static const char report[] = "{\"now\": 1795688845529302, \"work\": [{\"id\": 123456, \"kind\": \"delete\","
								 " \"object\": \"0190a5b2-1111-7222-8333-444444444444\"}]}";
	GsReply reply;
	bool good;

	(void)state;
	refused_call = 0;
	gs_json_text_malloc = starving_malloc;
	do {
		calls = 0;
		refused_call++;
		good = gs_reply_parse_report(report, &reply);
		assert_int_equal(good, calls < refused_call);
		if (good) {
			assert_int_equal(reply.now_us, 1795688845529302);
			assert_int_equal(reply.work_count, 1);
			assert_int_equal(reply.work[0].id, 123456);
		}
	} while (calls >= refused_call);
	gs_json_text_malloc = malloc;
	assert_true(refused_call > 10);
}

/* A record says all that it has to say of an object, or there is none. */
static void test_no_memory_for_record(void **state)
{
	GsSidecar sidecar = {.size_bytes = 7, .stored_at = "2026-01-02T03:04:05Z"};
	GsOrigin origin = {.name = "film"};
	char whole[GS_SIDECAR_MAX_BYTES], text[GS_SIDECAR_MAX_BYTES];
	size_t size, whole_size;

	(void)state;
	assert_true(gs_uuid_parse(id, &sidecar.object) && gs_uuid_parse(id, &sidecar.server));
	assert_true(gs_uuid_parse(id, &origin.terminal));
	whole_size = gs_sidecar_encode(&sidecar, &origin, whole);
	assert_non_null(strstr(whole, "\"film\""));
	refused_call = 0;
	gs_json_text_malloc = starving_malloc;
	do {
		calls = 0;
		refused_call++;
		size = gs_sidecar_encode(&sidecar, &origin, text);
		assert_int_equal(size, calls < refused_call ? whole_size : 0);
		if (size > 0)
			assert_string_equal(text, whole);
	} while (calls >= refused_call);
	gs_json_text_malloc = malloc;
	assert_true(refused_call > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_memory), cmocka_unit_test(test_no_memory_for_answer),
									   cmocka_unit_test(test_no_memory_for_record)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
