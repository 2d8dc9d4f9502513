/* SPDX-License-Identifier: PostgreSQL */
/*
 * What may be called what: terminal identifiers, group and share names (doc/contracts.md section 1).
 */
#ifndef GS_NAMES_H
#define GS_NAMES_H

#include "postgres.h"

#define GS_NAME_MAX_BYTES 255
#define GS_IDENTIFIER_MAX_BYTES 254
#define GS_DESCRIPTION_MAX_BYTES 2000

/* The identifier as it is kept (e-mail lower-cased), palloc'd; NULL when it is neither a phone number nor an address.
 */
char *gs_name_identifier(const char *text, size_t size);

/* A name for people: NFC, 1..255 bytes, nothing that can't be seen or that turns the text around. */
bool gs_name_valid(const char *text, size_t size);

/* Lines of the same, 0..2000 bytes. */
bool gs_name_description_valid(const char *text, size_t size);

/* In addition no slash, and neither "." nor "..". */
bool gs_name_share_valid(const char *text, size_t size);

#endif
