/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/sidecar_cache.o storaged/sidecar.o storaged/codec.o storaged/uuid.o daemon/json_text.o */
/* libs: cmocka jansson */
/* What the table of parsed sidecars says is what parsing says, whatever was asked before; it only spares the parsing.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/json_text.h"
#include "storaged/sidecar_cache.h"

static const char id[] = "12345678-1111-4222-8333-444444444444";
static const char neighbour_id[] = "12300000-1111-4222-8333-444444444444"; /* of the same place */

static GsSidecarCache *cache;
static int calls, refused_call; /* how often JSON asked for memory; that one is refused, 0: none */

static void *counting_malloc(size_t size)
{
	return ++calls == refused_call ? NULL : malloc(size);
}

static int set_up(void **state)
{
	(void)state;
	gs_json_text_malloc = counting_malloc;
	refused_call = 0;
	cache = gs_sidecar_cache_new();
	return cache != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	gs_json_text_malloc = malloc;
	gs_sidecar_cache_free(cache);
	return 0;
}

typedef struct Text {
	GsUuid object;
	size_t size;
	char text[2 * GS_SIDECAR_MAX_BYTES];
} Text;

static Text text_of(const char *object, uint64_t size_bytes)
{
	GsSidecar sidecar = {.size_bytes = size_bytes, .stored_at = "2026-01-02T03:04:05Z"};
	Text text;

	assert_true(gs_uuid_parse(object, &sidecar.object) && gs_uuid_parse(id, &sidecar.server));
	memset(sidecar.sha256, (int)(size_bytes % 256), sizeof(sidecar.sha256));
	text.object = sidecar.object;
	text.size = gs_sidecar_encode(&sidecar, &(GsOrigin){0}, text.text);
	assert_true(text.size > 0);
	return text;
}

/* What the table says, which is what parsing says. *parsed: it had to. */
static int decode(const Text *text, bool *parsed)
{
	GsSidecar said, right;
	int error, asked;

	calls = 0;
	error = gs_sidecar_cache_decode(cache, &text->object, text->text, text->size, &said);
	asked = calls;
	*parsed = asked > 0;
	calls = INT_MIN; /* the other one gets all it asks for */
	assert_int_equal(
		error, refused_call > 0 && asked >= refused_call ? -ENOMEM : gs_sidecar_decode(text->text, text->size, &right));
	if (error == 0) {
		assert_true(gs_uuid_equal(&said.object, &right.object) && gs_uuid_equal(&said.server, &right.server));
		assert_int_equal(said.size_bytes, right.size_bytes);
		assert_memory_equal(said.sha256, right.sha256, sizeof(said.sha256));
		assert_string_equal(said.stored_at, right.stored_at);
	}
	return error;
}

static void expect(const Text *text, int error, bool parsed)
{
	bool was;

	assert_int_equal(decode(text, &was), error);
	assert_int_equal(was, parsed);
}

static void test_spared(void **state)
{
	const Text text = text_of(id, 7);

	(void)state;
	expect(&text, 0, true);
	expect(&text, 0, false);
	expect(&text, 0, false);
}

/* The object's sidecar says something else now: each of its bytes is heeded, and so is where it ends. */
static void test_stale(void **state)
{
	const Text text = text_of(id, 7), later = text_of(id, 8);

	(void)state;
	expect(&text, 0, true);
	expect(&later, 0, true);
	expect(&later, 0, false);
	expect(&text, 0, true);
	for (size_t i = 0; i < text.size; i++) {
		Text other = text;
		bool parsed;

		other.text[i] ^= 1;
		(void)decode(&other, &parsed);
		assert_true(parsed);
		(void)decode(&text, &parsed); /* and the other has not spoilt it */
		other = text;
		other.size = i;
		expect(&other, -EBADMSG, true);
	}
}

/* As many as there are places, each neighbour takes the place of the one before. */
static void test_evicted(void **state)
{
	const Text text = text_of(id, 7), neighbour = text_of(neighbour_id, 9);
	char object[sizeof(id)];
	Text other;

	(void)state;
	expect(&text, 0, true);
	expect(&neighbour, 0, true);
	expect(&text, 0, true);
	for (unsigned i = 0; i < 4096; i++) {
		snprintf(object, sizeof(object), "%03x00000-1111-4222-8333-444444444444", i);
		other = text_of(object, i);
		expect(&other, 0, true);
	}
	expect(&text, 0, true);
	expect(&text, 0, false);
}

/* The longest that is kept, and one that is longer: said, not kept, and no other's place is touched by it. */
static void test_bounds(void **state)
{
	const Text neighbour = text_of(neighbour_id, 9);
	Text text = text_of(id, 7);

	(void)state;
	text.size = 0;
	expect(&text, -EBADMSG, true); /* where nothing is kept yet */
	text = text_of(id, 7);
	memset(text.text + text.size, ' ', sizeof(text.text) - text.size);
	text.size = GS_SIDECAR_MAX_BYTES;
	expect(&text, 0, true);
	expect(&text, 0, false);
	expect(&neighbour, 0, true);
	text.size = GS_SIDECAR_MAX_BYTES + 1;
	expect(&text, 0, true);
	expect(&text, 0, true);
	expect(&neighbour, 0, false);
	text.size = 0;
	expect(&text, -EBADMSG, true);
	expect(&neighbour, 0, false);
}

/* What is none, and that for which there is no memory, is not kept and takes nobody's place. */
static void test_refused(void **state)
{
	const Text neighbour = text_of(neighbour_id, 9), text = text_of(id, 7);
	Text damaged = text;
	bool parsed;
	int error;

	(void)state;
	damaged.text[0] = '[';
	expect(&neighbour, 0, true);
	expect(&damaged, -EBADMSG, true);
	expect(&damaged, -EBADMSG, true);
	expect(&neighbour, 0, false);
	do {
		refused_call++;
		error = decode(&text, &parsed);
		assert_true(parsed);
		if (error != 0)
			expect(&neighbour, 0, false);
	} while (error == -ENOMEM);
	assert_int_equal(error, 0);
	assert_true(refused_call > 10);
	refused_call = 1;
	expect(&text, 0, false); /* takes no memory any more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_spared, set_up, tear_down),
									   cmocka_unit_test_setup_teardown(test_stale, set_up, tear_down),
									   cmocka_unit_test_setup_teardown(test_evicted, set_up, tear_down),
									   cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
									   cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
