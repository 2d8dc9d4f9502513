/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a name is searched by.
 */
#ifndef GS_NAME_KEY_H
#define GS_NAME_KEY_H

#include "postgres.h"

/* Longer keys are cut: an index entry has no room for more. A name of 255 bytes can grow to a multiple. */
#define GS_NAME_KEY_MAX_BYTES 1000

/* The key of a name, or of a part of one, in palloc'd memory. */
char *gs_name_key(const char *name, size_t size);

#endif
