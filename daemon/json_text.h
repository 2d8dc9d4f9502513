/* SPDX-License-Identifier: PostgreSQL */
/*
 * JSON from a text, with the difference that matters between a text that is none and one for which there was no memory:
 * what is damaged is put aside, refused or removed, what could not be read is not. Safe in any thread.
 */
#ifndef GS_JSON_TEXT_H
#define GS_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/* Owned by the caller. NULL: *error is -EBADMSG or -ENOMEM; else it is 0. `error` NULL: both are the same to the
 * caller. */
__attribute__((warn_unused_result)) json_t *gs_json_text_read(const char *text, size_t size, int *error);

/* Where Jansson's memory comes from: malloc, except in a test that refuses some. */
extern void *(*gs_json_text_malloc)(size_t size);

#endif
