/* SPDX-License-Identifier: PostgreSQL */
/* The table of revoked tickets; see revocation.h. */
#include "storaged/revocation.h"

#include <stdlib.h>
#include <string.h>

static size_t bucket_of(const GsUuid *id)
{
	return gs_uuid_place(id) % GS_REVOCATION_BUCKETS;
}

static bool same_scope(const GsRevocation *a, const GsRevocation *b)
{
	return gs_uuid_equal(&a->server, &b->server) && a->has_terminal == b->has_terminal &&
		   a->has_object == b->has_object && (!a->has_terminal || gs_uuid_equal(&a->terminal, &b->terminal)) &&
		   (!a->has_object || gs_uuid_equal(&a->object, &b->object));
}

static void sweep(GsRevocations *revocations, int64_t boot_us)
{
	for (size_t i = 0; i < GS_REVOCATION_BUCKETS; i++) {
		GsRevocation **at = &revocations->buckets[i];

		while (*at != NULL) {
			GsRevocation *entry = *at;

			if (entry->until_s + GS_TICKET_LEEWAY_S >= gs_clock_s(entry->clock, boot_us)) {
				at = &entry->next;
				continue;
			}
			*at = entry->next;
			free(entry);
			revocations->count--;
		}
	}
}

/* No room for the entry itself. */
static bool refuse_all(GsRevocations *revocations, const GsRevocation *told)
{
	size_t i = 0;

	while (i < revocations->all_count && !gs_uuid_equal(&revocations->all[i].server, &told->server))
		i++;
	if (i == GS_REVOCATION_SERVERS)
		return false;
	if (i == revocations->all_count) {
		revocations->all_count++;
		revocations->all[i].server = told->server;
		revocations->all[i].before_s = 0;
	}
	if (told->before_s > revocations->all[i].before_s)
		revocations->all[i].before_s = told->before_s;
	return true;
}

bool gs_revocation_add(GsRevocations *revocations, const GsRevocation *told, int64_t boot_us)
{
	size_t bucket = bucket_of(told->has_terminal ? &told->terminal : &told->object);
	GsRevocation *entry;

	for (entry = revocations->buckets[bucket]; entry != NULL; entry = entry->next) {
		if (!same_scope(entry, told))
			continue;
		if (told->before_s > entry->before_s)
			entry->before_s = told->before_s;
		if (told->until_s > entry->until_s)
			entry->until_s = told->until_s;
		return true;
	}
	if (revocations->count >= GS_REVOCATIONS_MAX)
		sweep(revocations, boot_us);
	entry = revocations->count < GS_REVOCATIONS_MAX ? malloc(sizeof(*entry)) : NULL;
	if (entry == NULL)
		return refuse_all(revocations, told);
	*entry = *told;
	entry->next = revocations->buckets[bucket];
	revocations->buckets[bucket] = entry;
	revocations->count++;
	return true;
}

static bool bucket_covers(const GsRevocations *revocations, const GsUuid *id, const GsTicket *ticket)
{
	const GsRevocation *entry = revocations->buckets[bucket_of(id)];

	for (; entry != NULL; entry = entry->next)
		if (ticket->issued_s <= entry->before_s && gs_uuid_equal(&entry->server, &ticket->server) &&
			(!entry->has_terminal || gs_uuid_equal(&entry->terminal, &ticket->terminal)) &&
			(!entry->has_object || gs_uuid_equal(&entry->object, &ticket->object)))
			return true;
	return false;
}

bool gs_revocation_covers(const GsRevocations *revocations, const GsTicket *ticket)
{
	for (size_t i = 0; i < revocations->all_count; i++)
		if (gs_uuid_equal(&revocations->all[i].server, &ticket->server) &&
			ticket->issued_s <= revocations->all[i].before_s)
			return true;
	return bucket_covers(revocations, &ticket->terminal, ticket) || bucket_covers(revocations, &ticket->object, ticket);
}

void gs_revocation_free(GsRevocations *revocations)
{
	for (size_t i = 0; i < GS_REVOCATION_BUCKETS; i++) {
		GsRevocation *entry;

		while ((entry = revocations->buckets[i]) != NULL) {
			revocations->buckets[i] = entry->next;
			free(entry);
		}
	}
}
