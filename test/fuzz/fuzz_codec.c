/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/codec.o storaged/uuid.o storaged/sidecar.o storaged/disposition.o daemon/json_text.o */
/* objects: storaged/digest_field.o storaged/structured.o */
/* libs: jansson libcrypto */
/* Encodings, sidecars, names in Content-Disposition. What decodes is encoded to something that decodes to the same. */
#include "storaged/codec.h"
#include "storaged/digest_field.h"
#include "storaged/disposition.h"
#include "storaged/sidecar.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text = fuzz_text(bytes, size), out[GS_DISPOSITION_MAX], encoded[GS_SIDECAR_MAX_BYTES];
	uint8_t decoded[64], sha256[GS_SHA256_BYTES];
	static const GsOrigin nobody;
	GsSidecar sidecar, again;
	GsUuid uuid;

	(void)!gs_hex_decode(text, decoded, 16);
	(void)!gs_base64_decode(text, decoded, sizeof(decoded));
	(void)!gs_base64url_decode(text, strlen(text), decoded, sizeof(decoded));
	(void)!gs_uuid_parse(text, &uuid);
	if (gs_digest_field_parse(text, sha256) == GS_DIGEST_FIELD_FOUND) {
		gs_digest_field_format(sha256, out, sizeof(out));
		FUZZ_CHECK(gs_digest_field_parse(out, decoded) == GS_DIGEST_FIELD_FOUND &&
				   memcmp(decoded, sha256, sizeof(sha256)) == 0);
	}
	if (size < 256) {
		gs_disposition_format(text, out);
		FUZZ_CHECK(strpbrk(out, "\r\n") == NULL);
	}
	if (gs_sidecar_decode(text, size, &sidecar) == 0) {
		size_t length = gs_sidecar_encode(&sidecar, &nobody, encoded);

		if (length > 0)
			FUZZ_CHECK(gs_sidecar_decode(encoded, length, &again) == 0 && again.size_bytes == sidecar.size_bytes &&
					   gs_uuid_equal(&again.object, &sidecar.object));
	}
	free(text);
	return 0;
}
