/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signed tokens: JWS compact serialization (RFC 7515) with HS256 and nothing else, doc/contracts.md section 2.
 * Sessions, challenges and tickets differ by `typ`, which is under the signature, so that none passes for another. A
 * token that this file did not write bit by bit (other base64 spelling, further header members, members twice) is
 * malformed.
 */
#include "ticket.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base64url.h"

#define MAC_BYTES 32
#define HEADER_MEMBERS 3

/* The three parts of a compact token, as spans of its text. */
typedef struct Parts {
	const char *header;
	size_t header_size;
	const char *claims;
	size_t claims_size;
	const char *mac;
	size_t mac_size;
} Parts;

static bool split_token(const char *token, Parts *parts)
{
	const char *first, *second;

	if (strnlen(token, GS_TOKEN_MAX_BYTES + 1) > GS_TOKEN_MAX_BYTES)
		return false;
	first = strchr(token, '.');
	second = first == NULL ? NULL : strchr(first + 1, '.');
	if (second == NULL)
		return false;
	parts->header = token;
	parts->header_size = (size_t)(first - token);
	parts->claims = first + 1;
	parts->claims_size = (size_t)(second - first) - 1;
	parts->mac = second + 1;
	parts->mac_size = strlen(parts->mac);
	return true;
}

static json_t *decode_object(const char *text, size_t size)
{
	uint8_t bytes[GS_TOKEN_MAX_BYTES];
	long length = gs_base64url_decode(text, size, bytes, sizeof(bytes));
	json_t *value;

	if (length < 0)
		return NULL;
	value = json_loadb((const char *)bytes, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
	if (value != NULL && !json_is_object(value)) {
		json_decref(value);
		value = NULL;
	}
	return value;
}

/* The header must be the one that we write. Copies the kid when asked to. */
static int check_header(const Parts *parts, const char *typ, char *kid, size_t kid_size)
{
	json_t *header = decode_object(parts->header, parts->header_size);
	const char *alg = json_string_value(json_object_get(header, "alg"));
	const char *name = json_string_value(json_object_get(header, "kid"));
	const char *kind = json_string_value(json_object_get(header, "typ"));
	int result = GS_TOKEN_OK;

	if (alg == NULL || strcmp(alg, "HS256") != 0 || name == NULL || kind == NULL ||
		json_object_size(header) != HEADER_MEMBERS || (kid != NULL && strlen(name) >= kid_size))
		result = GS_TOKEN_MALFORMED;
	else if (strcmp(kind, typ) != 0)
		result = GS_TOKEN_WRONG_TYPE;
	else if (kid != NULL)
		memcpy(kid, name, strlen(name) + 1);
	json_decref(header);
	return result;
}

/* Kept: finding the algorithms takes as long as using them. NULL without memory. */
static EVP_MAC_CTX *hmac_sha256(void)
{
	static EVP_MAC_CTX *context = NULL;
	char digest[] = "SHA256";
	const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
									 OSSL_PARAM_construct_end()};
	EVP_MAC *algorithm;

	if (context != NULL)
		return context;
	algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
	context = algorithm == NULL ? NULL : EVP_MAC_CTX_new(algorithm);
	EVP_MAC_free(algorithm);
	if (context != NULL && EVP_MAC_CTX_set_params(context, parameters) != 1) {
		EVP_MAC_CTX_free(context);
		context = NULL;
	}
	return context;
}

static int sign(const uint8_t key[GS_TOKEN_KEY_BYTES], const char *text, size_t size, uint8_t mac[MAC_BYTES])
{
	EVP_MAC_CTX *context = hmac_sha256();
	size_t length = 0;

	if (context == NULL || EVP_MAC_init(context, key, GS_TOKEN_KEY_BYTES, NULL) != 1 ||
		EVP_MAC_update(context, (const unsigned char *)text, size) != 1 ||
		EVP_MAC_final(context, mac, &length, MAC_BYTES) != 1 || length != MAC_BYTES)
		return GS_TOKEN_NO_MEMORY;
	return GS_TOKEN_OK;
}

/* Appends the base64url of the JSON text to `out`, which has room for a whole token. False when it does not fit. */
static bool append_json(json_t *value, char *out, size_t *size)
{
	char text[GS_TOKEN_MAX_BYTES];
	size_t length = json_dumpb(value, text, sizeof(text), JSON_COMPACT);
	bool fits = length > 0 && length <= sizeof(text) && *size + GS_BASE64URL_TEXT_SIZE(length) <= GS_TOKEN_MAX_BYTES;

	if (fits)
		*size += gs_base64url_encode((const uint8_t *)text, length, out + *size);
	return fits;
}

int gs_token_issue(const char *typ, const char *kid, const uint8_t key[GS_TOKEN_KEY_BYTES], json_t *claims,
				   char **token)
{
	json_t *header = json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", kid, "typ", typ);
	char *out = malloc(GS_TOKEN_MAX_BYTES + 1);
	uint8_t mac[MAC_BYTES];
	size_t size = 0;
	int result = GS_TOKEN_NO_MEMORY;

	*token = NULL;
	if (header == NULL || out == NULL)
		goto finish;
	result = GS_TOKEN_MALFORMED;
	if (!append_json(header, out, &size) || size == GS_TOKEN_MAX_BYTES)
		goto finish;
	out[size++] = '.';
	if (!append_json(claims, out, &size) || size + 1 + GS_BASE64URL_TEXT_SIZE(MAC_BYTES) > GS_TOKEN_MAX_BYTES)
		goto finish;
	result = sign(key, out, size, mac);
	if (result != GS_TOKEN_OK)
		goto finish;
	out[size++] = '.';
	(void)gs_base64url_encode(mac, MAC_BYTES, out + size);
	*token = out;
	out = NULL;
finish:
	free(out);
	json_decref(header);
	return result;
}

int gs_token_peek(const char *token, const char *typ, char *kid, size_t kid_size, json_t **claims)
{
	Parts parts;
	int result;

	*claims = NULL;
	if (!split_token(token, &parts))
		return GS_TOKEN_MALFORMED;
	result = check_header(&parts, typ, kid, kid_size);
	if (result != GS_TOKEN_OK)
		return result;
	*claims = decode_object(parts.claims, parts.claims_size);
	return *claims == NULL ? GS_TOKEN_MALFORMED : GS_TOKEN_OK;
}

static int check_expiry(const Parts *parts, int64_t now_s)
{
	json_t *claims = decode_object(parts->claims, parts->claims_size);
	json_t *exp = json_object_get(claims, "exp");
	int result = GS_TOKEN_OK;

	if (!json_is_integer(exp))
		result = GS_TOKEN_MALFORMED;
	else if (now_s > json_integer_value(exp))
		result = GS_TOKEN_EXPIRED;
	json_decref(claims);
	return result;
}

int gs_token_verify(const char *token, const char *typ, const uint8_t key[GS_TOKEN_KEY_BYTES], int64_t now_s)
{
	Parts parts;
	uint8_t want[MAC_BYTES], have[MAC_BYTES];
	int result;

	if (!split_token(token, &parts))
		return GS_TOKEN_MALFORMED;
	result = check_header(&parts, typ, NULL, 0);
	if (result != GS_TOKEN_OK)
		return result;
	if (gs_base64url_decode(parts.mac, parts.mac_size, have, sizeof(have)) != MAC_BYTES)
		return GS_TOKEN_BAD_SIGNATURE;
	result = sign(key, token, (size_t)(parts.mac - token) - 1, want);
	if (result != GS_TOKEN_OK)
		return result;
	if (CRYPTO_memcmp(want, have, MAC_BYTES) != 0)
		return GS_TOKEN_BAD_SIGNATURE;
	return check_expiry(&parts, now_s);
}
