/* SPDX-License-Identifier: PostgreSQL */
/*
 * Revoked tickets (doc/contracts.md section 4): what a control server has said, until the last ticket that it concerns
 * has expired. Bounded; when there are more than fit, all tickets of that server issued so far are refused, which costs
 * honest terminals a new notice and lets nobody in. In memory only: an announcement's answer tells all that is in
 * force. Loop thread only; the clocks are those of the servers that revoked.
 */
#ifndef GS_REVOCATION_H
#define GS_REVOCATION_H

#include "storaged/ticket.h"

#define GS_REVOCATIONS_MAX 20000
#define GS_REVOCATION_BUCKETS 1024
#define GS_REVOCATION_SERVERS 64 /* as many as GS_SERVERS_MAX */

typedef struct GsRevocation {
	GsUuid server;
	const GsClock *clock;          /* that server's; known */
	bool has_terminal, has_object; /* at least one */
	GsUuid terminal, object;
	int64_t before_s, until_s;
	struct GsRevocation *next;
} GsRevocation;

typedef struct GsRevocations {
	GsRevocation *buckets[GS_REVOCATION_BUCKETS]; /* by terminal, those without by object */
	size_t count;
	struct {
		GsUuid server;
		int64_t before_s;
	} all[GS_REVOCATION_SERVERS]; /* tickets that are refused whoever holds them */
	size_t all_count;
} GsRevocations;

/* Told again: the same entry. False: the table of `all` is full, too; the caller must not say that it has heard. */
__attribute__((warn_unused_result)) bool gs_revocation_add(GsRevocations *revocations, const GsRevocation *told,
														   int64_t boot_us);
bool gs_revocation_covers(const GsRevocations *revocations, const GsTicket *ticket);
void gs_revocation_free(GsRevocations *revocations);

#endif
