/* SPDX-License-Identifier: PostgreSQL */
/* The text of calls and replies; see call.h. */
#include "storaged/call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/conninfo.h"
#include "daemon/json_text.h"

#define LOCK_WAIT_MS 1000                      /* for a row that somebody holds; others wait behind the call */
#define CALL_GRACE_MS 1000                     /* by when this end has given a call up in any case */
#define NOW_US_MAX INT64_C(253402300800000000) /* the year 10000 */

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

/* What this end has given up must not go on over there: it would hold a connection for as long as a lock is held. Nor
 * may what nobody is at the other end of. A call that waits for a lock ends sooner: it is made again, and the
 * connection stays. */
void gs_call_limit(GsCall *call, const GsStore *store)
{
	int64_t call_ms = store->settings->call_timeout_ms;

	call_begin(call, "SELECT pg_catalog.set_config('statement_timeout', $1, false)"
					 " || pg_catalog.set_config('lock_timeout', $2, false) || " GS_CONNINFO_PROBES);
	call_add(call, "%" PRId64, call_ms + CALL_GRACE_MS);
	call_add(call, "%" PRId64, call_ms / 2 < LOCK_WAIT_MS ? call_ms / 2 : LOCK_WAIT_MS);
}

void gs_call_listen(GsCall *call)
{
	call_begin(call, "LISTEN groupshare_device");
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

void gs_call_receipts(GsCall *call, const GsStore *store, const GsServer *server, size_t count)
{
	char objects[GS_RECEIPT_BATCH_MAX * (GS_UUID_TEXT + 1) + 3], sizes[GS_RECEIPT_BATCH_MAX * 22 + 3],
		digests[GS_RECEIPT_BATCH_MAX * (GS_SHA256_HEX + 7) + 3], hex[GS_SHA256_HEX + 1];
	char *o = objects, *s = sizes, *d = digests;
	const GsReceipt *receipt = TAILQ_FIRST(&server->receipts);

	assert(count >= 1 && count <= GS_RECEIPT_BATCH_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *comma = i > 0 ? "," : "{";

		gs_hex_encode(receipt->sidecar.sha256, GS_SHA256_BYTES, hex);
		o += sprintf(o, "%s%s", comma, receipt->sidecar.object.text);
		s += sprintf(s, "%s%" PRIu64, comma, receipt->sidecar.size_bytes);
		d += sprintf(d, "%s\"\\\\x%s\"", comma, hex);
		receipt = TAILQ_NEXT(receipt, link);
	}
	call_begin(call, "SELECT groupshare.device_receipts($1::bigint, $2::uuid[], $3::bigint[], $4::bytea[])");
	call_add(call, "%" PRId64, store->epoch);
	call_add(call, "%s}", objects);
	call_add(call, "%s}", sizes);
	call_add(call, "%s}", digests);
}

void gs_call_damaged(GsCall *call, const GsStore *store, const GsUuid *object, const uint8_t *digest)
{
	char hex[GS_SHA256_HEX + 1] = "";

	if (digest != NULL)
		gs_hex_encode(digest, GS_SHA256_BYTES, hex);
	call_begin(call, "SELECT groupshare.device_damaged($1::bigint, $2::uuid, $3::bytea)");
	call_add(call, "%" PRId64, store->epoch);
	call_add(call, "%s", object->text);
	call_add(call, "\\x%s", hex);
}

void gs_call_fetch_failed(GsCall *call, const GsStore *store, const GsUuid *object, const char *reason)
{
	call_begin(call, "SELECT groupshare.device_fetch_failed($1::bigint, $2::uuid, $3::text)");
	call_add(call, "%" PRId64, store->epoch);
	call_add(call, "%s", object->text);
	call_add(call, "%s", reason);
}

void gs_call_inventory(GsCall *call, const GsStore *store, bool begin)
{
	call_begin(call, begin ? "SELECT groupshare.device_inventory_begin($1::bigint)"
						   : "SELECT groupshare.device_inventory_end($1::bigint)");
	call_add(call, "%" PRId64, store->epoch);
}

void gs_call_inventory_add(GsCall *call, const GsStore *store, const char *const arrays[GS_CALL_INVENTORY_ARRAYS])
{
	call_begin(call,
			   "SELECT groupshare.device_inventory_add($1::bigint, $2::uuid[], $3::bigint[], $4::bytea[], $5::text[], "
			   "$6::uuid[], $7::text[])");
	call_add(call, "%" PRId64, store->epoch);
	for (size_t i = 0; i < GS_CALL_INVENTORY_ARRAYS; i++)
		call_add(call, "%s", arrays[i]);
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

/* An id that may be null. */
static bool parse_optional(const json_t *value, bool *has, GsUuid *id)
{
	*has = value != NULL && !json_is_null(value);
	return !*has || gs_uuid_parse(json_string_value(value), id);
}

static bool parse_item(const json_t *item, const char *kind, GsWorkItem *work)
{
	const json_t *before = json_object_get(item, "before"), *until = json_object_get(item, "until");

	*work = (GsWorkItem){.id = json_integer_value(json_object_get(item, "id"))};
	if (!parse_optional(json_object_get(item, "object"), &work->has_object, &work->object) ||
		!parse_optional(json_object_get(item, "terminal"), &work->has_terminal, &work->terminal))
		return false;
	work->kind = kind[0] == 'd' ? GS_WORK_DELETE : kind[0] == 'r' ? GS_WORK_REVOKE : GS_WORK_INVENTORY;
	if (work->kind == GS_WORK_INVENTORY)
		return true;
	if (work->kind == GS_WORK_DELETE)
		return work->has_object;
	work->before_s = json_integer_value(before);
	work->until_s = json_integer_value(until);
	return json_is_integer(before) && json_is_integer(until) && (work->has_object || work->has_terminal);
}

static bool copy_text(const json_t *value, char *text, size_t most)
{
	if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > most)
		return false;
	strcpy(text, json_string_value(value));
	return true;
}

/* More than were agreed on are left out, and handed out again. */
static bool parse_fetch(const json_t *item, GsReply *reply)
{
	const json_t *size = json_object_get(item, "size");
	GsFetchOrder *order = &reply->fetches[reply->fetch_count];

	if (reply->fetch_count == GS_FETCH_ORDERS_MAX)
		return true;
	if (!gs_uuid_parse(json_string_value(json_object_get(item, "object")), &order->object) ||
		!copy_text(json_object_get(item, "url"), order->url, GS_FETCH_URL_MAX) ||
		!copy_text(json_object_get(item, "ticket"), order->ticket, GS_TICKET_MAX_BYTES) || !json_is_integer(size) ||
		json_integer_value(size) < 0 || json_integer_value(size) > GS_SIZE_MAX ||
		!gs_hex_decode(json_string_value(json_object_get(item, "sha256")), order->sha256, GS_SHA256_BYTES))
		return false;
	order->size_bytes = (uint64_t)json_integer_value(size);
	order->origin = (GsOrigin){0};
	if (!gs_uuid_parse(json_string_value(json_object_get(item, "terminal")), &order->origin.terminal) ||
		!copy_text(json_object_get(item, "name"), order->origin.name, GS_ORIGIN_NAME_MAX))
		return false;
	reply->fetch_count++;
	return true;
}

static bool parse_work(const json_t *object, GsReply *reply)
{
	const json_t *list = json_object_get(object, "work");

	if (list != NULL && !json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *kind = json_string_value(json_object_get(item, "kind"));

		if (!json_is_integer(json_object_get(item, "id")) || kind == NULL)
			return false;
		if (strcmp(kind, "fetch") == 0 && !parse_fetch(item, reply))
			return false;
		if (reply->work_count == GS_WORK_MAX)
			continue;
		if (strcmp(kind, "delete") != 0 && strcmp(kind, "revoke") != 0 && strcmp(kind, "inventory") != 0)
			continue;
		if (!parse_item(item, kind, &reply->work[reply->work_count]))
			return false;
		reply->work_count++;
	}
	reply->more_revoked = reply->work_count == GS_WORK_MAX && reply->work[GS_WORK_MAX - 1].kind == GS_WORK_REVOKE;
	return true;
}

static bool parse_now(const json_t *object, GsReply *reply)
{
	reply->now_us = json_integer_value(json_object_get(object, "now"));
	return reply->now_us > 0 && reply->now_us <= NOW_US_MAX;
}

bool gs_reply_parse_announce(const char *text, GsReply *reply)
{
	json_t *value = gs_json_text_read(text, strlen(text), NULL);
	const char *name = json_string_value(json_object_get(value, "server_name"));
	bool good;

	memset(reply, 0, sizeof(*reply));
	good = gs_uuid_parse(json_string_value(json_object_get(value, "server")), &reply->server) &&
		   gs_uuid_parse(json_string_value(json_object_get(value, "device")), &reply->device) && name != NULL &&
		   strlen(name) <= GS_CONTROL_NAME_MAX && parse_now(value, reply) && parse_keys(value, reply) &&
		   reply->has_keys && parse_work(value, reply);
	if (good)
		strcpy(reply->server_name, name);
	json_decref(value);
	return good;
}

bool gs_reply_parse_report(const char *text, GsReply *reply)
{
	json_t *value = gs_json_text_read(text, strlen(text), NULL);
	bool good;

	memset(reply, 0, sizeof(*reply));
	good = json_is_object(value) && parse_now(value, reply) && parse_keys(value, reply) && parse_work(value, reply);
	json_decref(value);
	return good;
}

/* PostgreSQL's text of an array of words. */
bool gs_reply_parse_receipts(const char *text, GsReceiptOutcome *outcomes, size_t count)
{
	static const struct {
		const char *word;
		GsReceiptOutcome outcome;
	} words[] = {{"stored", GS_RECEIPT_STORED}, {"unwanted", GS_RECEIPT_UNWANTED}, {"mismatch", GS_RECEIPT_MISMATCH}};

	for (size_t i = 0; i < count; i++) {
		size_t length, n = 0;

		if (*text++ != (i > 0 ? ',' : '{'))
			return false;
		length = strcspn(text, ",}");
		while (n < sizeof(words) / sizeof(words[0]) &&
			   (strlen(words[n].word) != length || memcmp(words[n].word, text, length) != 0))
			n++;
		if (n == sizeof(words) / sizeof(words[0]))
			return false;
		outcomes[i] = words[n].outcome;
		text += length;
	}
	return strcmp(text, "}") == 0;
}
