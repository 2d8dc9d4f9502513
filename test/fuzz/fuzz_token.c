/* SPDX-License-Identifier: PostgreSQL */
/* objects: extension/ticket.o extension/base64url.o */
/* libs: jansson libcrypto */
/* The extension's tokens: nothing that was not issued is verified. */
#include "extension/base64url.h"
#include "extension/ticket.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const uint8_t key[GS_TOKEN_KEY_BYTES] = {1};
	char *token = fuzz_text(bytes, size), kid[64];
	json_t *claims = NULL;
	uint8_t decoded[64];
	long count = gs_base64url_decode(token, strlen(token), decoded, sizeof(decoded));

	if (gs_token_peek(token, "gs-session", kid, sizeof(kid), &claims) == GS_TOKEN_OK) {
		FUZZ_CHECK(strlen(kid) < sizeof(kid));
		json_decref(claims);
	}
	FUZZ_CHECK(gs_token_verify(token, "gs-session", key, 0) != GS_TOKEN_OK);
	if (count >= 0) {
		char again[GS_BASE64URL_TEXT_SIZE(sizeof(decoded)) + 1];

		FUZZ_CHECK(gs_base64url_encode(decoded, (size_t)count, again) == strlen(token) && strcmp(again, token) == 0);
	}
	free(token);
	return 0;
}
