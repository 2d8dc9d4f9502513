/* SPDX-License-Identifier: PostgreSQL */
/* DELETE /v1/objects/{object}: the uploader gives an unfinished upload up. Stored objects go by the control server
 * only. */
#ifndef GS_DELETE_H
#define GS_DELETE_H

#include "daemon/stream.h"

extern const GsHandler gs_delete_handler;

#endif
