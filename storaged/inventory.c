/* SPDX-License-Identifier: PostgreSQL */
/*
 * An inventory; see inventory.h. Places are read one after the other on the pool, each into a list, which is then told
 * 100 objects a call. A list is as long as one place: of the stored objects one 256th.
 */
#include "storaged/inventory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "storaged/control.h"
#include "storaged/upload.h"

#define BATCH 100
#define SHARDS 256
#define ITEMS_MAX 1000000 /* of one place */

typedef enum Place { PLACE_BEGIN, PLACE_UPLOADS, PLACE_JOURNAL, PLACE_OBJECTS, PLACE_QUARANTINE, PLACE_END } Place;

typedef struct Item {
	GsUuid object;
	uint64_t size_bytes;
	uint8_t sha256[GS_SHA256_BYTES];
} Item;

struct GsInventory {
	GsStore *store;
	GsServer *server;
	GsJob job;
	bool running, given_up;
	Place place;
	unsigned shard; /* of PLACE_OBJECTS */
	Item *items;
	size_t count, capacity, told;
	int error;
};

static int add_item(GsInventory *inventory, const GsUuid *object, uint64_t size_bytes, const uint8_t *sha256)
{
	Item *item;

	if (inventory->count == inventory->capacity) {
		size_t wanted = inventory->capacity == 0 ? 256 : inventory->capacity * 2;
		Item *grown = wanted <= ITEMS_MAX ? realloc(inventory->items, wanted * sizeof(*grown)) : NULL;

		if (grown == NULL)
			return -ENOMEM;
		inventory->items = grown;
		inventory->capacity = wanted;
	}
	item = &inventory->items[inventory->count++];
	item->object = *object;
	item->size_bytes = size_bytes;
	if (sha256 != NULL)
		memcpy(item->sha256, sha256, GS_SHA256_BYTES);
	return 0;
}

/* Pool: reading ------------------------------------------------------------------------------------------------------
 */

/* The sidecar's data: beside it, or for one in the journal where the object is or is about to be. */
static bool data_size(const GsDisk *disk, int dir, const GsUuid *object, uint64_t *size_bytes)
{
	int shard = dir == disk->journal ? gs_disk_shard(disk, object, false) : -1;
	struct stat status;
	bool found = fstatat(shard >= 0 ? shard : dir, object->text, &status, AT_SYMLINK_NOFOLLOW) == 0 ||
				 fstatat(disk->staging, object->text, &status, AT_SYMLINK_NOFOLLOW) == 0;

	if (shard >= 0)
		close(shard);
	*size_bytes = found ? (uint64_t)status.st_size : 0;
	return found;
}

static int read_name(GsInventory *inventory, int dir, const char *name)
{
	char text[GS_SIDECAR_MAX_BYTES], id[GS_UUID_TEXT + 1] = "";
	uint64_t size_bytes;
	GsSidecar sidecar;
	GsUuid object;
	ssize_t size;

	if (strlen(name) != GS_UUID_TEXT + 5 || strcmp(name + GS_UUID_TEXT, ".json") != 0)
		return 0;
	memcpy(id, name, GS_UUID_TEXT);
	if (!gs_uuid_parse(id, &object))
		return 0;
	size = gs_disk_read_small(dir, name, text, sizeof(text));
	/* Moved on, to a place that is read later; or deleted. Or damaged: then it is not an object any more. */
	if (size == -ENOENT || gs_sidecar_unreadable((int)size))
		return 0;
	if (size < 0)
		return (int)size;
	if (!gs_sidecar_decode(text, (size_t)size, &sidecar) || !gs_uuid_equal(&sidecar.server, &inventory->server->id) ||
		!data_size(&inventory->store->disk, dir, &object, &size_bytes))
		return 0;
	return add_item(inventory, &object, size_bytes, sidecar.sha256);
}

static int read_place(GsInventory *inventory, int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), error = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		error = errno;
		if (fd >= 0)
			close(fd);
		return error == ENOENT ? 0 : -error;
	}
	while (error == 0 && (errno = 0, entry = readdir(dir)) != NULL)
		error = read_name(inventory, fd, entry->d_name);
	if (error == 0 && errno != 0)
		error = -errno;
	closedir(dir);
	return error;
}

static void read_run(void *owner)
{
	GsInventory *inventory = owner;
	const GsDisk *disk = &inventory->store->disk;
	char name[3];

	snprintf(name, sizeof(name), "%02x", inventory->shard & 255);
	if (inventory->place == PLACE_JOURNAL)
		inventory->error = read_place(inventory, disk->root, "journal");
	else if (inventory->place == PLACE_OBJECTS)
		inventory->error = read_place(inventory, disk->objects, name);
	else
		inventory->error = read_place(inventory, disk->root, "quarantine");
}

/* Loop ---------------------------------------------------------------------------------------------------------------
 */

static void end(GsInventory *inventory)
{
	inventory->server->inventory = NULL;
	free(inventory->items);
	free(inventory);
}

static void read_done(void *owner)
{
	GsInventory *inventory = owner;
	GsServer *server = inventory->server;

	inventory->running = false;
	if (inventory->error != 0)
		gs_log(GS_LOG_ERROR, NULL, "an inventory is given up: the disk can't be read", "error",
			   strerror(-inventory->error), NULL);
	if (inventory->given_up || inventory->error != 0)
		end(inventory);
	else if (server->control != NULL)
		gs_control_kick(server->control);
}

/* Memory knows them best: of a PUT's staged file the disk does not say whose it is. */
static int list_uploads(GsInventory *inventory)
{
	GsStore *store = inventory->store;
	int error = 0;

	for (size_t i = 0; i < GS_ACTIVE_BUCKETS && error == 0; i++) {
		for (GsActive *entry = store->staged.buckets[i]; entry != NULL && error == 0; entry = entry->next) {
			const GsStaged *staged = (const GsStaged *)entry;

			if (staged->server == inventory->server)
				error = add_item(inventory, &entry->object, staged->stage.size_bytes, NULL);
		}
		for (GsActive *entry = store->active.buckets[i]; entry != NULL && error == 0; entry = entry->next) {
			const GsPut *put = (const GsPut *)((const char *)entry - offsetof(GsPut, active));

			if (entry->kind == GS_ACTIVE_UPLOAD && put->server == inventory->server)
				error = add_item(inventory, &entry->object, put->offset.size, NULL);
		}
	}
	return error;
}

/* What is listed is told: on to the next place. */
static void go_on(GsInventory *inventory)
{
	inventory->count = inventory->told = 0;
	if (inventory->place == PLACE_OBJECTS && inventory->shard + 1 < SHARDS)
		inventory->shard++;
	else
		inventory->place++;
	if (inventory->place == PLACE_UPLOADS) {
		inventory->error = list_uploads(inventory);
		inventory->given_up = inventory->error != 0;
	} else if (inventory->place != PLACE_END) {
		inventory->running = true;
		gs_job_submit(&inventory->job, inventory->store, GS_JOB_LIGHT, inventory, read_run, read_done);
	}
}

void gs_inventory_order(GsStore *store, GsServer *server)
{
	GsInventory *inventory;

	if (server->inventory != NULL || (inventory = calloc(1, sizeof(*inventory))) == NULL)
		return;
	inventory->store = store;
	inventory->server = server;
	server->inventory = inventory;
}

static void build_batch(GsInventory *inventory, GsCall *call)
{
	static const char *const states[] = {[PLACE_UPLOADS] = "staged",
										 [PLACE_JOURNAL] = "receipt_pending",
										 [PLACE_OBJECTS] = "stored",
										 [PLACE_QUARANTINE] = "quarantined"};
	char objects[BATCH * 40 + 3] = "{", sizes[BATCH * 24 + 3] = "{", sha256[BATCH * 80 + 3] = "{",
							  state[BATCH * 20 + 3] = "{", hex[GS_SHA256_HEX + 1];
	char *o = objects + 1, *s = sizes + 1, *d = sha256 + 1, *t = state + 1;
	size_t end_at = inventory->told + BATCH < inventory->count ? inventory->told + BATCH : inventory->count;

	for (; inventory->told < end_at; inventory->told++) {
		const Item *item = &inventory->items[inventory->told];
		const char *comma = o > objects + 1 ? "," : "";

		gs_hex_encode(item->sha256, GS_SHA256_BYTES, hex);
		o += sprintf(o, "%s%s", comma, item->object.text);
		s += sprintf(s, "%s%" PRIu64, comma, item->size_bytes);
		d += inventory->place == PLACE_UPLOADS ? sprintf(d, "%sNULL", comma) : sprintf(d, "%s\"\\\\x%s\"", comma, hex);
		t += sprintf(t, "%s%s", comma, states[inventory->place]);
	}
	strcpy(o, "}");
	strcpy(s, "}");
	strcpy(d, "}");
	strcpy(t, "}");
	gs_call_inventory_add(call, inventory->store, (const char *const[]){objects, sizes, sha256, state});
}

bool gs_inventory_call(GsInventory *inventory, GsCall *call)
{
	if (inventory->running || inventory->given_up)
		return false;
	if (inventory->place == PLACE_BEGIN) {
		gs_call_inventory(call, inventory->store, true);
		return true;
	}
	while (inventory->told == inventory->count && inventory->place != PLACE_END) {
		go_on(inventory);
		if (inventory->given_up) {
			end(inventory);
			return false;
		}
		if (inventory->running)
			return false;
	}
	if (inventory->place == PLACE_END)
		gs_call_inventory(call, inventory->store, false);
	else
		build_batch(inventory, call);
	return true;
}

void gs_inventory_answered(GsServer *server, bool good)
{
	GsInventory *inventory = server->inventory;

	if (inventory == NULL)
		return;
	if (inventory->running)
		inventory->given_up = true; /* ends when its job returns */
	else if (!good || inventory->given_up || inventory->place == PLACE_END)
		end(inventory);
	else if (inventory->place == PLACE_BEGIN)
		go_on(inventory);
}
