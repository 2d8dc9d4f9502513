/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/ticket.o storaged/ticket_cache.o storaged/clock.o storaged/uuid.o storaged/codec.o */
/* objects: daemon/json_text.o */
/* libs: cmocka jansson libcrypto */
/* The device's verifier against test/vectors/ticket.json (made by other code), and its table of keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include "daemon/json_text.h"
#include "storaged/ticket_cache.h"

static const char vectors_path[] = "test/vectors/ticket.json";
static const char server_id[] = "5e5e5e5e-1111-4222-8333-444444444444";
static const char other_server[] = "6e6e6e6e-1111-4222-8333-444444444444";
static const GsClock same_clock = {.known = true}; /* since boot, it says, is since 1970 */
static const int64_t now_us = INT64_C(1790000000000000);

static const char *text(const json_t *vector, const char *name)
{
	const char *value = json_string_value(json_object_get(vector, name));

	assert_non_null(value);
	return value;
}

static GsTicketError expected(const char *reason)
{
	static const struct {
		const char *reason;
		GsTicketError error;
	} table[] = {{"ok", GS_TICKET_OK},
				 {"malformed", GS_TICKET_MALFORMED},
				 {"wrong_type", GS_TICKET_MALFORMED},
				 {"bad_signature", GS_TICKET_BAD_SIGNATURE},
				 {"expired", GS_TICKET_EXPIRED},
				 {"unknown_kid", GS_TICKET_UNKNOWN_KEY},
				 {"wrong_device", GS_TICKET_OTHER_DEVICE},
				 {"missing_claim", GS_TICKET_MALFORMED}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].reason, reason) == 0)
			return table[i].error;
	fail_msg("unknown reason %s", reason);
	return GS_TICKET_OK;
}

static GsTicketKey vector_key(const json_t *vector, const char *server)
{
	GsTicketKey key = {.clock = &same_clock};

	assert_true(gs_uuid_parse(server, &key.server));
	assert_true(gs_uuid_parse(text(vector, "device"), &key.device));
	snprintf(key.kid, sizeof(key.kid), "%s", text(vector, "kid"));
	assert_true(gs_hex_decode(text(vector, "key_hex"), key.key, sizeof(key.key)));
	return key;
}

static void check_claims(const json_t *claims, const GsTicket *ticket)
{
	const char *sha256 = json_string_value(json_object_get(claims, "sha256"));
	const char *name = json_string_value(json_object_get(claims, "name"));
	unsigned methods = 0;
	char hex[GS_SHA256_HEX + 1];

	assert_string_equal(ticket->server.text, text(claims, "iss"));
	assert_string_equal(ticket->object.text, text(claims, "obj"));
	assert_string_equal(ticket->terminal.text, text(claims, "sub"));
	assert_int_equal(ticket->size_bytes, json_integer_value(json_object_get(claims, "size")));
	assert_int_equal(ticket->rate_bytes, json_integer_value(json_object_get(claims, "rate"))); /* 0: none */
	assert_int_equal(ticket->expires_s, json_integer_value(json_object_get(claims, "exp")));
	assert_string_equal(ticket->name, name != NULL ? name : "");
	assert_int_equal(ticket->has_sha256, sha256 != NULL);
	gs_hex_encode(ticket->sha256, GS_SHA256_BYTES, hex);
	if (sha256 != NULL)
		assert_string_equal(hex, sha256);
	for (size_t i = 0; i < json_array_size(json_object_get(claims, "met")); i++)
		methods |= gs_ticket_method(json_string_value(json_array_get(json_object_get(claims, "met"), i)));
	assert_int_equal(ticket->methods, methods);
}

static void test_vectors(void **state)
{
	json_t *vectors = json_load_file(vectors_path, 0, NULL);
	size_t good = 0, bad = 0;

	(void)state;
	assert_non_null(vectors);
	for (size_t i = 0; i < json_array_size(vectors); i++) {
		const json_t *vector = json_array_get(vectors, i);
		GsTicketKeys keys = {.count = 1};
		GsTicket ticket;
		GsTicketError error;

		if (strncmp(text(vector, "token"), "", 1) != 0 && json_object_get(vector, "device") == NULL)
			continue; /* of another kind of token */
		keys.keys[0] = vector_key(vector, server_id);
		error = gs_ticket_verify(&keys, text(vector, "token"),
								 1000000 * json_integer_value(json_object_get(vector, "now")), &ticket);
		if (error != expected(text(vector, "reason")))
			fail_msg("%s: %d, not %s", text(vector, "name"), error, text(vector, "reason"));
		if (error == GS_TICKET_OK) {
			check_claims(json_object_get(vector, "claims"), &ticket);
			good++;
		} else {
			bad++;
		}
	}
	assert_true(good >= 5 && bad >= 20);
	json_decref(vectors);
}

/* Each bit of each character of a good ticket. */
static void test_every_bit(void **state)
{
	json_t *vectors = json_load_file(vectors_path, 0, NULL);
	const json_t *vector = json_array_get(vectors, 0);
	GsTicketKeys keys = {.count = 1};
	char token[GS_TICKET_MAX_BYTES + 1];
	GsTicket ticket;

	(void)state;
	keys.keys[0] = vector_key(vector, server_id);
	strcpy(token, text(vector, "token"));
	for (size_t i = 0; token[i] != '\0'; i++) {
		for (int bit = 0; bit < 8; bit++) {
			token[i] ^= (char)(1 << bit);
			assert_int_not_equal(gs_ticket_verify(&keys, token, now_us, &ticket), GS_TICKET_OK);
			token[i] ^= (char)(1 << bit);
		}
	}
	assert_int_equal(gs_ticket_verify(&keys, token, now_us, &ticket), GS_TICKET_OK);
	json_decref(vectors);
}

/* A server that announces another one's kid and key can't speak for it; one that announces the kid only does not harm.
 */
static void test_issuers(void **state)
{
	json_t *vectors = json_load_file(vectors_path, 0, NULL);
	const json_t *vector = json_array_get(vectors, 0);
	GsTicketKeys keys = {.count = 1};
	GsTicket ticket;
	GsUuid server;

	(void)state;
	keys.keys[0] = vector_key(vector, other_server);
	assert_int_equal(gs_ticket_verify(&keys, text(vector, "token"), now_us, &ticket), GS_TICKET_BAD_SIGNATURE);
	keys.keys[0].key[0] ^= 1;
	keys.keys[1] = vector_key(vector, server_id);
	keys.count = 2;
	assert_int_equal(gs_ticket_verify(&keys, text(vector, "token"), now_us, &ticket), GS_TICKET_OK);
	assert_true(gs_uuid_parse(server_id, &server));
	assert_true(gs_ticket_keys_replace(&keys, &server, NULL, 0));
	assert_int_equal(keys.count, 1);
	assert_string_equal(keys.keys[0].server.text, other_server);
	assert_int_equal(gs_ticket_verify(&keys, text(vector, "token"), now_us, &ticket), GS_TICKET_BAD_SIGNATURE);
	json_decref(vectors);
}

/* Judged by the clock of the server that signed, whatever the other's says; never a moment beyond the leeway. */
static void test_clocks(void **state)
{
	json_t *vectors = json_load_file(vectors_path, 0, NULL);
	const json_t *vector = json_array_get(vectors, 0);
	const json_t *claims = json_object_get(vector, "claims");
	int64_t issued_s = json_integer_value(json_object_get(claims, "iat"));
	int64_t over_s = json_integer_value(json_object_get(claims, "exp")) + GS_TICKET_LEEWAY_S;
	GsClock theirs = {0}, others = {0};
	GsTicketKeys keys = {.count = 2};
	GsTicket ticket;

	(void)state;
	keys.keys[0] = vector_key(vector, other_server);
	keys.keys[0].key[0] ^= 1;
	keys.keys[0].clock = &others;
	keys.keys[1] = vector_key(vector, server_id);
	keys.keys[1].clock = &theirs;
	gs_clock_set(&others, 0, 7000);
	gs_clock_set(&theirs, over_s * 1000000, 5000);
	assert_true(theirs.known);
	assert_int_equal(gs_clock_s(&theirs, 5000), over_s);
	assert_int_equal(gs_ticket_verify(&keys, text(vector, "token"), 5000, &ticket), GS_TICKET_OK);
	assert_int_equal(gs_ticket_verify(&keys, text(vector, "token"), 5001, &ticket), GS_TICKET_EXPIRED);
	gs_clock_set(&theirs, (issued_s - GS_TICKET_LEEWAY_S) * 1000000, 9000);
	assert_int_equal(gs_ticket_verify(&keys, text(vector, "token"), 9000, &ticket), GS_TICKET_OK);
	assert_int_equal(gs_ticket_verify(&keys, text(vector, "token"), 9000 - 1000000, &ticket), GS_TICKET_EARLY);
	json_decref(vectors);
}

/* Allocation number refused_call of JSON and of the digest fails. */
static int calls, refused_call;

static void *starving_malloc(size_t size)
{
	return ++calls == refused_call ? NULL : malloc(size);
}

static void *starving_crypto_malloc(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return starving_malloc(size);
}

static void *starving_crypto_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return ++calls == refused_call ? NULL : realloc(old, size);
}

static void crypto_free(void *old, const char *file, int line)
{
	(void)file, (void)line;
	free(old);
}

/* A good ticket for which there is no memory is no bad ticket: its holder would throw it away. */
static void test_no_memory(void **state)
{
	json_t *vectors = json_load_file(vectors_path, 0, NULL);
	const json_t *vector = json_array_get(vectors, 0);
	GsTicketKeys keys = {.count = 1};
	GsTicketError error;
	GsTicket ticket;

	(void)state;
	keys.keys[0] = vector_key(vector, server_id);
	gs_json_text_malloc = starving_malloc;
	do {
		calls = 0;
		refused_call++;
		error = gs_ticket_verify(&keys, text(vector, "token"), now_us, &ticket);
		if (error != GS_TICKET_OK)
			assert_int_equal(error, GS_TICKET_NO_MEMORY);
	} while (calls >= refused_call);
	assert_int_equal(error, GS_TICKET_OK);
	assert_true(refused_call > 30);
	refused_call = 0;
	gs_json_text_malloc = malloc;
	json_decref(vectors);
}

static void test_table_is_bounded(void **state)
{
	static GsTicketKey fresh[GS_TICKET_KEYS_MAX + 1];
	GsTicketKeys keys = {0};
	GsUuid server;

	(void)state;
	assert_true(gs_uuid_parse(server_id, &server));
	for (size_t i = 0; i <= GS_TICKET_KEYS_MAX; i++)
		fresh[i].server = server;
	assert_false(gs_ticket_keys_replace(&keys, &server, fresh, GS_TICKET_KEYS_MAX + 1));
	assert_int_equal(keys.count, GS_TICKET_KEYS_MAX);
	assert_true(gs_ticket_keys_replace(&keys, &server, fresh, GS_TICKET_KEYS_MAX));
	assert_int_equal(keys.count, GS_TICKET_KEYS_MAX);
}

/* A ticket that was genuine a moment ago is judged no milder than a new one. */
static void test_cache(void **state)
{
	json_t *vectors = json_load_file(vectors_path, 0, NULL);
	const json_t *vector = json_array_get(vectors, 0);
	const json_t *claims = json_object_get(vector, "claims");
	int64_t issued_s = json_integer_value(json_object_get(claims, "iat"));
	int64_t over_s = json_integer_value(json_object_get(claims, "exp")) + GS_TICKET_LEEWAY_S;
	GsTicketCache *cache = gs_ticket_cache_new();
	GsTicketKeys keys = {0};
	GsTicketKey key = vector_key(vector, server_id);
	char token[GS_TICKET_MAX_BYTES + 1];
	GsClock clock = {0};
	GsTicket ticket;
	uint64_t generation;

	(void)state;
	assert_non_null(cache);
	key.clock = &clock;
	gs_clock_set(&clock, over_s * 1000000, 5000);
	strcpy(token, text(vector, "token"));
	assert_int_equal(gs_ticket_cache_verify(cache, &keys, token, 5000, &ticket), GS_TICKET_UNKNOWN_ISSUER);
	assert_true(gs_ticket_keys_replace(&keys, &key.server, &key, 1));
	generation = keys.generation;
	for (int i = 0; i < 2; i++) {
		memset(&ticket, 0, sizeof(ticket));
		assert_int_equal(gs_ticket_cache_verify(cache, &keys, token, 5000, &ticket), GS_TICKET_OK);
		check_claims(claims, &ticket);
	}
	for (size_t i = 0; token[i] != '\0'; i++) {
		for (int bit = 0; bit < 8; bit++) {
			token[i] ^= (char)(1 << bit);
			assert_int_not_equal(gs_ticket_cache_verify(cache, &keys, token, 5000, &ticket), GS_TICKET_OK);
			token[i] ^= (char)(1 << bit);
		}
	}
	assert_int_equal(gs_ticket_cache_verify(cache, &keys, token, 5001, &ticket), GS_TICKET_EXPIRED);
	gs_clock_set(&clock, (issued_s - GS_TICKET_LEEWAY_S) * 1000000, 9000);
	assert_int_equal(gs_ticket_cache_verify(cache, &keys, token, 9000 - 1000000, &ticket), GS_TICKET_EARLY);
	assert_true(gs_ticket_keys_replace(&keys, &key.server, &key, 1));
	assert_int_equal(keys.generation, generation);
	assert_int_equal(gs_ticket_cache_verify(cache, &keys, token, 9000, &ticket), GS_TICKET_OK);
	key.key[31] ^= 1; /* the key is another one now, of the same name */
	assert_true(gs_ticket_keys_replace(&keys, &key.server, &key, 1));
	assert_int_equal(gs_ticket_cache_verify(cache, &keys, token, 9000, &ticket), GS_TICKET_BAD_SIGNATURE);
	key.key[31] ^= 1;
	assert_true(gs_ticket_keys_replace(&keys, &key.server, &key, 1));
	assert_int_equal(gs_ticket_cache_verify(cache, &keys, token, 9000, &ticket), GS_TICKET_OK);
	assert_true(gs_ticket_keys_replace(&keys, &key.server, NULL, 0));
	assert_int_equal(gs_ticket_cache_verify(cache, &keys, token, 9000, &ticket), GS_TICKET_UNKNOWN_ISSUER);
	gs_ticket_cache_free(cache);
	json_decref(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),         cmocka_unit_test(test_every_bit),
									   cmocka_unit_test(test_issuers),         cmocka_unit_test(test_clocks),
									   cmocka_unit_test(test_no_memory),       cmocka_unit_test(test_cache),
									   cmocka_unit_test(test_table_is_bounded)};

	if (CRYPTO_set_mem_functions(starving_crypto_malloc, starving_crypto_realloc, crypto_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
