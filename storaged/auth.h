/* SPDX-License-Identifier: PostgreSQL */
/* Who may do what with an object: a ticket from Authorization: Bearer or ?ticket=, never logged. */
#ifndef GS_AUTH_H
#define GS_AUTH_H

#include "daemon/stream.h"
#include "storaged/store.h"

/* A request that speaks tus gets Tus-Resumable in its answer, whatever that is. */
void gs_auth_greet(GsStream *stream);
/* What the request is meant to do: its method, or what a POST of tus names instead of it. */
const char *gs_auth_method(const GsStream *stream);
/*
 * Greets, and checks the request's ticket against what it is meant to do and {object}. False: a problem was sent.
 * Nothing of the request's path is used but by comparison with the ticket.
 */
__attribute__((warn_unused_result)) bool gs_auth_check(GsStream *stream, const GsStore *store, GsTicket *ticket);

#endif
