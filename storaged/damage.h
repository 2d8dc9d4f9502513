/* SPDX-License-Identifier: PostgreSQL */
/*
 * Damaged objects on their way out of service: claimed, moved to quarantine/, then told to their control server by
 * device_damaged, again and again until it has heard. After a start of the daemon everything in quarantine/ is told
 * once more. Loop thread only.
 */
#ifndef GS_DAMAGE_H
#define GS_DAMAGE_H

#include "storaged/sidecar.h"
#include "storaged/store.h"

#define GS_DAMAGES_MAX 1000 /* on their way; what is found beyond is found again by the next scrub or read */

typedef struct GsDamage {
	GsActive active;
	GsStore *store;
	GsServer *server; /* NULL while being moved: nobody knows whose it is */
	GsSidecar sidecar;
	bool has_digest;
	uint8_t digest[GS_SHA256_BYTES]; /* found; without it: missing, unreadable, of another size */
	GsJob job;
	int error;
	TAILQ_ENTRY(GsDamage) link; /* of the server */
} GsDamage;

/* An object whose bytes are not what its sidecar says. Checked again under a claim; left alone when somebody is at it.
 */
void gs_damage_found(GsStore *store, const GsSidecar *sidecar, const uint8_t *digest);
/*
 * Its sidecar can't be read, so nobody can be served it, nor is it known whose it was: all control servers in reach are
 * told once, those that don't know it pass it over.
 */
void gs_damage_undescribed(GsStore *store, const GsUuid *object);
/* Found in quarantine/ by the start of the daemon. False: out of memory, or too many. */
__attribute__((warn_unused_result)) bool gs_damage_recall(GsStore *store, const GsSidecar *sidecar);
/* For control.c: the next to be told, NULL when there is none; it has been told. */
GsDamage *gs_damage_next(GsServer *server);
void gs_damage_told(GsDamage *damage);
void gs_damage_free_all(GsStore *store);

#endif
