/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reading what a request says: members of a jsonb object, typed, bounded, unknown ones refused. All raise GS010
 * (invalid_parameter, the member named in the message) or GS011 (unknown_member, the known ones in the hint).
 */
#ifndef GS_BODY_H
#define GS_BODY_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* Refuses NULL where `required`, a non-object, and any member that is not in `known` (NULL-terminated list). */
void gs_body_check(Jsonb *body, bool required, const char *const *known);

/* Each returns false / NULL when the member is absent or JSON null and not `required`. */
char *gs_body_text(Jsonb *body, const char *name, bool required);       /* any string without NUL */
bool gs_body_is_text(Jsonb *body, const char *name, const char *text);  /* is it exactly this string? Never raises. */
char *gs_body_identifier(Jsonb *body, const char *name, bool required); /* normalised */
char *gs_body_group_name(Jsonb *body, const char *name, bool required);
char *gs_body_share_name(Jsonb *body, const char *name, bool required);
pg_uuid_t *gs_body_uuid(Jsonb *body, const char *name, bool required);
bool gs_body_int64(Jsonb *body, const char *name, bool required, int64 min, int64 max, int64 *out);
/* The same of a parameter, where a number is a string of digits. */
bool gs_body_digits(Jsonb *params, const char *name, bool required, int64 min, int64 max, int64 *out);
bool gs_body_bool(Jsonb *body, const char *name, bool required, bool *out);
bytea *gs_body_sha256(Jsonb *body, const char *name, bool required);                    /* 64 hex digits -> 32 bytes */
bytea *gs_body_base64url(Jsonb *body, const char *name, bool required, int size_bytes); /* exact decoded size */
Jsonb *gs_body_object(Jsonb *body, const char *name, bool required);
/* A list of at most `most` strings / UUIDs; *count is set; NULL when absent. Duplicates are kept. */
char **gs_body_texts(Jsonb *body, const char *name, bool required, int most, int *count);
pg_uuid_t *gs_body_uuids(Jsonb *body, const char *name, bool required, int most, int *count);

#endif
