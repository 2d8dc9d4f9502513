/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a device knows of an object it holds, as the JSON file beside the data: {object, server, size, sha256,
 * stored_at, and if known terminal (who shared it), name}. A disk so describes itself: it can be read without any
 * control server, and tells whose an object is that no row names any more. Pure.
 */
#ifndef GS_SIDECAR_H
#define GS_SIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storaged/codec.h"
#include "storaged/uuid.h"

#define GS_SIDECAR_MAX_BYTES 1024
#define GS_TIME_TEXT 32
#define GS_ORIGIN_NAME_MAX 255

typedef struct GsSidecar {
	GsUuid object;
	GsUuid server; /* the control server that the object belongs to */
	uint64_t size_bytes;
	uint8_t sha256[GS_SHA256_BYTES];
	char stored_at[GS_TIME_TEXT]; /* RFC 3339, UTC */
} GsSidecar;

/* Whose it is and what it was called: for people, the daemon does nothing with it. */
typedef struct GsOrigin {
	GsUuid terminal;                   /* its text is "" when unknown */
	char name[GS_ORIGIN_NAME_MAX + 1]; /* "" when unknown */
} GsOrigin;

/* The text's size, NUL not counted; 0 when out of memory. */
__attribute__((warn_unused_result)) size_t gs_sidecar_encode(const GsSidecar *sidecar, const GsOrigin *origin,
															 char text[GS_SIDECAR_MAX_BYTES]);
/* Does this -errno of reading a sidecar say that it is damaged, not that there is none or no descriptor for it? */
bool gs_sidecar_unreadable(int error);
/* 0, -ENOMEM, or -EBADMSG: a member is missing or malformed. */
__attribute__((warn_unused_result)) int gs_sidecar_decode(const char *text, size_t size, GsSidecar *sidecar);
/* The same; whose it is, as far as it says so. */
__attribute__((warn_unused_result)) int gs_sidecar_decode_origin(const char *text, size_t size, GsSidecar *sidecar,
																 GsOrigin *origin);

#endif
