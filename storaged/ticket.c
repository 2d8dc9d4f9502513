/* SPDX-License-Identifier: PostgreSQL */
/*
 * Verifies tickets; see ticket.h. The signature is checked, in constant time, before a claim is parsed. Two servers may
 * by accident or malice announce the same kid: each key with it is tried, and the issuer named in the claims must be
 * the one whose key fitted.
 */
#include "storaged/ticket.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "daemon/json_text.h"

typedef struct TokenParts {
	const char *header, *claims, *signature;
	size_t header_size, claims_size, signature_size, signed_size;
} TokenParts;

static bool key_equal(const GsTicketKey *a, const GsTicketKey *b)
{
	return gs_uuid_equal(&a->server, &b->server) && gs_uuid_equal(&a->device, &b->device) && a->clock == b->clock &&
		   strcmp(a->kid, b->kid) == 0 && CRYPTO_memcmp(a->key, b->key, GS_TICKET_KEY_BYTES) == 0;
}

/* Each report brings the keys again, hardly ever others. */
static bool is_the_same(const GsTicketKeys *keys, const GsUuid *server, const GsTicketKey *fresh, size_t count)
{
	size_t same = 0;

	for (size_t i = 0; i < keys->count; i++) {
		if (!gs_uuid_equal(&keys->keys[i].server, server))
			continue;
		if (same == count || !key_equal(&keys->keys[i], &fresh[same]))
			return false;
		same++;
	}
	return same == count;
}

bool gs_ticket_keys_replace(GsTicketKeys *keys, const GsUuid *server, const GsTicketKey *fresh, size_t count)
{
	size_t kept = 0;

	if (is_the_same(keys, server, fresh, count))
		return true;
	keys->generation++;
	for (size_t i = 0; i < keys->count; i++)
		if (!gs_uuid_equal(&keys->keys[i].server, server))
			keys->keys[kept++] = keys->keys[i];
	keys->count = kept;
	for (size_t i = 0; i < count; i++) {
		if (keys->count == GS_TICKET_KEYS_MAX)
			return false;
		keys->keys[keys->count++] = fresh[i];
	}
	return true;
}

unsigned gs_ticket_method(const char *method)
{
	static const struct {
		const char *name;
		unsigned bit;
	} methods[] = {{"GET", GS_METHOD_GET},
				   {"HEAD", GS_METHOD_HEAD},
				   {"PUT", GS_METHOD_PUT},
				   {"PATCH", GS_METHOD_PATCH},
				   {"DELETE", GS_METHOD_DELETE}};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(method, methods[i].name) == 0)
			return methods[i].bit;
	return 0;
}

static bool split_token(const char *token, TokenParts *parts)
{
	size_t size = strnlen(token, GS_TICKET_MAX_BYTES + 1);
	const char *first, *second;

	if (size > GS_TICKET_MAX_BYTES)
		return false;
	first = strchr(token, '.');
	second = first != NULL ? strchr(first + 1, '.') : NULL;
	if (second == NULL)
		return false;
	parts->header = token;
	parts->header_size = (size_t)(first - token);
	parts->claims = first + 1;
	parts->claims_size = (size_t)(second - first - 1);
	parts->signature = second + 1;
	parts->signature_size = size - (size_t)(second + 1 - token);
	parts->signed_size = (size_t)(second - token);
	return true;
}

/* The JSON object behind one part, owned by the caller; NULL when it is none, and why. */
static json_t *decode_json(const char *text, size_t size, GsTicketError *why)
{
	uint8_t bytes[GS_TICKET_MAX_BYTES];
	ssize_t count = gs_base64url_decode(text, size, bytes, sizeof(bytes));
	json_t *value;
	int error;

	*why = GS_TICKET_MALFORMED;
	if (count <= 0)
		return NULL;
	value = gs_json_text_read((const char *)bytes, (size_t)count, &error);
	if (error == -ENOMEM)
		*why = GS_TICKET_NO_MEMORY;
	if (value != NULL && !json_is_object(value)) {
		json_decref(value);
		return NULL;
	}
	return value;
}

/* Exactly {alg, kid, typ}: an extension such as "crit" must be understood or refused (RFC 7515 section 4.1.11). */
static GsTicketError read_header(const TokenParts *parts, char kid[GS_TICKET_KID_MAX + 1])
{
	GsTicketError why;
	json_t *header = decode_json(parts->header, parts->header_size, &why);
	const char *alg = json_string_value(json_object_get(header, "alg"));
	const char *typ = json_string_value(json_object_get(header, "typ"));
	const char *named = json_string_value(json_object_get(header, "kid"));
	bool good = json_object_size(header) == 3 && alg != NULL && strcmp(alg, "HS256") == 0 && typ != NULL &&
				strcmp(typ, "gs-ticket") == 0 && named != NULL && strlen(named) <= GS_TICKET_KID_MAX;

	if (good)
		strcpy(kid, named);
	json_decref(header);
	return good ? GS_TICKET_OK : why;
}

static bool read_uuid(const json_t *claims, const char *name, GsUuid *uuid)
{
	return gs_uuid_parse(json_string_value(json_object_get(claims, name)), uuid);
}

static bool read_methods(const json_t *claims, unsigned *methods)
{
	const json_t *list = json_object_get(claims, "met");

	*methods = 0;
	if (json_array_size(list) == 0) /* 0 also for what is no list */
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (name == NULL)
			return false;
		*methods |= gs_ticket_method(name);
	}
	return true;
}

static bool read_optional(const json_t *claims, GsTicket *ticket)
{
	const json_t *sha256 = json_object_get(claims, "sha256");
	const json_t *name = json_object_get(claims, "name");
	const json_t *until = json_object_get(claims, "until"), *rate = json_object_get(claims, "rate");

	ticket->has_sha256 = sha256 != NULL;
	if (sha256 != NULL && !gs_hex_decode(json_string_value(sha256), ticket->sha256, GS_SHA256_BYTES))
		return false;
	if (name != NULL && (!json_is_string(name) || json_string_length(name) > GS_TICKET_NAME_MAX))
		return false;
	if (until != NULL && !json_is_integer(until))
		return false;
	if (rate != NULL && (json_integer_value(rate) <= 0 || json_integer_value(rate) > GS_SIZE_MAX))
		return false; /* 0 also for what is no integer */
	ticket->rate_bytes = json_integer_value(rate);
	strcpy(ticket->name, name != NULL ? json_string_value(name) : "");
	ticket->until_s = until != NULL ? json_integer_value(until) : 0;
	return true;
}

static GsTicketError judge(const GsTicket *ticket, int64_t now_s)
{
	if (ticket->expires_s < now_s - GS_TICKET_LEEWAY_S)
		return GS_TICKET_EXPIRED;
	return ticket->issued_s > now_s + GS_TICKET_LEEWAY_S ? GS_TICKET_EARLY : GS_TICKET_OK;
}

GsTicketError gs_ticket_judge(const GsTicketKeys *keys, const GsTicket *ticket, int64_t boot_us)
{
	for (size_t i = 0; i < keys->count; i++)
		if (gs_uuid_equal(&keys->keys[i].server, &ticket->server))
			return judge(ticket, gs_clock_s(keys->keys[i].clock, boot_us));
	return GS_TICKET_UNKNOWN_ISSUER;
}

static GsTicketError read_claims(const json_t *claims, const GsTicketKey *key, int64_t boot_us, GsTicket *ticket)
{
	const json_t *size = json_object_get(claims, "size");
	const json_t *issued = json_object_get(claims, "iat"), *expires = json_object_get(claims, "exp");
	GsTicketError error;
	GsUuid device, id;

	if (!read_uuid(claims, "iss", &ticket->server) || !read_uuid(claims, "aud", &device) ||
		!read_uuid(claims, "obj", &ticket->object) || !read_uuid(claims, "sub", &ticket->terminal) ||
		!read_uuid(claims, "jti", &id) || !read_methods(claims, &ticket->methods) || !json_is_integer(size) ||
		!json_is_integer(issued) || !json_is_integer(expires) || !read_optional(claims, ticket))
		return GS_TICKET_MALFORMED;
	ticket->size_bytes = json_integer_value(size);
	ticket->issued_s = json_integer_value(issued);
	ticket->expires_s = json_integer_value(expires);
	if (ticket->until_s < ticket->expires_s)
		ticket->until_s = ticket->expires_s;
	if (ticket->size_bytes < 0 || ticket->size_bytes > GS_SIZE_MAX)
		return GS_TICKET_MALFORMED;
	if (!gs_uuid_equal(&ticket->server, &key->server))
		return GS_TICKET_BAD_SIGNATURE;
	error = judge(ticket, gs_clock_s(key->clock, boot_us));
	if (error != GS_TICKET_OK)
		return error;
	if (!gs_uuid_equal(&device, &key->device))
		return GS_TICKET_OTHER_DEVICE;
	return GS_TICKET_OK;
}

/* The key that signed the token; NULL when there is none, and why. */
static const GsTicketKey *find_key(const GsTicketKeys *keys, const TokenParts *parts, const char *kid,
								   GsTicketError *why)
{
	uint8_t given[EVP_MAX_MD_SIZE], wanted[EVP_MAX_MD_SIZE];
	ssize_t given_size = gs_base64url_decode(parts->signature, parts->signature_size, given, sizeof(given));

	*why = GS_TICKET_UNKNOWN_KEY;
	for (size_t i = 0; i < keys->count; i++) {
		const GsTicketKey *key = &keys->keys[i];
		unsigned wanted_size = 0;

		if (strcmp(key->kid, kid) != 0)
			continue;
		*why = GS_TICKET_BAD_SIGNATURE;
		if (HMAC(EVP_sha256(), key->key, GS_TICKET_KEY_BYTES, (const unsigned char *)parts->header, parts->signed_size,
				 wanted, &wanted_size) == NULL) {
			*why = GS_TICKET_NO_MEMORY;
			return NULL;
		}
		if (given_size == (ssize_t)wanted_size && CRYPTO_memcmp(given, wanted, wanted_size) == 0)
			return key;
	}
	return NULL;
}

/* Of a ticket that no key has signed: nothing in it is believed, but where there are no keys there is no forgery yet.
 */
static GsTicketError doubt(const GsTicketKeys *keys, const TokenParts *parts)
{
	GsTicketError error;
	json_t *claims = decode_json(parts->claims, parts->claims_size, &error);
	GsUuid server;

	if (claims == NULL)
		return error;
	error = read_uuid(claims, "iss", &server) ? GS_TICKET_UNKNOWN_ISSUER : GS_TICKET_MALFORMED;
	json_decref(claims);
	for (size_t i = 0; error == GS_TICKET_UNKNOWN_ISSUER && i < keys->count; i++)
		if (gs_uuid_equal(&keys->keys[i].server, &server))
			error = GS_TICKET_UNKNOWN_KEY;
	return error;
}

GsTicketError gs_ticket_verify(const GsTicketKeys *keys, const char *token, int64_t boot_us, GsTicket *ticket)
{
	TokenParts parts;
	char kid[GS_TICKET_KID_MAX + 1];
	const GsTicketKey *key;
	GsTicket read = {0};
	GsTicketError error;
	json_t *claims;

	if (!split_token(token, &parts))
		return GS_TICKET_MALFORMED;
	error = read_header(&parts, kid);
	if (error != GS_TICKET_OK)
		return error;
	key = find_key(keys, &parts, kid, &error);
	if (key == NULL)
		return error == GS_TICKET_UNKNOWN_KEY ? doubt(keys, &parts) : error;
	claims = decode_json(parts.claims, parts.claims_size, &error);
	if (claims == NULL)
		return error;
	error = read_claims(claims, key, boot_us, &read);
	json_decref(claims);
	if (error == GS_TICKET_OK)
		*ticket = read;
	return error;
}
