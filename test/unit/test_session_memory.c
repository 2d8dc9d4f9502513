/* SPDX-License-Identifier: PostgreSQL */
/* objects: daemon/session_memory.o */
/* libs: cmocka libnghttp2 */
/*
 * An nghttp2 session whose allocation number N is refused, for N = 1, 2, 3 ... until none is: between two sessions, in
 * memory, a request is made and its body answered. However far it came, all is given back, once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/session_memory.h"

static int calls, refused_call;

static void *starving_realloc(void *old, size_t size)
{
	return ++calls == refused_call ? NULL : realloc(old, size);
}

static ssize_t body(nghttp2_session *session, int32_t stream, uint8_t *bytes, size_t size, uint32_t *flags,
					nghttp2_data_source *source, void *user_data)
{
	(void)session, (void)stream, (void)source, (void)user_data;
	*flags = NGHTTP2_DATA_FLAG_EOF;
	memset(bytes, 'x', size < 100 ? size : 100);
	return size < 100 ? (ssize_t)size : 100;
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
						.namelen = strlen(name),
						.value = (uint8_t *)(uintptr_t)value,
						.valuelen = strlen(value)};
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
	const nghttp2_nv status = header(":status", "200");
	const nghttp2_data_provider provider = {.read_callback = body};

	(void)user_data;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	return nghttp2_submit_response(session, frame->hd.stream_id, &status, 1, &provider) == NGHTTP2_ERR_NOMEM
			   ? NGHTTP2_ERR_CALLBACK_FAILURE
			   : 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t size,
					void *heard)
{
	(void)session, (void)flags, (void)stream, (void)bytes;
	*(size_t *)heard += size;
	return 0;
}

/* False: one of the two is broken. */
static bool pass(nghttp2_session *from, nghttp2_session *to)
{
	const uint8_t *bytes;
	ssize_t size;

	while ((size = nghttp2_session_mem_send(from, &bytes)) > 0)
		if (nghttp2_session_mem_recv(to, bytes, (size_t)size) != size)
			return false;
	return size == 0;
}

static nghttp2_session *make_client(nghttp2_session_callbacks *callbacks, size_t *heard)
{
	const nghttp2_nv request[] = {header(":method", "GET"), header(":scheme", "https"), header(":path", "/"),
								  header(":authority", "here")};
	nghttp2_session *client;

	assert_int_equal(nghttp2_session_client_new(&client, callbacks, heard), 0);
	assert_int_equal(nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, NULL, 0), 0);
	assert_int_equal(nghttp2_submit_request(client, NULL, request, 4, NULL, NULL), 1);
	return client;
}

/* How many bytes of the answer came. */
static size_t talk(GsSessionMemory *memory, nghttp2_session_callbacks *client_side,
				   nghttp2_session_callbacks *server_side)
{
	/* as the daemons are: the body is queued by urgency, in a heap that has no room before the first */
	const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
	size_t heard = 0;
	nghttp2_session *client = make_client(client_side, &heard), *server = NULL;

	gs_session_memory_open(memory);
	if (nghttp2_session_server_new3(&server, server_side, NULL, NULL, &memory->functions) == 0 &&
		nghttp2_submit_settings(server, NGHTTP2_FLAG_NONE, &entry, 1) == 0 && pass(client, server) &&
		pass(server, client) && pass(client, server))
		(void)pass(server, client);
	gs_session_memory_close(memory, server);
	nghttp2_session_del(client);
	return heard;
}

static void test_refused(void **state)
{
	nghttp2_session_callbacks *client_side, *server_side;
	GsSessionMemory memory;
	size_t heard;

	(void)state;
	assert_int_equal(nghttp2_session_callbacks_new(&client_side), 0);
	assert_int_equal(nghttp2_session_callbacks_new(&server_side), 0);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(client_side, on_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(server_side, on_frame);
	gs_session_memory_realloc = starving_realloc;
	do {
		calls = 0;
		refused_call++;
		heard = talk(&memory, client_side, server_side);
		assert_int_equal(memory.refused, calls >= refused_call);
		assert_ptr_equal(memory.pieces.next, &memory.pieces);
	} while (memory.refused);
	assert_int_equal(heard, 100);
	assert_true(refused_call > 10);
	gs_session_memory_realloc = realloc;
	nghttp2_session_callbacks_del(client_side);
	nghttp2_session_callbacks_del(server_side);
}

static void test_pieces(void **state)
{
	GsSessionMemory memory = {0};
	const nghttp2_mem *mem = &memory.functions;
	uint8_t *bytes, *zeroes;

	(void)state;
	gs_session_memory_close(&memory, NULL);
	gs_session_memory_open(&memory);
	bytes = mem->malloc(10, mem->mem_user_data);
	assert_non_null(bytes);
	assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
	memset(bytes, 7, 10);
	bytes = mem->realloc(bytes, 1 << 20, mem->mem_user_data);
	assert_non_null(bytes);
	assert_int_equal(bytes[9], 7);
	zeroes = mem->calloc(50, 20, mem->mem_user_data);
	assert_non_null(zeroes);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(zeroes[i], 0);
	mem->free(bytes, mem->mem_user_data);
	mem->free(NULL, mem->mem_user_data);
	assert_false(memory.refused);
	assert_null(mem->calloc(SIZE_MAX / 4, 8, mem->mem_user_data));
	assert_null(mem->malloc(SIZE_MAX - 8, mem->mem_user_data));
	assert_true(memory.refused);
	gs_session_memory_close(&memory, NULL); /* `zeroes` too */
	assert_ptr_equal(memory.pieces.next, &memory.pieces);
}

/* More than there can be is a refusal too: nghttp2 goes on from it as from any other. */
static void test_too_large(void **state)
{
	GsSessionMemory memory;

	(void)state;
	gs_session_memory_open(&memory);
	assert_null(memory.functions.calloc(SIZE_MAX / 2, 3, &memory));
	assert_true(memory.refused);
	gs_session_memory_close(&memory, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
