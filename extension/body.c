/* SPDX-License-Identifier: PostgreSQL */
/*
 * Readers of request bodies and parameters. Every reader takes exactly one JSON type and one range, and the message
 * names the member, so that a client's author sees at once what was wrong.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base64url.h"
#include "body.h"
#include "errcodes.h"
#include "names.h"

#define SHA256_BYTES 32
#define UUID_TEXT_BYTES 36
#define UNKNOWN_SHOWN_BYTES 64

static void refuse(const char *name, const char *want)
{
	ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"%s\" must be %s", name, want)));
}

static bool is_known(const char *const *known, const char *key, int size)
{
	for (; known != NULL && *known != NULL; known++)
		if (strlen(*known) == (size_t)size && memcmp(*known, key, size) == 0)
			return true;
	return false;
}

static void refuse_unknown(const char *const *known, const char *key, int size)
{
	StringInfoData list;

	initStringInfo(&list);
	for (const char *const *name = known; name != NULL && *name != NULL; name++)
		appendStringInfo(&list, "%s%s", name == known ? "" : ", ", *name);
	/* The name is the sender's, and may be as long as a body: enough of it to be recognized. */
	ereport(ERROR, (errcode(GS_ERR_UNKNOWN_MEMBER),
					errmsg("unknown member \"%s\"", pnstrdup(key, pg_mbcliplen(key, size, UNKNOWN_SHOWN_BYTES))),
					list.len > 0 ? errhint("Known are: %s.", list.data) : errhint("None is known here.")));
}

void gs_body_check(Jsonb *body, bool required, const char *const *known)
{
	JsonbIterator *iterator;
	JsonbValue value;

	if (body == NULL) {
		if (required)
			ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("a request body is needed")));
		return;
	}
	if (!JB_ROOT_IS_OBJECT(body))
		ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("the request body must be a JSON object")));
	iterator = JsonbIteratorInit(&body->root);
	for (JsonbIteratorToken token = JsonbIteratorNext(&iterator, &value, true); token != WJB_DONE;
		 token = JsonbIteratorNext(&iterator, &value, true))
		if (token == WJB_KEY && !is_known(known, value.val.string.val, value.val.string.len))
			refuse_unknown(known, value.val.string.val, value.val.string.len);
}

/* The member's value; NULL when absent or null and not required. */
static JsonbValue *member(Jsonb *body, const char *name, bool required)
{
	JsonbValue *value = NULL;

	if (body != NULL && JB_ROOT_IS_OBJECT(body))
		value = getKeyJsonValueFromContainer(&body->root, name, strlen(name), NULL);
	if (value == NULL || value->type == jbvNull) {
		if (required)
			ereport(ERROR, (errcode(GS_ERR_INVALID_PARAMETER), errmsg("\"%s\" is needed", name)));
		return NULL;
	}
	return value;
}

static JsonbValue *string_member(Jsonb *body, const char *name, bool required, const char *want)
{
	JsonbValue *value = member(body, name, required);

	if (value != NULL && value->type != jbvString)
		refuse(name, want);
	return value;
}

bool gs_body_is_text(Jsonb *body, const char *name, const char *text)
{
	JsonbValue *value = member(body, name, false);

	return value != NULL && value->type == jbvString && value->val.string.len == strlen(text) &&
		   memcmp(value->val.string.val, text, value->val.string.len) == 0;
}

char *gs_body_text(Jsonb *body, const char *name, bool required)
{
	JsonbValue *value = string_member(body, name, required, "a string");

	return value == NULL ? NULL : pnstrdup(value->val.string.val, value->val.string.len);
}

char *gs_body_identifier(Jsonb *body, const char *name, bool required)
{
	static const char want[] = "a phone number like +8613800138000 or an e-mail address";
	JsonbValue *value = string_member(body, name, required, want);
	char *kept;

	if (value == NULL)
		return NULL;
	kept = gs_name_identifier(value->val.string.val, value->val.string.len);
	if (kept == NULL)
		refuse(name, want);
	return kept;
}

char *gs_body_group_name(Jsonb *body, const char *name, bool required)
{
	static const char want[] = "a name of 1 to 255 bytes in Unicode NFC without control characters";
	JsonbValue *value = string_member(body, name, required, want);

	if (value == NULL)
		return NULL;
	if (!gs_name_valid(value->val.string.val, value->val.string.len))
		refuse(name, want);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

char *gs_body_share_name(Jsonb *body, const char *name, bool required)
{
	static const char want[] =
		"a name of 1 to 255 bytes in Unicode NFC without control characters and slashes, not \".\" or \"..\"";
	JsonbValue *value = string_member(body, name, required, want);

	if (value == NULL)
		return NULL;
	if (!gs_name_share_valid(value->val.string.val, value->val.string.len))
		refuse(name, want);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Only the form that we write ourselves: lower case, hyphens in their places. */
static bool parse_uuid(const JsonbValue *value, pg_uuid_t *uuid)
{
	const char *text = value->val.string.val;
	int nibble = 0;

	if (value->type != jbvString || value->val.string.len != UUID_TEXT_BYTES)
		return false;
	for (int i = 0; i < UUID_TEXT_BYTES; i++) {
		int digit = hex_value(text[i]);

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
			continue;
		}
		if (digit < 0)
			return false;
		uuid->data[nibble / 2] = nibble % 2 == 0 ? digit << 4 : uuid->data[nibble / 2] | digit;
		nibble++;
	}
	return true;
}

pg_uuid_t *gs_body_uuid(Jsonb *body, const char *name, bool required)
{
	JsonbValue *value = member(body, name, required);
	pg_uuid_t *uuid;

	if (value == NULL)
		return NULL;
	uuid = palloc(sizeof(*uuid));
	if (!parse_uuid(value, uuid))
		refuse(name, "an id (lower-case UUID)");
	return uuid;
}

/* Whole numbers only: 1.0 is one for JSON, 1.5 is not. */
static bool numeric_int64(Numeric number, int64 *out)
{
	Datum datum = NumericGetDatum(number);
	Datum whole;

	if (numeric_is_nan(number) || numeric_is_inf(number))
		return false;
	whole = DirectFunctionCall2(numeric_trunc, datum, Int32GetDatum(0));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, datum, whole)) ||
		DatumGetBool(
			DirectFunctionCall2(numeric_gt, whole, DirectFunctionCall1(int8_numeric, Int64GetDatum(PG_INT64_MAX)))) ||
		DatumGetBool(
			DirectFunctionCall2(numeric_lt, whole, DirectFunctionCall1(int8_numeric, Int64GetDatum(PG_INT64_MIN)))))
		return false;
	*out = DatumGetInt64(DirectFunctionCall1(numeric_int8, whole));
	return true;
}

/* A parameter's digits; 18 of them always fit. */
static bool text_int64(const JsonbValue *value, int64 *out)
{
	if (value->val.string.len < 1 || value->val.string.len > 18)
		return false;
	*out = 0;
	for (int i = 0; i < value->val.string.len; i++) {
		char c = value->val.string.val[i];

		if (c < '0' || c > '9')
			return false;
		*out = *out * 10 + (c - '0');
	}
	return true;
}

static void refuse_range(const char *name, int64 min, int64 max)
{
	refuse(name, psprintf("a whole number from " INT64_FORMAT " to " INT64_FORMAT, min, max));
}

bool gs_body_int64(Jsonb *body, const char *name, bool required, int64 min, int64 max, int64 *out)
{
	JsonbValue *value = member(body, name, required);

	if (value == NULL)
		return false;
	if (value->type != jbvNumeric || !numeric_int64(value->val.numeric, out) || *out < min || *out > max)
		refuse_range(name, min, max);
	return true;
}

bool gs_body_digits(Jsonb *params, const char *name, bool required, int64 min, int64 max, int64 *out)
{
	JsonbValue *value = member(params, name, required);

	if (value == NULL)
		return false;
	if (value->type != jbvString || !text_int64(value, out) || *out < min || *out > max)
		refuse_range(name, min, max);
	return true;
}

bool gs_body_bool(Jsonb *body, const char *name, bool required, bool *out)
{
	JsonbValue *value = member(body, name, required);

	if (value == NULL)
		return false;
	if (value->type != jbvBool)
		refuse(name, "true or false");
	*out = value->val.boolean;
	return true;
}

bytea *gs_body_sha256(Jsonb *body, const char *name, bool required)
{
	static const char want[] = "a SHA-256 in 64 lower-case hex digits";
	JsonbValue *value = string_member(body, name, required, want);
	bytea *digest;

	if (value == NULL)
		return NULL;
	if (value->val.string.len != SHA256_BYTES * 2)
		refuse(name, want);
	digest = palloc(VARHDRSZ + SHA256_BYTES);
	SET_VARSIZE(digest, VARHDRSZ + SHA256_BYTES);
	for (int i = 0; i < SHA256_BYTES; i++) {
		int high = hex_value(value->val.string.val[2 * i]);
		int low = hex_value(value->val.string.val[2 * i + 1]);

		if (high < 0 || low < 0)
			refuse(name, want);
		VARDATA(digest)[i] = (char)(high << 4 | low);
	}
	return digest;
}

bytea *gs_body_base64url(Jsonb *body, const char *name, bool required, int size_bytes)
{
	const char *want = psprintf("%d bytes in base64url without padding", size_bytes);
	JsonbValue *value = string_member(body, name, required, want);
	bytea *bytes;

	if (value == NULL)
		return NULL;
	bytes = palloc(VARHDRSZ + size_bytes);
	SET_VARSIZE(bytes, VARHDRSZ + size_bytes);
	if (gs_base64url_decode(value->val.string.val, value->val.string.len, (uint8_t *)VARDATA(bytes), size_bytes) !=
		size_bytes)
		refuse(name, want);
	return bytes;
}

Jsonb *gs_body_object(Jsonb *body, const char *name, bool required)
{
	JsonbValue *value = member(body, name, required);

	if (value == NULL)
		return NULL;
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		refuse(name, "a JSON object");
	return JsonbValueToJsonb(value);
}

/* The list's container after checking its length; NULL when absent. */
static JsonbContainer *list_member(Jsonb *body, const char *name, bool required, int most, int *count)
{
	JsonbValue *value = member(body, name, required);

	*count = 0;
	if (value == NULL)
		return NULL;
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) > (uint32)most)
		refuse(name, psprintf("a list of at most %d", most));
	*count = JsonContainerSize(value->val.binary.data);
	return value->val.binary.data;
}

char **gs_body_texts(Jsonb *body, const char *name, bool required, int most, int *count)
{
	JsonbContainer *list = list_member(body, name, required, most, count);
	char **texts;

	if (list == NULL)
		return NULL;
	texts = palloc(sizeof(*texts) * (*count + 1));
	for (int i = 0; i < *count; i++) {
		JsonbValue *item = getIthJsonbValueFromContainer(list, i);

		if (item->type != jbvString)
			refuse(name, "a list of strings");
		texts[i] = pnstrdup(item->val.string.val, item->val.string.len);
	}
	texts[*count] = NULL;
	return texts;
}

pg_uuid_t *gs_body_uuids(Jsonb *body, const char *name, bool required, int most, int *count)
{
	JsonbContainer *list = list_member(body, name, required, most, count);
	pg_uuid_t *uuids;

	if (list == NULL)
		return NULL;
	uuids = palloc(sizeof(*uuids) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		if (!parse_uuid(getIthJsonbValueFromContainer(list, i), &uuids[i]))
			refuse(name, "a list of ids (lower-case UUIDs)");
	return uuids;
}
