/* SPDX-License-Identifier: PostgreSQL */
/* How bytes travel in text: base64url, base64, hex, percent-encoding; and the form of a UUID. Pure functions. */
#ifndef GS_CLIENT_ENCODE_H
#define GS_CLIENT_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_SHA256_BYTES 32
#define GS_SHA256_HEX 65 /* 64 digits and NUL */

/* Bytes of text, NUL included, that `n` bytes need in base64 (padded or not). */
#define GS_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* RFC 4648 section 5 without padding / section 4 with padding. `to` has GS_BASE64_SIZE(n) bytes. */
void gs_base64url_encode(char *to, const uint8_t *from, size_t n);
void gs_base64_encode(char *to, const uint8_t *from, size_t n);

/* Lower case; `to` has 2n + 1 bytes. */
void gs_hex_encode(char *to, const uint8_t *from, size_t n);

/* 64 lower-case digits -> 32 bytes; false when `text` is anything else (NULL included). */
bool gs_sha256_decode(uint8_t to[GS_SHA256_BYTES], const char *text);

/* RFC 3339, UTC -> seconds since 1970, without their fraction; -1 when `text` is anything else (NULL included). */
int64_t gs_time_decode(const char *text);

/* RFC 3986: everything but unreserved characters as %XX. malloc'd; NULL = no memory. */
char *gs_percent_encode(const char *text);

/* Lower- or upper-case 8-4-4-4-12. */
bool gs_is_uuid(const char *text);

#endif
