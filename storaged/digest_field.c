/* SPDX-License-Identifier: PostgreSQL */
/* The digest fields; see digest_field.h. */
#include "storaged/digest_field.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "storaged/structured.h"

void gs_digest_field_format(const uint8_t sha256[GS_SHA256_BYTES], char *out, size_t out_size)
{
	unsigned char base64[GS_SHA256_BASE64 + 1];

	EVP_EncodeBlock(base64, sha256, GS_SHA256_BYTES);
	snprintf(out, out_size, "sha-256=:%s:", (const char *)base64);
}

static bool decode(const GsItem *item, uint8_t sha256[GS_SHA256_BYTES])
{
	char base64[GS_SHA256_BASE64 + 1];

	if (item->type != GS_ITEM_BYTES || item->size > GS_SHA256_BASE64)
		return false;
	/* RFC 9651 section 4.2.7: a sender may leave the padding away. */
	snprintf(base64, sizeof(base64), "%.*s%s", (int)item->size, item->bytes,
			 item->size == GS_SHA256_BASE64 - 1 ? "=" : "");
	return gs_base64_decode(base64, sha256, GS_SHA256_BYTES) == GS_SHA256_BYTES;
}

GsDigestField gs_digest_field_parse(const char *field, uint8_t sha256[GS_SHA256_BYTES])
{
	GsItem item;

	switch (gs_structured_member(field, "sha-256", &item)) {
	case GS_STRUCTURED_NONE:
		return GS_DIGEST_FIELD_NONE;
	case GS_STRUCTURED_MALFORMED:
		return GS_DIGEST_FIELD_MALFORMED;
	case GS_STRUCTURED_FOUND:
		break;
	}
	return decode(&item, sha256) ? GS_DIGEST_FIELD_FOUND : GS_DIGEST_FIELD_MALFORMED;
}
