/* SPDX-License-Identifier: PostgreSQL */
/*
 * The scrub; see scrub.h. One job at a time, each of at most STEP_BYTES; after it the timer waits for as long as the
 * rate wants. 256 directories come one after the other, the objects of each in the order of their ids; a directory's
 * names are read once. What seems damaged is handed to damage.c, which looks again under a claim: an object that is
 * being deleted has lost its data, too. Objects whose sidecar is still in the journal come with the next pass.
 */
#include "storaged/scrub.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "storaged/damage.h"
#include "storaged/fault.h"
#include "storaged/measure.h"

#define STEP_BYTES ((size_t)1 << 20)
#define SHARDS 256
#define KEEP_EVERY 64 /* objects between two writings of the place */
#define NAMES_MAX 1000000

struct GsScrub {
	GsStore *store;
	uv_timer_t timer;
	size_t *open_handles;
	GsJob job;
	bool resting; /* for good: the worker ends */
	/* The pass */
	int64_t begun_s;
	unsigned shard; /* SHARDS: through */
	GsUuid after;   /* the directory's objects up to this one are done; "" at its beginning */
	unsigned unkept;
	/* The directory under way */
	GsUuid *names;
	size_t name_count, name_at;
	bool listed;
	/* The object under way */
	int fd; /* -1: none */
	GsSidecar sidecar;
	EVP_MD_CTX *digest;
	uint64_t read_bytes;
	uint8_t *buffer;
	/* What a step says */
	size_t stepped_bytes;
	bool damaged, has_digest;
	bool undescribed; /* its sidecar can't be read */
	uint8_t found[GS_SHA256_BYTES];
	int error;
};

/* Pool thread --------------------------------------------------------------------------------------------------------
 */

static void keep_place(GsScrub *scrub)
{
	char text[96];

	scrub->unkept = 0;
	snprintf(text, sizeof(text), "%" PRId64 " %u %s\n", scrub->begun_s, scrub->shard,
			 scrub->after.text[0] != '\0' ? scrub->after.text : "-");
	if (gs_disk_write_small(scrub->store->disk.root, "scrub.new", text, strlen(text)) != 0 ||
		gs_disk_publish(scrub->store->disk.root, "scrub.new", scrub->store->disk.root, "scrub") != 0)
		gs_log(GS_LOG_WARN, NULL, "cannot keep the scrub's place", NULL);
	gs_fault_exit("scrub_place");
}

/* A place that can't be read is the beginning. */
static void recall_place(GsScrub *scrub)
{
	char text[96], after[GS_UUID_TEXT + 2];
	ssize_t size = gs_disk_read_small(scrub->store->disk.root, "scrub", text, sizeof(text));

	scrub->begun_s = (int64_t)time(NULL);
	if (size <= 0)
		return;
	text[size] = '\0';
	if (sscanf(text, "%" SCNd64 " %u %37s", &scrub->begun_s, &scrub->shard, after) != 3 || scrub->shard > SHARDS) {
		scrub->shard = 0;
		return;
	}
	if (!gs_uuid_parse(after, &scrub->after))
		scrub->after = (GsUuid){{0}};
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const GsUuid *)a)->text, ((const GsUuid *)b)->text);
}

static int add_name(GsScrub *scrub, const char *name, size_t *capacity)
{
	char id[GS_UUID_TEXT + 1] = "";
	GsUuid object;

	if (strlen(name) == GS_UUID_TEXT + 5)
		memcpy(id, name, GS_UUID_TEXT);
	if (id[0] == '\0' || strcmp(name + GS_UUID_TEXT, ".json") != 0 || !gs_uuid_parse(id, &object) ||
		strcmp(id, scrub->after.text) <= 0)
		return 0;
	if (scrub->name_count == *capacity) {
		size_t wanted = *capacity == 0 ? 256 : *capacity * 2;
		GsUuid *grown = wanted <= NAMES_MAX ? realloc(scrub->names, wanted * sizeof(*grown)) : NULL;

		if (grown == NULL)
			return -ENOMEM;
		scrub->names = grown;
		*capacity = wanted;
	}
	scrub->names[scrub->name_count++] = object;
	return 0;
}

/* The sidecars of one directory, sorted. */
static int list_shard(GsScrub *scrub)
{
	char name[3];
	size_t capacity = 0;
	struct dirent *entry;
	DIR *dir = NULL;
	int fd, error = 0;

	scrub->listed = true;
	snprintf(name, sizeof(name), "%02x", scrub->shard & 255);
	fd = openat(scrub->store->disk.objects, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return -ENOMEM;
	}
	while (error == 0 && (errno = 0, entry = readdir(dir)) != NULL)
		error = add_name(scrub, entry->d_name, &capacity);
	if (error == 0)
		error = -errno;
	closedir(dir);
	if (scrub->name_count > 0)
		qsort(scrub->names, scrub->name_count, sizeof(*scrub->names), compare_ids);
	return error;
}

static int read_sidecar(GsScrub *scrub, const GsUuid *object)
{
	char text[GS_SIDECAR_MAX_BYTES], name[GS_DISK_NAME_MAX];
	int shard = gs_disk_shard(&scrub->store->disk, object, false);
	ssize_t size;
	int error;

	if (shard < 0)
		return shard;
	gs_disk_name(object, true, name);
	size = gs_disk_read_small(shard, name, text, sizeof(text));
	close(shard);
	if (size < 0)
		return (int)size;
	error = gs_sidecar_decode(text, (size_t)size, &scrub->sidecar);
	if (error != 0)
		return error;
	if (!gs_uuid_equal(&scrub->sidecar.object, object)) {
		scrub->sidecar.object = *object; /* another object's sidecar: whatever the bytes are, they are not described */
		scrub->damaged = true;
	}
	return 0;
}

/* Only what is known to be wrong is damaged: a call that failed for another reason has its turn again in the next pass.
 */
static bool open_object(GsScrub *scrub, const GsUuid *object)
{
	struct stat status;

	scrub->fd = gs_disk_open_object(&scrub->store->disk, object);
	if (scrub->fd < 0) {
		scrub->damaged = scrub->fd == -ENOENT || scrub->fd == -ELOOP || scrub->fd == -EIO;
		return false;
	}
	if (fstat(scrub->fd, &status) != 0)
		return false;
	scrub->damaged = !S_ISREG(status.st_mode) || (uint64_t)status.st_size != scrub->sidecar.size_bytes;
	return !scrub->damaged && EVP_DigestInit_ex(scrub->digest, EVP_sha256(), NULL) == 1;
}

static void close_object(GsScrub *scrub)
{
	if (scrub->fd >= 0)
		close(scrub->fd);
	scrub->fd = -1;
}

static void open_next(GsScrub *scrub)
{
	const GsUuid *object = &scrub->names[scrub->name_at++];
	int error = read_sidecar(scrub, object);

	scrub->after = *object;
	scrub->stepped_bytes = 4096; /* the rate bounds small objects, too */
	scrub->undescribed = gs_sidecar_unreadable(error);
	if (scrub->undescribed)
		scrub->sidecar.object = *object;
	if (error != 0 || scrub->damaged)
		return;
	scrub->read_bytes = 0;
	if (!open_object(scrub, object))
		close_object(scrub);
}

static void read_step(GsScrub *scrub)
{
	ssize_t count = pread(scrub->fd, scrub->buffer, STEP_BYTES, (off_t)scrub->read_bytes);
	unsigned size;

	if (count < 0) {
		scrub->damaged = errno == EIO;
		if (errno != EINTR)
			close_object(scrub);
		return;
	}
	scrub->stepped_bytes = (size_t)count;
	scrub->read_bytes += (uint64_t)count;
	gs_fault_exit("scrub_step");
	if (EVP_DigestUpdate(scrub->digest, scrub->buffer, (size_t)count) != 1) {
		close_object(scrub);
		return;
	}
	if (count > 0 && scrub->read_bytes < scrub->sidecar.size_bytes)
		return;
	/* What the scrub has read nobody else is about to. */
	posix_fadvise(scrub->fd, 0, 0, POSIX_FADV_DONTNEED);
	close_object(scrub);
	if (EVP_DigestFinal_ex(scrub->digest, scrub->found, &size) != 1)
		return;
	scrub->has_digest = true;
	scrub->damaged = memcmp(scrub->found, scrub->sidecar.sha256, GS_SHA256_BYTES) != 0;
}

static void next_shard(GsScrub *scrub)
{
	free(scrub->names);
	scrub->names = NULL;
	scrub->name_count = scrub->name_at = 0;
	scrub->listed = false;
	scrub->after = (GsUuid){{0}};
	scrub->shard++;
	if (scrub->shard == SHARDS)
		keep_place(scrub);
}

static void step_run(void *owner)
{
	GsScrub *scrub = owner;

	scrub->stepped_bytes = 0;
	scrub->damaged = scrub->has_digest = scrub->undescribed = false;
	scrub->error = 0;
	if (scrub->fd >= 0) {
		read_step(scrub);
	} else if (!scrub->listed) {
		scrub->error = list_shard(scrub);
	} else if (scrub->name_at == scrub->name_count) {
		next_shard(scrub);
	} else {
		open_next(scrub);
		if (++scrub->unkept == KEEP_EVERY)
			keep_place(scrub);
	}
	if (scrub->damaged)
		close_object(scrub);
}

/* Loop thread --------------------------------------------------------------------------------------------------------
 */

static void fired(uv_timer_t *timer);

static void step_done(void *owner)
{
	GsScrub *scrub = owner;
	uint64_t rate = (uint64_t)scrub->store->settings->scrub_rate_bytes;

	gs_metric_add(&gs_metric_scrubbed_bytes, (double)scrub->stepped_bytes);
	if (scrub->error != 0)
		gs_log(GS_LOG_ERROR, NULL, "the scrub cannot read a directory", "error", strerror(-scrub->error), NULL);
	if (scrub->damaged)
		gs_damage_found(scrub->store, &scrub->sidecar, scrub->has_digest ? scrub->found : NULL);
	if (scrub->undescribed)
		gs_damage_undescribed(scrub->store, &scrub->sidecar.object);
	uv_timer_start(&scrub->timer, fired, rate > 0 ? scrub->stepped_bytes * 1000 / rate : 1000, 0);
}

/* Rests at the end of a pass, while it is switched off, and when the daemon is about to end. */
static bool may_step(GsScrub *scrub)
{
	const GsStorageSettings *settings = scrub->store->settings;
	int64_t now_s = (int64_t)time(NULL);

	if (settings->scrub_rate_bytes == 0 || scrub->store->draining || scrub->resting)
		return false;
	if (scrub->shard < SHARDS)
		return true;
	if (now_s >= scrub->begun_s && now_s - scrub->begun_s < settings->scrub_interval_ms / 1000)
		return false;
	scrub->begun_s = now_s;
	scrub->shard = 0;
	scrub->after = (GsUuid){{0}};
	return true;
}

static void fired(uv_timer_t *timer)
{
	GsScrub *scrub = timer->data;

	if (may_step(scrub))
		gs_job_submit(&scrub->job, scrub->store, GS_JOB_LIGHT, scrub, step_run, step_done);
	else
		uv_timer_start(timer, fired, 1000, 0);
}

GsScrub *gs_scrub_start(GsStore *store)
{
	GsScrub *scrub = calloc(1, sizeof(*scrub));

	if (scrub == NULL)
		return NULL;
	scrub->digest = EVP_MD_CTX_new();
	scrub->buffer = malloc(STEP_BYTES);
	if (scrub->digest == NULL || scrub->buffer == NULL) {
		EVP_MD_CTX_free(scrub->digest);
		free(scrub->buffer);
		free(scrub);
		return NULL;
	}
	scrub->store = store;
	scrub->fd = -1;
	recall_place(scrub);
	uv_timer_init(store->loop, &scrub->timer);
	scrub->timer.data = scrub;
	uv_timer_start(&scrub->timer, fired, 1000, 0);
	return scrub;
}

static void closed(uv_handle_t *handle)
{
	GsScrub *scrub = handle->data;

	--*scrub->open_handles;
	EVP_MD_CTX_free(scrub->digest);
	free(scrub->buffer);
	free(scrub->names);
	free(scrub);
}

void gs_scrub_rest(GsScrub *scrub)
{
	scrub->resting = true;
}

void gs_scrub_stop(GsScrub *scrub, size_t *open_handles)
{
	close_object(scrub);
	if (scrub->shard < SHARDS)
		keep_place(scrub);
	scrub->open_handles = open_handles;
	++*open_handles;
	uv_close((uv_handle_t *)&scrub->timer, closed);
}
