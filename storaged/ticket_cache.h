/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tickets that were found genuine, by their whole text, so that the next request with one is spared the signature and
 * the JSON. Only genuine ones are kept, what depends on the time is judged each time, and when any key changes all are
 * forgotten. A fixed number; a newer one takes the place of an older one. Pure; loop thread only.
 */
#ifndef GS_STORAGED_TICKET_CACHE_H
#define GS_STORAGED_TICKET_CACHE_H

#include "storaged/ticket.h"

typedef struct GsTicketCache GsTicketCache;

/* NULL when out of memory. */
GsTicketCache *gs_ticket_cache_new(void);
void gs_ticket_cache_free(GsTicketCache *cache);

/* As gs_ticket_verify, with the same answer. */
__attribute__((warn_unused_result)) GsTicketError gs_ticket_cache_verify(GsTicketCache *cache, const GsTicketKeys *keys,
																		 const char *token, int64_t boot_us,
																		 GsTicket *ticket);

#endif
