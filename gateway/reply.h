/* SPDX-License-Identifier: PostgreSQL */
/* A request's way out: the row or the error of an API function becomes an HTTP answer. */
#ifndef GS_GATEWAY_REPLY_H
#define GS_GATEWAY_REPLY_H

#include "daemon/stream.h"
#include "gateway/pg_request.h"
#include "gateway/routes.h"

#define GS_REPLY_RETRY_S 2

/* Answers the stream. `reply` may be of any outcome. */
void gs_reply_send(GsStream *stream, const GsApi *api, const GsPgReply *reply);

/* 503 unavailable with Retry-After: nothing was done. */
void gs_reply_overloaded(GsStream *stream);

#endif
