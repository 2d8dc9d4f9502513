/* SPDX-License-Identifier: PostgreSQL */
/* What connections make of libpq's results. PGresult only; the PGconn stays in pg_conn.c. */
#ifndef GS_PG_REPLY_H
#define GS_PG_REPLY_H

#include <libpq-fe.h>

#include "gateway/pg_request.h"

/* Tells the asker, if he is still there, and frees both. `result` NULL: the connection broke before there was one. */
void gs_pg_reply_deliver(GsPgRequest *request, PGresult *result);

/* Is it the server of our settings, and does it speak this gateway's major version? Else negative, and `why` says what
 * is wrong. */
__attribute__((warn_unused_result)) int gs_pg_hello_check(const GsPgReply *reply, const char *server, char *why,
														  size_t why_size);

#endif
