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
#define NAMES_BYTES 8192 /* of one batch; a batch ends early before it is more */
#define NAME_MOST (2 * GS_ORIGIN_NAME_MAX + 3)
#define NO_NAME SIZE_MAX
#define SHARDS 256
#define ITEMS_MAX 1000000 /* of one place */

typedef enum Place { PLACE_BEGIN, PLACE_UPLOADS, PLACE_JOURNAL, PLACE_OBJECTS, PLACE_QUARANTINE, PLACE_END } Place;

typedef struct Item {
	GsUuid object;
	uint64_t size_bytes;
	uint8_t sha256[GS_SHA256_BYTES];
	GsUuid terminal; /* its text is "" when unknown */
	size_t name;     /* place in `names`, or NO_NAME */
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
	char *names; /* one after the other, each with its NUL */
	size_t names_used, names_size;
	int error;
};

static int add_name(GsInventory *inventory, const char *name, size_t *place)
{
	size_t size = strlen(name) + 1;

	*place = NO_NAME;
	if (size == 1)
		return 0;
	if (inventory->names_used + size > inventory->names_size) {
		size_t wanted = inventory->names_size * 2 + GS_ORIGIN_NAME_MAX + 1;
		char *grown = realloc(inventory->names, wanted);

		if (grown == NULL)
			return -ENOMEM;
		inventory->names = grown;
		inventory->names_size = wanted;
	}
	*place = inventory->names_used;
	memcpy(inventory->names + inventory->names_used, name, size);
	inventory->names_used += size;
	return 0;
}

/* sha256, origin NULL: not known. */
static int add_item(GsInventory *inventory, const GsUuid *object, uint64_t size_bytes, const uint8_t *sha256,
					const GsOrigin *origin)
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
	item = &inventory->items[inventory->count];
	*item = (Item){.name = NO_NAME};
	if (origin != NULL) {
		item->terminal = origin->terminal;
		if (add_name(inventory, origin->name, &item->name) != 0)
			return -ENOMEM;
	}
	inventory->count++;
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
	GsOrigin origin;
	GsUuid object;
	ssize_t size;
	int error;

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
	error = gs_sidecar_decode_origin(text, (size_t)size, &sidecar, &origin);
	if (error == -ENOMEM)
		return error;
	if (error != 0 || !gs_uuid_equal(&sidecar.server, &inventory->server->id) ||
		!data_size(&inventory->store->disk, dir, &object, &size_bytes))
		return 0;
	return add_item(inventory, &object, size_bytes, sidecar.sha256, &origin);
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
	free(inventory->names);
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
				error = add_item(inventory, &entry->object, staged->stage.size_bytes, NULL, NULL);
		}
		for (GsActive *entry = store->active.buckets[i]; entry != NULL && error == 0; entry = entry->next) {
			const GsPut *put = (const GsPut *)((const char *)entry - offsetof(GsPut, active));

			if (entry->kind == GS_ACTIVE_UPLOAD && put->server == inventory->server)
				error = add_item(inventory, &entry->object, put->offset.size, NULL, NULL);
		}
	}
	return error;
}

/* What is listed is told: on to the next place. */
static void go_on(GsInventory *inventory)
{
	inventory->count = inventory->told = inventory->names_used = 0;
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

/* An element of an array literal; returns its end. */
static char *put_name(char *at, const char *name)
{
	*at++ = '"';
	for (; *name != '\0'; name++) {
		if (*name == '"' || *name == '\\')
			*at++ = '\\';
		*at++ = *name;
	}
	*at++ = '"';
	return at;
}

/* Who is behind it, and what it was called. */
static void put_origin(const GsInventory *inventory, const Item *item, char **terminals, char **names)
{
	*terminals += sprintf(*terminals, "%s,", item->terminal.text[0] != '\0' ? item->terminal.text : "NULL");
	if (item->name != NO_NAME)
		*names = put_name(*names, inventory->names + item->name);
	else
		*names = stpcpy(*names, "NULL");
	*(*names)++ = ',';
}

static void build_batch(GsInventory *inventory, GsCall *call)
{
	static const char *const states[] = {[PLACE_UPLOADS] = "staged",
										 [PLACE_JOURNAL] = "receipt_pending",
										 [PLACE_OBJECTS] = "stored",
										 [PLACE_QUARANTINE] = "quarantined"};
	char objects[BATCH * 40 + 3] = "{", sizes[BATCH * 24 + 3] = "{", sha256[BATCH * 80 + 3] = "{",
							  state[BATCH * 20 + 3] = "{", terminals[BATCH * 40 + 3] = "{", names[NAMES_BYTES] = "{",
							  hex[GS_SHA256_HEX + 1];
	char *ends[] = {objects + 1, sizes + 1, sha256 + 1, state + 1, terminals + 1, names + 1};
	size_t end_at = inventory->told + BATCH < inventory->count ? inventory->told + BATCH : inventory->count;

	/* Each element has a comma behind it; the last one's becomes the end. */
	for (; inventory->told < end_at && ends[5] + NAME_MOST < names + sizeof(names); inventory->told++) {
		const Item *item = &inventory->items[inventory->told];

		gs_hex_encode(item->sha256, GS_SHA256_BYTES, hex);
		ends[0] += sprintf(ends[0], "%s,", item->object.text);
		ends[1] += sprintf(ends[1], "%" PRIu64 ",", item->size_bytes);
		ends[2] +=
			inventory->place == PLACE_UPLOADS ? sprintf(ends[2], "NULL,") : sprintf(ends[2], "\"\\\\x%s\",", hex);
		ends[3] += sprintf(ends[3], "%s,", states[inventory->place]);
		put_origin(inventory, item, &ends[4], &ends[5]);
	}
	for (size_t i = 0; i < GS_CALL_INVENTORY_ARRAYS; i++)
		strcpy(ends[i] - 1, "}");
	gs_call_inventory_add(call, inventory->store,
						  (const char *const[]){objects, sizes, sha256, state, terminals, names});
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
