/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/ticket.o storaged/clock.o storaged/codec.o storaged/uuid.o daemon/json_text.o */
/* libs: jansson libcrypto */
/*
 * Tickets, and their claims behind a signature that is right: the first byte chooses. What passes has the bounds that
 * its users rely on.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "storaged/ticket.h"
#include "test/fuzz/fuzz.h"

static const char iss[] = "0a1b2c3d-4e5f-4172-8a3b-4c5d6e7f8091";
static const char aud[] = "1a1b2c3d-4e5f-4172-8a3b-4c5d6e7f8091";

static size_t encode(const uint8_t *bytes, size_t size, char *text)
{
	size_t length = (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)size);

	while (length > 0 && text[length - 1] == '=')
		length--;
	for (size_t i = 0; i < length; i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	text[length] = '\0';
	return length;
}

static void sign(const GsTicketKey *key, const uint8_t *claims, size_t size, char *token)
{
	static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"k\",\"typ\":\"gs-ticket\"}";
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned sum_size = 0;
	size_t at = encode((const uint8_t *)header, sizeof(header) - 1, token);

	token[at++] = '.';
	at += encode(claims, size, token + at);
	HMAC(EVP_sha256(), key->key, GS_TICKET_KEY_BYTES, (unsigned char *)token, at, sum, &sum_size);
	token[at++] = '.';
	encode(sum, sum_size, token + at);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const GsClock clock = {.known = true};
	GsTicketKeys keys = {.count = 1, .keys = {{.clock = &clock}}};
	GsTicket ticket = {0};
	char *token;

	if (size < 1 || size > GS_TICKET_MAX_BYTES)
		return 0;
	strcpy(keys.keys[0].kid, "k");
	FUZZ_CHECK(gs_uuid_parse(iss, &keys.keys[0].server) && gs_uuid_parse(aud, &keys.keys[0].device));
	if (bytes[0] == '!') {
		token = fuzz_text(bytes + 1, size - 1);
	} else {
		char *built = malloc(size * 2 + 256);

		FUZZ_CHECK(built != NULL);
		sign(&keys.keys[0], bytes, size, built);
		token = fuzz_text((uint8_t *)built, strlen(built));
		free(built);
	}
	if (gs_ticket_verify(&keys, token, INT64_C(1000000000000), &ticket) == GS_TICKET_OK)
		FUZZ_CHECK(ticket.size_bytes >= 0 && ticket.size_bytes <= GS_SIZE_MAX &&
				   strlen(ticket.name) <= GS_TICKET_NAME_MAX && ticket.expires_s >= 1000000 - GS_TICKET_LEEWAY_S &&
				   ticket.until_s >= ticket.expires_s);
	free(token);
	return 0;
}
