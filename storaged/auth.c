/* SPDX-License-Identifier: PostgreSQL */
/* Tickets to problems; see auth.h. */
#include "storaged/auth.h"

#include <string.h>

#include "daemon/response.h"
#include "storaged/control.h"
#include "storaged/ticket_cache.h"

/* Since the start some control server has not been heard: it may have signed what no other one has. */
static bool misses_keys(const GsStore *store)
{
	for (size_t i = 0; i < store->control_count; i++)
		if (!gs_control_keyed(store->controls[i]))
			return true;
	return false;
}

static void refuse(GsStream *stream, const GsStore *store, GsTicketError error)
{
	if (error == GS_TICKET_UNKNOWN_ISSUER && misses_keys(store)) {
		gs_problem_send(stream, 503, "unavailable", "this device has not reached the ticket's control server yet", NULL,
						2);
		return;
	}
	switch (error) {
	case GS_TICKET_EXPIRED:
		gs_problem_send(stream, 401, "ticket_expired", "the ticket has expired", "send the notice again for a new one",
						0);
		break;
	case GS_TICKET_EARLY:
		gs_problem_send(stream, 401, "ticket_invalid", "the ticket is issued in the future",
						"the clocks of the control server and of this device disagree", 0);
		break;
	case GS_TICKET_OTHER_DEVICE:
		gs_problem_send(stream, 403, "ticket_scope", "the ticket is for another device", NULL, 0);
		break;
	case GS_TICKET_NO_MEMORY:
		gs_problem_send(stream, 503, "unavailable", "out of memory", NULL, 2);
		break;
	default:
		gs_problem_send(stream, 401, "ticket_invalid", "the ticket is not valid here", NULL, 0);
		break;
	}
}

void gs_auth_greet(GsStream *stream)
{
	if (gs_stream_header(stream, "tus-resumable") != NULL)
		gs_stream_promise_header(stream, "tus-resumable", "1.0.0");
}

const char *gs_auth_method(const GsStream *stream)
{
	const char *method = gs_stream_method(stream);
	const char *meant = gs_stream_header(stream, "x-http-method-override");

	if (strcmp(method, "POST") != 0 || meant == NULL || gs_stream_header(stream, "tus-resumable") == NULL)
		return method;
	return strcmp(meant, "PATCH") == 0 || strcmp(meant, "DELETE") == 0 ? meant : method;
}

bool gs_auth_check(GsStream *stream, const GsStore *store, GsTicket *ticket)
{
	const char *bearer = gs_stream_bearer(stream), *query = gs_stream_query(stream, "ticket");
	const char *object = gs_stream_param(stream, "object");
	GsTicketError error;

	gs_auth_greet(stream);
	/* RFC 6750 section 2: one way at a time. */
	if (bearer != NULL && query != NULL) {
		gs_problem_send(stream, 400, "invalid_parameter", "two tickets: in the header and in the query", NULL, 0);
		return false;
	}
	if (bearer == NULL && query == NULL) {
		gs_problem_send(stream, 401, "ticket_missing", "this needs a ticket",
						"send Authorization: Bearer TICKET, as the notice's answer gave it", 0);
		return false;
	}
	error = gs_ticket_cache_verify(store->tickets, &store->keys, bearer != NULL ? bearer : query, gs_boot_us(), ticket);
	if (error != GS_TICKET_OK) {
		refuse(stream, store, error);
		return false;
	}
	if (gs_revocation_covers(&store->revocations, ticket)) {
		gs_problem_send(stream, 401, "ticket_revoked", "the right behind the ticket was taken back",
						"ask for the share again, if it is still yours to have", 0);
		return false;
	}
	if (object == NULL || strcmp(object, ticket->object.text) != 0) {
		gs_problem_send(stream, 403, "ticket_scope", "the ticket is for another object", NULL, 0);
		return false;
	}
	if ((ticket->methods & gs_ticket_method(gs_auth_method(stream))) == 0) {
		gs_problem_send(stream, 403, "ticket_scope", "the ticket does not allow this method", NULL, 0);
		return false;
	}
	return true;
}
