/* SPDX-License-Identifier: PostgreSQL */
/* GET and HEAD /v1/objects/{object}: a stored object or one range of it. */
#ifndef GS_GET_H
#define GS_GET_H

#include "daemon/stream.h"

extern const GsHandler gs_get_handler;

#endif
