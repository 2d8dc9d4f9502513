/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/range.o storaged/offset.o storaged/condition.o storaged/disposition.o storaged/codec.o */
/* objects: storaged/digest_field.o storaged/structured.o */
/* objects: storaged/uuid.o storaged/sidecar.o storaged/active.o */
/* objects: storaged/patch_head.o storaged/progress.o storaged/disk.o daemon/json_text.o */
/* libs: cmocka jansson libcrypto */
/* The storage daemon's pure cores: ranges, conditions, offsets, encodings, sidecars, claims. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storaged/active.h"
#include "storaged/codec.h"
#include "storaged/condition.h"
#include "storaged/digest_field.h"
#include "storaged/disposition.h"
#include "storaged/offset.h"
#include "storaged/patch_head.h"
#include "storaged/progress.h"
#include "storaged/range.h"
#include "storaged/sidecar.h"
#include "storaged/structured.h"
#include "storaged/uuid.h"

static const char id[] = "0b0b0b0b-1111-4222-8333-444444444444";

static void test_range(void **state)
{
	static const struct {
		const char *value;
		uint64_t size;
		GsRangeKind kind;
		uint64_t offset, part;
	} cases[] = {{NULL, 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=0-0", 10, GS_RANGE_PART, 0, 1},
				 {"bytes=0-9", 10, GS_RANGE_PART, 0, 10},
				 {"bytes=0-10", 10, GS_RANGE_PART, 0, 10},
				 {"bytes=9-", 10, GS_RANGE_PART, 9, 1},
				 {"bytes=10-", 10, GS_RANGE_UNSATISFIABLE, 0, 10},
				 {"bytes=10-20", 10, GS_RANGE_UNSATISFIABLE, 0, 10},
				 {"bytes=-1", 10, GS_RANGE_PART, 9, 1},
				 {"bytes=-10", 10, GS_RANGE_PART, 0, 10},
				 {"bytes=-11", 10, GS_RANGE_PART, 0, 10},
				 {"bytes=-0", 10, GS_RANGE_UNSATISFIABLE, 0, 10},
				 {"bytes=0-", 0, GS_RANGE_UNSATISFIABLE, 0, 0},
				 {"bytes=-5", 0, GS_RANGE_UNSATISFIABLE, 0, 0},
				 {"bytes=1-18446744073709551615", 10, GS_RANGE_PART, 1, 9},
				 {"bytes=1-99999999999999999999999", 10, GS_RANGE_PART, 1, 9},
				 {"bytes=99999999999999999999999-", 10, GS_RANGE_UNSATISFIABLE, 0, 10},
				 {"bytes=-99999999999999999999999", 10, GS_RANGE_PART, 0, 10},
				 {"Bytes=1-2", 10, GS_RANGE_PART, 1, 2},
				 {"bytes= 1-2 ", 10, GS_RANGE_PART, 1, 2},
				 {"bytes=2-1", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=-", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=1", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=1-2,4-5", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=a-b", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=1--2", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=+1-2", 10, GS_RANGE_WHOLE, 0, 10},
				 {"items=1-2", 10, GS_RANGE_WHOLE, 0, 10},
				 {"bytes=1-2", UINT64_MAX, GS_RANGE_PART, 1, 2},
				 {"", 10, GS_RANGE_WHOLE, 0, 10}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		GsRange range = {77, 77};

		if (gs_range_parse(cases[i].value, cases[i].size, &range) != cases[i].kind || range.offset != cases[i].offset ||
			range.size != cases[i].part)
			fail_msg("%s of %ju: %ju + %ju", cases[i].value, (uintmax_t)cases[i].size, (uintmax_t)range.offset,
					 (uintmax_t)range.size);
	}
}

static void test_condition(void **state)
{
	static const struct {
		const char *match, *none;
		GsCondition condition;
	} cases[] = {{NULL, NULL, GS_CONDITION_PROCEED},
				 {"\"a\"", NULL, GS_CONDITION_PROCEED},
				 {"*", NULL, GS_CONDITION_PROCEED},
				 {"\"b\", \"a\"", NULL, GS_CONDITION_PROCEED},
				 {"\"b\"", NULL, GS_CONDITION_FAILED},
				 {"W/\"a\"", NULL, GS_CONDITION_FAILED},
				 {"a", NULL, GS_CONDITION_FAILED},
				 {"", NULL, GS_CONDITION_FAILED},
				 {"\"a", NULL, GS_CONDITION_FAILED},
				 {NULL, "\"a\"", GS_CONDITION_NOT_MODIFIED},
				 {NULL, "W/\"a\"", GS_CONDITION_NOT_MODIFIED},
				 {NULL, "*", GS_CONDITION_NOT_MODIFIED},
				 {NULL, "\"b\",\"a\"", GS_CONDITION_NOT_MODIFIED},
				 {NULL, "\"b\", W/\"c\"", GS_CONDITION_PROCEED},
				 {NULL, "\"a,b\"", GS_CONDITION_PROCEED},
				 {"\"b\"", "\"a\"", GS_CONDITION_FAILED},
				 {"\"a\"", "\"a\"", GS_CONDITION_NOT_MODIFIED}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(gs_condition_evaluate(cases[i].match, cases[i].none, "\"a\""), cases[i].condition);
	assert_true(gs_condition_range(NULL, "\"a\""));
	assert_true(gs_condition_range("\"a\"", "\"a\""));
	assert_false(gs_condition_range("W/\"a\"", "\"a\""));
	assert_false(gs_condition_range("Sun, 06 Nov 1994 08:49:37 GMT", "\"a\""));
}

static void test_offset(void **state)
{
	GsOffset offset = {.size = 10}, empty = {0}, huge = {.size = UINT64_MAX};

	(void)state;
	assert_true(gs_offset_full(&empty) && gs_offset_settled(&empty));
	assert_false(gs_offset_receive(&empty, 1));
	assert_true(gs_offset_receive(&offset, 6));
	assert_false(gs_offset_full(&offset) || gs_offset_settled(&offset));
	assert_false(gs_offset_receive(&offset, 5));
	assert_int_equal(offset.received, 6);
	gs_offset_write(&offset, 6);
	assert_true(gs_offset_settled(&offset));
	assert_true(gs_offset_receive(&offset, 4));
	gs_offset_write(&offset, 4);
	assert_true(gs_offset_full(&offset) && gs_offset_settled(&offset));
	assert_true(gs_offset_receive(&huge, UINT64_MAX - 1));
	assert_false(gs_offset_receive(&huge, 2));
}

static void test_disposition(void **state)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{"", "attachment"},
		{"a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"},
		{"a b", "attachment; filename=\"a b\"; filename*=UTF-8''a%20b"},
		{"\"\\\r\n", "attachment; filename=\"____\"; filename*=UTF-8''%22%5C%0D%0A"},
		{"\xc3\xa9", "attachment; filename=\"_\"; filename*=UTF-8''%C3%A9"},
		{"50%", "attachment; filename=\"50_\"; filename*=UTF-8''50%25"},
		{"a;b='c'", "attachment; filename=\"a;b='c'\"; filename*=UTF-8''a%3Bb%3D%27c%27"},
	};
	char out[GS_DISPOSITION_MAX], longest[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gs_disposition_format(cases[i].name, out);
		assert_string_equal(out, cases[i].text);
	}
	memset(longest, '\xff', 255);
	longest[255] = '\0';
	gs_disposition_format(longest, out);
	assert_true(strlen(out) < GS_DISPOSITION_MAX);
	assert_string_equal(out + strlen(out) - 6, "%FF%FF");
}

static void test_codec(void **state)
{
	uint8_t bytes[GS_SHA256_BYTES], again[GS_SHA256_BYTES];
	char hex[GS_SHA256_HEX + 1], field[80], two[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37);
	gs_hex_encode(bytes, sizeof(bytes), hex);
	assert_true(gs_hex_decode(hex, again, sizeof(again)));
	assert_memory_equal(bytes, again, sizeof(bytes));
	hex[0] = 'A';
	assert_false(gs_hex_decode(hex, again, sizeof(again)));
	assert_false(gs_hex_decode("00", again, sizeof(again)));
	assert_false(gs_hex_decode(NULL, again, sizeof(again)));

	assert_int_equal(gs_base64url_decode("", 0, again, sizeof(again)), 0);
	assert_int_equal(gs_base64url_decode("-_8", 3, again, sizeof(again)), 2);
	assert_int_equal(again[0], 0xfb);
	assert_int_equal(gs_base64url_decode("-_9", 3, again, sizeof(again)), -1); /* unused bits */
	assert_int_equal(gs_base64url_decode("A", 1, again, sizeof(again)), -1);
	assert_int_equal(gs_base64url_decode("AA==", 4, again, sizeof(again)), -1);
	assert_int_equal(gs_base64url_decode("+/8", 3, again, sizeof(again)), -1);
	assert_int_equal(gs_base64url_decode("AAAA", 4, again, 2), -1);

	gs_digest_field_format(bytes, field, sizeof(field));
	assert_int_equal(gs_digest_field_parse(field, again), GS_DIGEST_FIELD_FOUND);
	assert_memory_equal(bytes, again, sizeof(bytes));
	snprintf(two, sizeof(two), "md5=:AAAA:, \t%s , unixsum=1", field);
	assert_int_equal(gs_digest_field_parse(two, again), GS_DIGEST_FIELD_FOUND);
	snprintf(two, sizeof(two), "sha-256=:AAAA:,%s;a=1;b", field); /* the last counts, parameters don't */
	assert_int_equal(gs_digest_field_parse(two, again), GS_DIGEST_FIELD_FOUND);
	snprintf(two, sizeof(two), "%.*s:", (int)strlen(field) - 2, field); /* without its padding */
	assert_int_equal(gs_digest_field_parse(two, again), GS_DIGEST_FIELD_FOUND);
	assert_memory_equal(bytes, again, sizeof(bytes));
	snprintf(two, sizeof(two), "%s,", field);
	assert_int_equal(gs_digest_field_parse(two, again), GS_DIGEST_FIELD_MALFORMED);
	snprintf(two, sizeof(two), "md5=:AAAA:; %s", field); /* a parameter that has no such name */
	assert_int_equal(gs_digest_field_parse(two, again), GS_DIGEST_FIELD_NONE);
	assert_int_equal(gs_digest_field_parse(NULL, again), GS_DIGEST_FIELD_NONE);
	assert_int_equal(gs_digest_field_parse("sha-256", again), GS_DIGEST_FIELD_MALFORMED);
	assert_int_equal(gs_digest_field_parse("md5=:AAAA:", again), GS_DIGEST_FIELD_NONE);
	assert_int_equal(gs_digest_field_parse("", again), GS_DIGEST_FIELD_NONE);
	assert_int_equal(gs_digest_field_parse("sha-256=", again), GS_DIGEST_FIELD_MALFORMED);
	assert_int_equal(gs_digest_field_parse("sha-256=:AAAA:", again), GS_DIGEST_FIELD_MALFORMED);
	for (size_t i = 0; field[i] != '\0'; i++) {
		char kept = field[i];

		field[i] = '\0';
		assert_int_not_equal(gs_digest_field_parse(field, again), GS_DIGEST_FIELD_FOUND);
		field[i] = kept;
	}
}

static void test_uuid(void **state)
{
	static const char *const bad[] = {"",
									  "0b0b0b0b-1111-4222-8333-44444444444",
									  "0b0b0b0b-1111-4222-8333-4444444444444",
									  "0B0b0b0b-1111-4222-8333-444444444444",
									  "0b0b0b0b/1111-4222-8333-444444444444",
									  "0b0b0b0b111114222183331444444444444g",
									  "../../../../../../../../../../etc/pas"};
	GsUuid uuid;

	(void)state;
	assert_true(gs_uuid_parse(id, &uuid));
	assert_string_equal(uuid.text, id);
	assert_false(gs_uuid_parse(NULL, &uuid));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(gs_uuid_parse(bad[i], &uuid));
}

static void test_sidecar(void **state)
{
	GsSidecar sidecar = {.size_bytes = 9007199254740991u, .stored_at = "2026-01-31T12:00:00Z"}, again;
	static const GsOrigin nobody;
	char text[GS_SIDECAR_MAX_BYTES], broken[GS_SIDECAR_MAX_BYTES];
	GsOrigin origin = {0}, told;
	size_t size;

	(void)state;
	assert_true(gs_uuid_parse(id, &origin.terminal));
	memset(origin.name, '"', GS_ORIGIN_NAME_MAX);
	assert_true(gs_uuid_parse(id, &sidecar.object) && gs_uuid_parse(id, &sidecar.server));
	sidecar.server.text[0] = 'f';
	memset(sidecar.sha256, 0xab, sizeof(sidecar.sha256));
	size = gs_sidecar_encode(&sidecar, &nobody, text);
	assert_true(size > 0 && size == strlen(text));
	assert_int_equal(gs_sidecar_decode(text, size, &again), 0);
	assert_true(gs_uuid_equal(&again.object, &sidecar.object) && gs_uuid_equal(&again.server, &sidecar.server));
	assert_int_equal(again.size_bytes, sidecar.size_bytes);
	assert_memory_equal(again.sha256, sidecar.sha256, sizeof(again.sha256));
	assert_string_equal(again.stored_at, sidecar.stored_at);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(gs_sidecar_decode(text, i, &again), -EBADMSG);
	memcpy(broken, text, size + 1);
	memcpy(strstr(broken, "9007199254740991"), "-007199254740991", 16);
	assert_int_equal(gs_sidecar_decode(broken, size, &again), -EBADMSG);
	memcpy(broken, text, size + 1);
	memcpy(strstr(broken, "server"), "Server", 6);
	assert_int_equal(gs_sidecar_decode(broken, size, &again), -EBADMSG);
	/* Whose it is: the longest name there is has room, and nobody needs to know. */
	assert_null(strstr(text, "terminal"));
	assert_null(strstr(text, "name"));
	size = gs_sidecar_encode(&sidecar, &origin, text);
	assert_int_equal(gs_sidecar_decode(text, size, &again), 0);
	assert_non_null(strstr(text, "\"name\": \"\\\"\\\""));
	assert_non_null(strstr(text, "\"terminal\": \""));
	assert_int_equal(gs_sidecar_decode_origin(text, size, &again, &told), 0);
	assert_true(gs_uuid_equal(&told.terminal, &origin.terminal));
	assert_string_equal(told.name, origin.name);
	memcpy(strstr(text, "terminal"), "Terminal", 8);
	memcpy(strstr(text, "name"), "Name", 4);
	assert_int_equal(gs_sidecar_decode_origin(text, size, &again, &told), 0);
	assert_true(told.terminal.text[0] == '\0' && told.name[0] == '\0');
}

static void test_active(void **state)
{
	static GsActiveTable table;
	GsActive entries[3];
	GsUuid ids[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(gs_uuid_parse(id, &ids[i]));
		ids[i].text[GS_UUID_TEXT - 1] = (char)('0' + i); /* one bucket */
		assert_null(gs_active_find(&table, &ids[i]));
		gs_active_add(&table, &entries[i], &ids[i], GS_ACTIVE_UPLOAD);
	}
	gs_active_remove(&table, &entries[1]);
	assert_null(gs_active_find(&table, &ids[1]));
	assert_ptr_equal(gs_active_find(&table, &ids[0]), &entries[0]);
	assert_ptr_equal(gs_active_find(&table, &ids[2]), &entries[2]);
	gs_active_remove(&table, &entries[2]);
	gs_active_remove(&table, &entries[0]);
	assert_null(gs_active_find(&table, &ids[0]));
}

static void test_patch_head(void **state)
{
	static const char draft[] = "application/partial-upload", tus[] = "application/offset+octet-stream";
	static const char sha1[] = "sha1 L9ThxnotKPzthJ7hu3bnORuT6xI=";
	static const struct {
		GsPatchFields fields;
		GsPatchError error;
		uint64_t offset;
		GsPatchComplete complete;
	} cases[] = {
		{{.content_type = draft, .offset = "0"}, GS_PATCH_OK, 0, GS_COMPLETE_UNSAID},
		{{.content_type = "Application/Partial-Upload; a=b", .offset = "12"}, GS_PATCH_OK, 12, GS_COMPLETE_UNSAID},
		{{.content_type = tus, .offset = "12"}, GS_PATCH_OK, 12, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "1", .complete = "?1"}, GS_PATCH_OK, 1, GS_COMPLETE_YES},
		{{.content_type = draft, .offset = "1", .complete = "?0"}, GS_PATCH_OK, 1, GS_COMPLETE_NO},
		{{.content_type = draft, .offset = "1", .complete = "?1;x=1"}, GS_PATCH_OK, 1, GS_COMPLETE_YES},
		{{.content_type = draft, .offset = "1;x", .complete = "?0; y=\"\\\"\""}, GS_PATCH_OK, 1, GS_COMPLETE_NO},
		{{.content_type = draft, .offset = "1", .complete = "1"}, GS_PATCH_OK, 1, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "1", .complete = "?1, ?0"}, GS_PATCH_OK, 1, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "1, 2"}, GS_PATCH_OFFSET, 0, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "1.0"}, GS_PATCH_OFFSET, 0, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "1", .content_digest = "sha-256=:AA:"},
		 GS_PATCH_CONTENT_DIGEST,
		 0,
		 GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "9007199254740991"}, GS_PATCH_OK, 9007199254740991, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "9007199254740992"}, GS_PATCH_OFFSET, 0, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "00000000000000000"}, GS_PATCH_OFFSET, 0, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = "-1"}, GS_PATCH_OFFSET, 0, GS_COMPLETE_UNSAID},
		{{.content_type = draft, .offset = ""}, GS_PATCH_OFFSET, 0, GS_COMPLETE_UNSAID},
		{{.content_type = draft}, GS_PATCH_OFFSET, 0, GS_COMPLETE_UNSAID},
		{{.content_type = "application/partial-uploads", .offset = "0"}, GS_PATCH_CONTENT_TYPE, 0, GS_COMPLETE_UNSAID},
		{{.offset = "0"}, GS_PATCH_CONTENT_TYPE, 0, GS_COMPLETE_UNSAID},
		{{.tus_resumable = "1.0.0", .content_type = draft, .offset = "0"},
		 GS_PATCH_CONTENT_TYPE,
		 0,
		 GS_COMPLETE_UNSAID},
		{{.tus_resumable = "1.0.0", .content_type = tus, .offset = "0"}, GS_PATCH_OK, 0, GS_COMPLETE_UNSAID},
		{{.tus_resumable = "1.0.1", .content_type = tus, .offset = "0"}, GS_PATCH_TUS_VERSION, 0, GS_COMPLETE_UNSAID},
		{{.content_type = tus, .offset = "0", .checksum = sha1}, GS_PATCH_OK, 0, GS_COMPLETE_UNSAID},
		{{.content_type = tus, .offset = "0", .checksum = "sha1"}, GS_PATCH_CHECKSUM, 0, GS_COMPLETE_UNSAID},
		{{.content_type = tus, .offset = "0", .checksum = "sha256 L9ThxnotKPzthJ7hu3bnORuT6xI="},
		 GS_PATCH_CHECKSUM,
		 0,
		 0},
		{{.content_type = tus, .offset = "0", .checksum = "sha1 L9ThxnotKPzthJ7hu3bnORuT6xI"}, GS_PATCH_CHECKSUM, 0, 0},
	};
	GsPatchHead head;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		GsPatchError error = gs_patch_read_protocol(&cases[i].fields, &head);

		if (error == GS_PATCH_OK)
			error = gs_patch_read_head(&cases[i].fields, &head);
		assert_int_equal(error, cases[i].error);
		if (error != GS_PATCH_OK)
			continue;
		assert_int_equal(head.offset, cases[i].offset);
		assert_int_equal(head.complete, cases[i].complete);
		assert_int_equal(head.checksum != NULL, cases[i].fields.checksum != NULL);
	}
	assert_int_equal(gs_patch_read_protocol(&(GsPatchFields){.interop = "9"}, &head), GS_PATCH_OK);
	assert_int_equal(head.interop, 9);
	assert_int_equal(gs_patch_read_protocol(&(GsPatchFields){.interop = "7"}, &head), GS_PATCH_OK);
	assert_int_equal(head.interop, 0);
}

static void test_structured(void **state)
{
	static const char *const items[] = {"1",      " -1 ",         "999.123",       "?0",         "?1;a;b=?0;*c=:AA==:",
										":YWI=:", "::",           "\"\"",          "\"a\\\"b\"", "token",
										"*t/x:y", "@-1659578233", "%\"f%c3%bcr\"", "1;  a=b"};
	static const char *const no_items[] = {"",         " ",        "-",        "1.",    "1.1234", "12345678901234567",
										   ".5",       "?",        "?2",       "?10",   ":YWI",   ":a-b:",
										   "\"a",      "\"\x01\"", "\"a\\b\"", "@",     "@1.5",   "%a",
										   "%\"%C3\"", "%\"%c\"",  "1;",       "1;A",   "1;a=",   "1;a=;b",
										   "1 2",      "1,",       "1;a b",    "(1 2)", "{}",     "\t1"};
	static const char *const members[] = {
		"k", "k=1", "a=1, k", "a;x=1;y, \t k;z", "k=(1 2);q, b=(), c=( \"x\" t;p=1 )", "k=1,k=2"};
	static const char *const no_members[] = {",",       "k,",         "k=1,,b", "K",         "k=", "k=(1",
											 "k=(1,2)", "k=(1\"a\")", "k b",    "a=1;k=1 b", "1"};
	GsItem item;

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		assert_int_equal(gs_structured_item(items[i], &item), GS_STRUCTURED_FOUND);
	for (size_t i = 0; i < sizeof(no_items) / sizeof(no_items[0]); i++)
		assert_int_equal(gs_structured_item(no_items[i], &item), GS_STRUCTURED_MALFORMED);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		assert_int_equal(gs_structured_member(members[i], "k", &item), GS_STRUCTURED_FOUND);
	for (size_t i = 0; i < sizeof(no_members) / sizeof(no_members[0]); i++)
		assert_int_equal(gs_structured_member(no_members[i], "k", &item), GS_STRUCTURED_MALFORMED);
	assert_int_equal(gs_structured_item(NULL, &item), GS_STRUCTURED_NONE);
	assert_int_equal(gs_structured_member("a=\"k=1\", b;k, kk=1, c=(k)", "k", &item), GS_STRUCTURED_NONE);
	assert_int_equal(gs_structured_member("k=1, k=-23;x", "k", &item), GS_STRUCTURED_FOUND);
	assert_true(item.type == GS_ITEM_INTEGER && item.number == -23);
	assert_int_equal(gs_structured_member("k=:YWI=:;x, z", "k", &item), GS_STRUCTURED_FOUND);
	assert_true(item.type == GS_ITEM_BYTES && item.size == 4 && memcmp(item.bytes, "YWI=", 4) == 0);
	assert_int_equal(gs_structured_item("9007199254740991", &item), GS_STRUCTURED_FOUND);
	assert_true(item.type == GS_ITEM_INTEGER && item.number == 9007199254740991);
	assert_int_equal(gs_structured_item("5.0", &item), GS_STRUCTURED_FOUND);
	assert_int_equal(item.type, GS_ITEM_OTHER);
}

static void test_progress(void **state)
{
	GsProgress progress = {.size_bytes = 10, .offset_bytes = 10, .until_s = 5}, read;
	char text[GS_PROGRESS_MAX_BYTES];
	size_t size;

	(void)state;
	assert_true(gs_uuid_parse(id, &progress.object) && gs_uuid_parse(id, &progress.server));
	size = gs_progress_encode(&progress, text);
	assert_int_equal(gs_progress_decode(text, size, &read), 0);
	assert_int_equal(read.offset_bytes, 10);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(gs_progress_decode(text, cut, &read), -EBADMSG); /* torn */
	progress.offset_bytes = 11; /* beyond the size: what is there is something else */
	size = gs_progress_encode(&progress, text);
	assert_int_equal(gs_progress_decode(text, size, &read), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range),       cmocka_unit_test(test_condition), cmocka_unit_test(test_offset),
		cmocka_unit_test(test_disposition), cmocka_unit_test(test_codec),     cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_sidecar),     cmocka_unit_test(test_active),    cmocka_unit_test(test_patch_head),
		cmocka_unit_test(test_progress),    cmocka_unit_test(test_structured)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
