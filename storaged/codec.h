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
#define GS_SIZE_MAX_TEXT "9007199254740991"
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

#endif
