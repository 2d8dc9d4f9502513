/* SPDX-License-Identifier: PostgreSQL */
/* /v1/objects/{object} as a resumable upload: PATCH, HEAD (also of downloads), OPTIONS. */
#ifndef GS_PATCH_H
#define GS_PATCH_H

#include "daemon/stream.h"

extern const GsHandler gs_patch_handler, gs_head_handler, gs_options_handler;

#endif
