/* SPDX-License-Identifier: PostgreSQL */
/*
 * Building small JSON objects in C: replies, event data, audit details. Large ones are built by SQL.
 */
#ifndef GS_REPLY_H
#define GS_REPLY_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct GsReply {
	JsonbParseState *state;
} GsReply;

/* Start an object; add members (a NULL value is JSON null; texts and UUIDs are borrowed until gs_reply_end), end it. */
void gs_reply_begin(GsReply *reply);
void gs_reply_text(GsReply *reply, const char *name, const char *value);
void gs_reply_uuid(GsReply *reply, const char *name, const pg_uuid_t *value);
void gs_reply_int64(GsReply *reply, const char *name, int64 value);
void gs_reply_bool(GsReply *reply, const char *name, bool value);
void gs_reply_time(GsReply *reply, const char *name, TimestampTz value);
void gs_reply_jsonb(GsReply *reply, const char *name, Jsonb *value);
void gs_reply_list(GsReply *reply, const char *name, Jsonb *const *values, int count);
Jsonb *gs_reply_end(GsReply *reply);

/* Lower-case text of a UUID / RFC 3339 in UTC, palloc'd. */
char *gs_reply_uuid_text(const pg_uuid_t *value);
char *gs_reply_time_text(TimestampTz value);

#endif
