/* SPDX-License-Identifier: PostgreSQL */
/* GET and HEAD /v1/objects/{object}: a stored object or one range of it. */
#ifndef GS_GET_H
#define GS_GET_H

#include "daemon/stream.h"
#include "storaged/ticket.h"

extern const GsHandler gs_get_handler;

/* The same for a HEAD whose ticket was read already. The stream's `closed` must be gs_transfer_closed. */
void gs_get_begin(GsStream *stream, const GsTicket *ticket);

#endif
