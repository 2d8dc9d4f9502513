/* SPDX-License-Identifier: PostgreSQL */
/*
 * base64url without padding (RFC 4648 section 5), strict: one text for each byte string and back. Pure C.
 */
#ifndef GS_BASE64URL_H
#define GS_BASE64URL_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that the text of `size` bytes takes, without a terminating zero. */
#define GS_BASE64URL_TEXT_SIZE(size) (((size)*4 + 2) / 3)

/* Writes GS_BASE64URL_TEXT_SIZE(size) characters and a zero to `text`; returns their number. */
size_t gs_base64url_encode(const uint8_t *bytes, size_t size, char *text);

/*
 * Decodes `length` characters. `room` is the size of `bytes`. Returns the number of bytes, or -1 for a character
 * outside the alphabet, padding, an impossible length, unused bits that are not zero, or too little room.
 */
__attribute__((warn_unused_result)) long gs_base64url_decode(const char *text, size_t length, uint8_t *bytes,
															 size_t room);

#endif
