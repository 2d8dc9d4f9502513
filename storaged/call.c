/* SPDX-License-Identifier: PostgreSQL */
/* The text of calls and replies; see call.h. */
#include "storaged/call.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

static void call_begin(GsCall *call, const char *sql)
{
	call->sql = sql;
	call->count = 0;
	call->used = 0;
}

__attribute__((format(printf, 2, 3))) static void call_add(GsCall *call, const char *format, ...)
{
	size_t left = sizeof(call->text) - call->used;
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(call->text + call->used, left, format, args);
	va_end(args);
	assert(size >= 0 && (size_t)size < left && call->count < GS_CALL_PARAMS_MAX); /* bounded: GS_URL_MAX, GS_WORK_MAX */
	call->values[call->count++] = call->text + call->used;
	call->used += (size_t)size + 1;
}

void gs_call_announce(GsCall *call, const GsStore *store, const GsSpace *space, uint64_t staged_bytes)
{
	call_begin(call, "SELECT groupshare.device_announce($1::bigint, $2::text, $3::bigint, $4::bigint, $5::bigint, "
					 "$6::int, $7::text)");
	call_add(call, "%" PRId64, store->epoch);
	call_add(call, "%s", store->url);
	call_add(call, "%" PRIu64, space->capacity_bytes);
	call_add(call, "%" PRIu64, space->free_bytes);
	call_add(call, "%" PRIu64, staged_bytes);
	call_add(call, "%" PRId64, store->settings->report_interval_ms);
	call_add(call, "%s", GS_VERSION);
}

void gs_call_report(GsCall *call, const GsStore *store, const GsSpace *space, uint64_t staged_bytes)
{
	call_begin(call, "SELECT groupshare.device_report($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::boolean)");
	call_add(call, "%" PRId64, store->epoch);
	call_add(call, "%" PRIu64, space->capacity_bytes);
	call_add(call, "%" PRIu64, space->free_bytes);
	call_add(call, "%" PRIu64, staged_bytes);
	call_add(call, "%s", store->read_only ? "true" : "false");
}

void gs_call_receipt(GsCall *call, const GsStore *store, const GsUuid *object, uint64_t size_bytes,
					 const uint8_t sha256[GS_SHA256_BYTES])
{
	char hex[GS_SHA256_HEX + 1];

	gs_hex_encode(sha256, GS_SHA256_BYTES, hex);
	call_begin(call, "SELECT groupshare.device_receipt($1::bigint, $2::uuid, $3::bigint, $4::bytea)");
	call_add(call, "%" PRId64, store->epoch);
	call_add(call, "%s", object->text);
	call_add(call, "%" PRIu64, size_bytes);
	call_add(call, "\\x%s", hex);
}

void gs_call_work_done(GsCall *call, const GsStore *store, const int64_t *ids, size_t count)
{
	char list[GS_WORK_MAX * 22 + 3];
	char *end = list;

	assert(count <= GS_WORK_MAX);
	*end++ = '{';
	for (size_t i = 0; i < count; i++)
		end += sprintf(end, "%s%" PRId64, i > 0 ? "," : "", ids[i]);
	*end++ = '}';
	*end = '\0';
	call_begin(call, "SELECT groupshare.device_work_done($1::bigint, $2::bigint[])");
	call_add(call, "%" PRId64, store->epoch);
	call_add(call, "%s", list);
}

static bool parse_keys(const json_t *object, GsReply *reply)
{
	const json_t *list = json_object_get(object, "keys");

	reply->has_keys = list != NULL;
	reply->key_count = json_array_size(list);
	if (list == NULL)
		return true;
	if (!json_is_array(list) || reply->key_count > GS_TICKET_KEYS_MAX)
		return false;
	for (size_t i = 0; i < reply->key_count; i++) {
		const json_t *item = json_array_get(list, i);
		const char *kid = json_string_value(json_object_get(item, "kid"));
		const char *key = json_string_value(json_object_get(item, "key"));

		if (kid == NULL || kid[0] == '\0' || strlen(kid) > GS_TICKET_KID_MAX || key == NULL ||
			gs_base64url_decode(key, strlen(key), reply->keys[i].key, GS_TICKET_KEY_BYTES) != GS_TICKET_KEY_BYTES)
			return false;
		strcpy(reply->keys[i].kid, kid);
	}
	return true;
}

bool gs_reply_parse_announce(const char *text, GsReply *reply)
{
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(value, "server_name"));
	bool good;

	memset(reply, 0, sizeof(*reply));
	good = gs_uuid_parse(json_string_value(json_object_get(value, "server")), &reply->server) &&
		   gs_uuid_parse(json_string_value(json_object_get(value, "device")), &reply->device) && name != NULL &&
		   strlen(name) <= GS_CONTROL_NAME_MAX && parse_keys(value, reply) && reply->has_keys;
	if (good)
		strcpy(reply->server_name, name);
	json_decref(value);
	return good;
}

static bool parse_work(const json_t *object, GsReply *reply)
{
	const json_t *list = json_object_get(object, "work");

	if (list != NULL && !json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list) && reply->work_count < GS_WORK_MAX; i++) {
		const json_t *item = json_array_get(list, i);
		const json_t *id = json_object_get(item, "id");
		const char *kind = json_string_value(json_object_get(item, "kind"));
		GsWorkItem *work = &reply->work[reply->work_count];

		if (!json_is_integer(id) || kind == NULL)
			return false;
		if (strcmp(kind, "delete") != 0)
			continue;
		if (!gs_uuid_parse(json_string_value(json_object_get(item, "object")), &work->object))
			return false;
		work->id = json_integer_value(id);
		reply->work_count++;
	}
	return true;
}

bool gs_reply_parse_report(const char *text, GsReply *reply)
{
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	bool good;

	memset(reply, 0, sizeof(*reply));
	good = json_is_object(value) && parse_keys(value, reply) && parse_work(value, reply);
	json_decref(value);
	return good;
}
