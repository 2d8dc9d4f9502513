/* SPDX-License-Identifier: PostgreSQL */
/* /v1/objects/{object} as a resumable upload: PATCH, HEAD (also of downloads), OPTIONS, and the POST of tus. */
#ifndef GS_PATCH_H
#define GS_PATCH_H

#include "daemon/stream.h"

/* What a PATCH may carry, as Accept-Patch lists it (RFC 5789). */
#define GS_PATCH_TYPES "application/partial-upload, application/offset+octet-stream"

extern const GsHandler gs_patch_handler, gs_post_handler, gs_head_handler, gs_options_handler;

#endif
