/* SPDX-License-Identifier: PostgreSQL */
/* Names from outside, made safe for a directory. Pure functions. */
#ifndef GS_CLIENT_NAME_H
#define GS_CLIENT_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define GS_NAME_MAX_BYTES 255 /* of a share's name, and of a file's on common file systems */

/* Bytes of the UTF-8 character at `text` (1..4), or 0 when it is none (overlong, surrogate, cut, over U+10FFFF). */
size_t gs_utf8_length(const char *text);

/* The code point of a character that gs_utf8_length() accepts. */
unsigned gs_utf8_code(const char *text);

/* Control (C0, DEL, C1) and bidirectional formatting: invisible, or moves what a terminal shows. */
bool gs_is_unprintable(unsigned code);

/*
 * A file name for a share's name: one path component of 1..255 bytes that is no "." or "..", does not begin with a dot
 * (hidden file), a dash (option) or a space, and has no separator, control character or invalid UTF-8. What can't stay
 * becomes "_". `safe` has GS_NAME_MAX_BYTES + 1 bytes.
 */
void gs_name_make_safe(char *safe, const char *name);

/* The last component of a path: what a share is called by default. Points into `path`; "" when there is none. */
const char *gs_name_of_path(const char *path);

#endif
