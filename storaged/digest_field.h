/* SPDX-License-Identifier: PostgreSQL */
/* The digest fields of RFC 9530, Repr-Digest and Content-Digest: of their algorithms, SHA-256. Pure. */
#ifndef GS_DIGEST_FIELD_H
#define GS_DIGEST_FIELD_H

#include "storaged/codec.h"

/* "sha-256=:<base64 with padding>:" */
void gs_digest_field_format(const uint8_t sha256[GS_SHA256_BYTES], char *out, size_t out_size);

typedef enum GsDigestField {
	GS_DIGEST_FIELD_NONE = 0,      /* no field, or no sha-256 in it (another algorithm only): nothing to check */
	GS_DIGEST_FIELD_FOUND = 1,     /* sha256 is filled */
	GS_DIGEST_FIELD_MALFORMED = -1 /* no dictionary, or a sha-256 member that is not one */
} GsDigestField;

/* `field` NULL: the request has none. */
__attribute__((warn_unused_result)) GsDigestField gs_digest_field_parse(const char *field,
																		uint8_t sha256[GS_SHA256_BYTES]);

#endif
