/* SPDX-License-Identifier: PostgreSQL */
/* Damaged objects; see damage.h. */
#include "storaged/damage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "storaged/control.h"
#include "storaged/measure.h"
#include "storaged/quarantine.h"

static GsDamage *make(GsStore *store, GsServer *server, const GsSidecar *sidecar)
{
	GsDamage *damage = store->damage_count < GS_DAMAGES_MAX ? calloc(1, sizeof(*damage)) : NULL;

	if (damage == NULL)
		return NULL;
	store->damage_count++;
	damage->store = store;
	damage->server = server;
	damage->sidecar = *sidecar;
	return damage;
}

static GsDamage *make_described(GsStore *store, const GsSidecar *sidecar)
{
	GsServer *server = gs_store_server(store, &sidecar->server, true);

	return server != NULL ? make(store, server, sidecar) : NULL;
}

static void release(GsDamage *damage)
{
	damage->store->damage_count--;
	free(damage);
}

static void queue(GsDamage *damage)
{
	TAILQ_INSERT_TAIL(&damage->server->damages, damage, link);
	if (damage->server->control != NULL)
		gs_control_kick(damage->server->control);
}

static void tell_all(GsStore *store, const GsSidecar *sidecar)
{
	for (size_t i = 0; i < store->server_count; i++) {
		GsDamage *damage = store->servers[i].control != NULL ? make(store, &store->servers[i], sidecar) : NULL;

		if (damage != NULL)
			queue(damage);
	}
}

static void move_run(void *owner)
{
	GsDamage *damage = owner;

	damage->error = gs_quarantine_move(&damage->store->disk, &damage->sidecar.object);
}

static void move_done(void *owner)
{
	GsDamage *damage = owner;
	const char *object = damage->sidecar.object.text;

	gs_active_remove(&damage->store->active, &damage->active);
	if (damage->error != 0) {
		if (damage->error == -EIO)
			gs_store_set_read_only(damage->store, object, EIO);
		if (damage->error != -ENOENT) /* else it was deleted meanwhile */
			gs_log(GS_LOG_ERROR, NULL, "cannot put a damaged object into quarantine", "object", object, "error",
				   strerror(-damage->error), NULL);
		release(damage);
		return;
	}
	gs_log(GS_LOG_ERROR, NULL, "an object is damaged and in quarantine", "object", object, "found",
		   damage->has_digest ? "another digest" : "missing, unreadable or of another size", NULL);
	gs_metric_add(&gs_metric_damaged, 1);
	if (damage->server != NULL) {
		queue(damage);
	} else {
		tell_all(damage->store, &damage->sidecar);
		release(damage);
	}
}

static void move_away(GsDamage *damage)
{
	gs_active_add(&damage->store->active, &damage->active, &damage->sidecar.object, GS_ACTIVE_REMOVAL);
	gs_job_submit(&damage->job, damage->store, GS_JOB_LIGHT, damage, move_run, move_done);
}

void gs_damage_found(GsStore *store, const GsSidecar *sidecar, const uint8_t *digest)
{
	GsDamage *damage;

	if (gs_active_find(&store->active, &sidecar->object) != NULL)
		return; /* deleted, or not acknowledged yet: its turn comes again */
	damage = make_described(store, sidecar);
	if (damage == NULL)
		return;
	damage->has_digest = digest != NULL;
	if (digest != NULL)
		memcpy(damage->digest, digest, GS_SHA256_BYTES);
	move_away(damage);
}

void gs_damage_undescribed(GsStore *store, const GsUuid *object)
{
	const GsSidecar sidecar = {.object = *object};
	GsDamage *damage = NULL;

	if (gs_active_find(&store->active, object) == NULL)
		damage = make(store, NULL, &sidecar);
	if (damage != NULL)
		move_away(damage);
}

bool gs_damage_recall(GsStore *store, const GsSidecar *sidecar)
{
	GsDamage *damage = make_described(store, sidecar);

	if (damage != NULL)
		TAILQ_INSERT_TAIL(&damage->server->damages, damage, link);
	return damage != NULL;
}

GsDamage *gs_damage_next(GsServer *server)
{
	return TAILQ_FIRST(&server->damages);
}

void gs_damage_told(GsDamage *damage)
{
	TAILQ_REMOVE(&damage->server->damages, damage, link);
	release(damage);
}

void gs_damage_free_all(GsStore *store)
{
	for (size_t i = 0; i < store->server_count; i++)
		while (!TAILQ_EMPTY(&store->servers[i].damages))
			gs_damage_told(TAILQ_FIRST(&store->servers[i].damages));
}
