/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/json_text.o storaged/sidecar.o storaged/progress.o storaged/disk.o */
/* objects: storaged/codec.o storaged/uuid.o */
/* libs: cmocka jansson */
/* Sidecars and records of unfinished uploads for which there is no memory; of tickets, see test_storaged_ticket.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storaged/json_text.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_memory)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
