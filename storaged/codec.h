/* SPDX-License-Identifier: PostgreSQL */
/*
 * Hexadecimal and base64, strict: one text for one value, so that a changed character of a token can't pass as the same
 * token (RFC 4648 section 3.5: unused trailing bits must be zero).
 */
#ifndef GS_CODEC_H
#define GS_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GS_SIZE_MAX ((int64_t)9007199254740991) /* of an object: 2^53 - 1 */
#define GS_SHA256_BYTES 32
#define GS_SHA256_HEX 64
#define GS_SHA256_BASE64 44

/* `hex` gets 2 * size characters and a NUL. */
void gs_hex_encode(const uint8_t *bytes, size_t size, char *hex);
/* Lower-case digits only, exactly 2 * size of them. */
__attribute__((warn_unused_result)) bool gs_hex_decode(const char *hex, uint8_t *bytes, size_t size);

/* base64url without padding; the count of bytes, or -1 when malformed or more than max. */
__attribute__((warn_unused_result)) ssize_t gs_base64url_decode(const char *text, size_t text_size, uint8_t *bytes,
																size_t max);

/* base64 with padding, likewise. */
__attribute__((warn_unused_result)) ssize_t gs_base64_decode(const char *text, uint8_t *bytes, size_t max);

/* The Repr-Digest member of RFC 9530: "sha-256=:<base64 with padding>:". */
void gs_repr_digest_format(const uint8_t sha256[GS_SHA256_BYTES], char *out, size_t out_size);

typedef enum GsReprDigest {
	GS_REPR_DIGEST_NONE = 0,      /* no sha-256 member (another algorithm only): nothing to check */
	GS_REPR_DIGEST_FOUND = 1,     /* sha256 is filled */
	GS_REPR_DIGEST_MALFORMED = -1 /* a sha-256 member that is not one */
} GsReprDigest;

__attribute__((warn_unused_result)) GsReprDigest gs_repr_digest_parse(const char *value,
																	  uint8_t sha256[GS_SHA256_BYTES]);

#endif
