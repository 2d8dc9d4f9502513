/* SPDX-License-Identifier: PostgreSQL */
/*
 * Download (spec D1-D3): designation, bytes from the device into a part file, digest of the whole, final name. The part
 * file is locked while a get writes it, and its name carries the content's digest: what it holds can only be continued
 * with the same content, and the device is asked with If-Range besides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/compose.h"
#include "client/file.h"
#include "client/get.h"
#include "client/name.h"
#include "client/part.h"

/* Attempts in a row that bring less than PROGRESS_BYTES count as failures. */
#define FAILURES_MAX 6
#define TURNS_MAX 3 /* of a download whose bytes are wrong in the end */
#define PROGRESS_BYTES 65536
/* Below this, more than one connection gains nothing. */
#define PARALLEL_MIN_BYTES (64LL << 20)

static const char *designated(const GsGet *get, const char *name)
{
	return json_string_value(json_object_get(get->designation, name));
}

static json_t *notice_body(const GsClientGet *want)
{
	char *name;
	json_t *body;

	if (want->share != NULL)
		return json_pack("{s:s}", "share", want->share);
	name = gs_compose(want->name != NULL ? want->name : "");
	body = json_pack("{s:s, s:s}", "owner", want->owner != NULL ? want->owner : "", "name", name);
	free(name);
	return body;
}

/* Sends the download notice. A second one must name the same content as the first. */
static int designate(GsGet *get)
{
	GsErrorBox *box = &get->client->box;
	const GsClientGet *want = get->want;
	bool first = get->designation == NULL;
	json_t *body = notice_body(want);
	GsCall call = {.method = "POST", .path = "/v1/downloads", .body = body, .idempotent = true};
	uint8_t sha256[GS_SHA256_BYTES];
	json_t *answer;
	json_t *size;
	int status;

	if (body == NULL)
		return gs_error_set(box, GS_CLIENT_INVALID, NULL, "owner and name must be UTF-8");
	status = gs_session_call(get->client, &call, &answer, NULL);
	json_decref(body);
	if (status != GS_CLIENT_OK)
		return status;
	json_decref(get->designation);
	get->designation = answer;
	get->source = 0;
	size = json_object_get(answer, "size");
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
		!gs_sha256_decode(sha256, designated(get, "sha256")) || designated(get, "name") == NULL ||
		designated(get, "url") == NULL || designated(get, "ticket") == NULL)
		return gs_error_set(box, GS_CLIENT_PROTOCOL, NULL, "the storage designation is incomplete");
	if (!first && (json_integer_value(size) != get->size || memcmp(sha256, get->sha256, sizeof(sha256)) != 0))
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Run get again to fetch the new content.",
							"the owner replaced the share meanwhile");
	get->size = json_integer_value(size);
	memcpy(get->sha256, sha256, sizeof(sha256));
	return GS_CLIENT_OK;
}

static int choose_output(GsGet *get)
{
	GsErrorBox *box = &get->client->box;
	char safe[GS_NAME_MAX_BYTES + 1];
	const char *output = get->want->output;
	struct stat st;

	gs_name_make_safe(safe, designated(get, "name"));
	if (output == NULL)
		get->output = strdup(safe);
	else if (stat(output, &st) == 0 && S_ISDIR(st.st_mode))
		get->output =
			gs_session_path(get->client, "%s%s%s", output, output[strlen(output) - 1] == '/' ? "" : "/", safe);
	else
		get->output = strdup(output);
	if (get->output != NULL)
		get->part = gs_part_path(get->output, designated(get, "sha256"));
	return get->part != NULL ? GS_CLIENT_OK : gs_error_memory(box);
}

static int hash(GsGet *get, int fd, int64_t from, int64_t size, const char *path)
{
	GsWatcher watcher = {.progress = get->want->progress,
						 .arg = get->want->progress_arg,
						 .phase = GS_CLIENT_CHECKING,
						 .total = (uint64_t)size};

	return gs_digest_add_file(get->digest, fd, from, size, &watcher, path, &get->client->box);
}

/* Ends the digest; CONFLICT when it is not that of the share. */
static int compare(GsGet *get)
{
	uint8_t sha256[GS_SHA256_BYTES];

	if (!gs_digest_end(get->digest, sha256))
		return gs_error_memory(&get->client->box);
	return memcmp(sha256, get->sha256, sizeof(sha256)) == 0 ? GS_CLIENT_OK : GS_CLIENT_CONFLICT;
}

/* Is there a file by the final name? *same: it has the share's content. CONFLICT: another one, and no leave to replace.
 */
static int look_at_output(GsGet *get, bool *same)
{
	GsErrorBox *box = &get->client->box;
	int fd = open(get->output, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st = {0};
	int status = GS_CLIENT_CONFLICT;

	*same = false;
	if (fd < 0 && errno == ENOENT && (lstat(get->output, &st) != 0 || get->want->force))
		return GS_CLIENT_OK;
	if (fd < 0 && errno == ENOENT)
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Remove it, or choose another name with -o FILE.",
							"%s is a symbolic link that leads nowhere", get->output);
	if (fd < 0)
		return gs_error_errno(box, NULL, "cannot open %s", get->output);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == get->size) {
		status = hash(get, fd, 0, st.st_size, get->output);
		if (status == GS_CLIENT_OK)
			status = compare(get);
	}
	close(fd);
	*same = status == GS_CLIENT_OK;
	if (status != GS_CLIENT_CONFLICT || (get->want->force && S_ISREG(st.st_mode)))
		return status == GS_CLIENT_CONFLICT ? GS_CLIENT_OK : status;
	return gs_error_set(box, GS_CLIENT_CONFLICT,
						"Choose another name with -o FILE, or replace it with --force (only a regular file).",
						"%s exists already and has another content", get->output);
}

static int restart_part(GsGet *get)
{
	uint8_t discarded[GS_SHA256_BYTES];

	get->at = 0;
	if (!gs_digest_end(get->digest, discarded))
		return gs_error_memory(&get->client->box);
	if (ftruncate(get->fd, 0) != 0)
		return gs_error_errno(&get->client->box, NULL, "cannot truncate %s", get->part);
	return GS_CLIENT_OK;
}

static int lock_part(GsGet *get, struct stat *st)
{
	GsErrorBox *box = &get->client->box;
	struct stat by_name;

	get->fd = open(get->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (get->fd < 0)
		return gs_error_errno(box, "Choose a directory that you can write to with -o FILE.", "cannot create %s",
							  get->part);
	if (flock(get->fd, LOCK_EX | LOCK_NB) != 0)
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Wait for it to end.", "another get is writing %s", get->part);
	if (fstat(get->fd, st) != 0)
		return gs_error_errno(box, NULL, "cannot stat %s", get->part);
	/* Between our open and our lock the other get may have ended and given the file its final name. */
	if (lstat(get->part, &by_name) != 0 || by_name.st_ino != st->st_ino || by_name.st_dev != st->st_dev)
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Run get again.", "another get has just ended with %s", get->part);
	get->part_is_ours = true;
	return GS_CLIENT_OK;
}

/* Reads the map behind the content. A part file that only looks as if it had one is begun anew. */
static int load_map(GsGet *get)
{
	size_t size = gs_map_bytes(get->size);
	uint8_t *bytes = malloc(size);
	bool right;

	if (bytes == NULL)
		return gs_error_memory(&get->client->box);
	right = pread(get->fd, bytes, size, get->size) == (ssize_t)size && gs_map_load(&get->map, bytes);
	free(bytes);
	return right ? GS_CLIENT_OK : restart_part(get);
}

/* From now on pieces may come in any order: before the first one does, the part file says so. */
static int begin_map(GsGet *get, const struct stat *st, GsPartPlan plan)
{
	uint8_t *bytes;
	int status = GS_CLIENT_OK;

	get->by_map = true;
	if (!gs_map_open(&get->map, get->size))
		return gs_error_memory(&get->client->box);
	if (plan == GS_PART_MAP)
		status = load_map(get);
	else if (plan == GS_PART_RESUME)
		for (size_t i = 0; i < get->map.pieces && gs_map_offset(&get->map, i + 1) <= st->st_size; i++)
			gs_map_put(&get->map, i);
	bytes = malloc(gs_map_bytes(get->size));
	if (status == GS_CLIENT_OK && bytes == NULL)
		status = gs_error_memory(&get->client->box);
	if (status == GS_CLIENT_OK) {
		gs_map_save(&get->map, bytes);
		status = gs_get_save_map(get, bytes);
	}
	free(bytes);
	return status;
}

static int64_t start_of_rest(const struct stat *st, GsPartPlan plan)
{
	return plan == GS_PART_RESUME || plan == GS_PART_WHOLE ? st->st_size : 0;
}

static int open_part(GsGet *get)
{
	GsErrorBox *box = &get->client->box;
	struct stat st;
	GsPartPlan plan;
	int64_t there;
	int status = lock_part(get, &st);

	if (status != GS_CLIENT_OK)
		return status;
	plan = gs_part_plan(&st, geteuid(), get->size, gs_map_bytes(get->size));
	if (plan == GS_PART_REFUSE)
		return gs_error_set(box, GS_CLIENT_LOCAL, "Look at it, remove it, then run get again.",
							"%s is not a file that this program made", get->part);
	there = start_of_rest(&st, plan);
	if (plan == GS_PART_START)
		status = restart_part(get);
	/* Space is claimed at once where the file system can: "no space" comes before the download, not in it. */
	if (status == GS_CLIENT_OK && get->size > there &&
		fallocate(get->fd, FALLOC_FL_KEEP_SIZE, there, get->size - there) != 0 && errno == ENOSPC)
		status = gs_error_errno(box, "Make room, or choose another place with -o FILE.", "cannot keep %s", get->part);
	if (status != GS_CLIENT_OK)
		return status;
	get->lanes = get->want->parallel;
	if (get->lanes == 0)
		get->lanes = get->size - there >= PARALLEL_MIN_BYTES ? GS_CLIENT_PARALLEL : 1;
	if (get->lanes > GS_CLIENT_PARALLEL_MAX)
		get->lanes = GS_CLIENT_PARALLEL_MAX;
	if (plan == GS_PART_MAP || (get->lanes > 1 && there < get->size))
		return begin_map(get, &st, plan);
	status = hash(get, get->fd, 0, there, get->part);
	get->at = there;
	return status;
}

static int64_t fetched(const GsGet *get)
{
	return get->by_map ? gs_map_had_bytes(&get->map) : get->at;
}

/* How many other devices of the designation can be asked. */
static size_t alternates_of(const GsGet *get)
{
	const json_t *list = json_object_get(get->designation, "alternates");
	size_t n = 0;

	while (json_is_string(json_object_get(json_array_get(list, n), "url")) &&
		   json_is_string(json_object_get(json_array_get(list, n), "ticket")))
		n++;
	return n;
}

/* Fetches until all is there: from the designated device, from its alternates at once when it fails, and after a pause
 * from whatever a new designation names. */
static int fetch_all(GsGet *get)
{
	int failures = 0;
	bool may_pass = false;

	while (fetched(get) < get->size) {
		int64_t before = fetched(get);
		GsGetNext next = get->by_map ? gs_get_ranges(get) : gs_get_fetch(get);
		int status = get->client->box.error.status;

		if (next == GS_GET_DONE)
			continue;
		failures = fetched(get) - before >= PROGRESS_BYTES ? 1 : failures + 1;
		if (failures == 1)
			get->wait.since_s = 0;
		may_pass = may_pass || next == GS_GET_AGAIN;
		if (next == GS_GET_FAIL || failures == FAILURES_MAX)
			return status;
		if (get->source < alternates_of(get)) {
			get->source++;
			continue;
		}
		if (!may_pass)
			return status;
		gs_session_await(&get->wait, "the storage device");
		gs_session_pause(get->client, &get->wait, failures, -1);
		status = designate(get);
		if (status != GS_CLIENT_OK)
			return status;
		may_pass = false;
	}
	return GS_CLIENT_OK;
}

/* What came out of order is read again for its digest, but for what lay in a row before. */
static int finish_digest(GsGet *get)
{
	GsErrorBox *box = &get->client->box;
	int status = GS_CLIENT_OK;

	if (get->by_map) {
		status = hash(get, get->fd, get->at, get->size, get->part);
		if (status == GS_CLIENT_OK && ftruncate(get->fd, get->size) != 0)
			status = gs_error_errno(box, NULL, "cannot truncate %s", get->part);
	}
	return status == GS_CLIENT_OK ? compare(get) : status;
}

/* The part file becomes the output, if it is what was promised. */
static int finish(GsGet *get)
{
	GsErrorBox *box = &get->client->box;
	int status = finish_digest(get);

	if (status == GS_CLIENT_CONFLICT)
		return gs_error_set(box, GS_CLIENT_DIGEST,
							"What was fetched is discarded. Tell the operator; another copy may be good later.",
							"the bytes received are not those that were shared (SHA-256 differs)");
	if (status != GS_CLIENT_OK)
		return status;
	if (fchmod(get->fd, get->want->mode != 0 ? get->want->mode & 0777 : 0600) != 0 || fsync(get->fd) != 0)
		return gs_error_errno(box, NULL, "cannot keep %s", get->part);
	status = gs_file_publish(get->part, get->output, get->want->force, box);
	if (status == GS_CLIENT_CONFLICT)
		return gs_error_set(box, GS_CLIENT_CONFLICT, "Choose another name with -o FILE, or use --force.",
							"%s has appeared meanwhile", get->output);
	return status;
}

/* To a descriptor: nobody can take back what was written. */
static int stream(GsGet *get)
{
	int status;

	get->fd = get->want->fd;
	status = fetch_all(get);
	if (status == GS_CLIENT_OK)
		status = compare(get);
	if (status != GS_CLIENT_CONFLICT || get->at < get->size)
		return status;
	return gs_error_set(&get->client->box, GS_CLIENT_DIGEST,
						"Do not use what was written. Run get again; tell the operator if it happens twice.",
						"the bytes received are not those that were shared (SHA-256 differs)");
}

/* The part file or a device's copy was damaged. All is fetched anew and in order: so a device that reads a whole object
 * finds its own damage, and sooner or later designations name it no more. The last turn does not rely on that. */
static int start_again(GsGet *get, bool last)
{
	int status;

	gs_error_clear(&get->client->box);
	gs_map_close(&get->map);
	get->by_map = false;
	get->lanes = 1;
	status = restart_part(get);
	if (status == GS_CLIENT_OK)
		status = designate(get);
	if (status == GS_CLIENT_OK && last && alternates_of(get) > 0)
		get->source = 1;
	return status;
}

static int fetch_and_finish(GsGet *get)
{
	int status = GS_CLIENT_OK;

	for (int turn = 1; status == GS_CLIENT_OK; turn++) {
		status = fetch_all(get);
		if (status == GS_CLIENT_OK)
			status = finish(get);
		if (status != GS_CLIENT_DIGEST)
			return status;
		status = turn < TURNS_MAX ? start_again(get, turn + 1 == TURNS_MAX) : status;
	}
	/* What is kept is to be gone on with: nothing of this is. */
	unlink(get->part);
	return status;
}

static int transfer(GsGet *get, bool *already)
{
	int status = designate(get);

	if (status == GS_CLIENT_OK && get->want->to_fd)
		return stream(get);
	if (status == GS_CLIENT_OK)
		status = choose_output(get);
	if (status == GS_CLIENT_OK)
		status = look_at_output(get, already);
	if (status != GS_CLIENT_OK || *already)
		return status;
	status = open_part(get);
	return status == GS_CLIENT_OK ? fetch_and_finish(get) : status;
}

/* A part file with nothing in it helps no later get. Ours is still locked; one that is not may be what another get has
 * just begun. */
static void drop_empty_part(const GsGet *get)
{
	struct stat st;

	if (get->part_is_ours && fstat(get->fd, &st) == 0 && st.st_size == 0)
		unlink(get->part);
}

/* What is left of a download that ended by a refusal. It is kept: the share may come back, by its owner or by a right,
 * and nobody but the user knows whether to wait for that. */
static void mention_part(const GsGet *get, int status)
{
	GsErrorBox *box = &get->client->box;
	char *hint;
	struct stat st;

	if (status != GS_CLIENT_NOT_FOUND && status != GS_CLIENT_DENIED && status != GS_CLIENT_CONFLICT)
		return;
	if (!get->part_is_ours || fstat(get->fd, &st) != 0 || st.st_size == 0)
		return;
	hint = gs_session_path(
		get->client,
		"%s%sWhat was fetched is kept in %s, for a get of the same content; remove it if there will be none.",
		box->hint, box->hint[0] != '\0' ? " " : "", get->part);
	if (hint != NULL)
		gs_error_hint(box, hint);
	free(hint);
}

int gs_client_get(GsClient *client, const GsClientGet *want, json_t **reply)
{
	GsGet get = {.client = client, .want = want, .fd = -1};
	bool already = false;
	int status;

	if (reply != NULL)
		*reply = NULL;
	gs_error_clear(&client->box);
	get.digest = gs_digest_open();
	status = get.digest != NULL ? transfer(&get, &already) : gs_error_memory(&client->box);
	if (status == GS_CLIENT_OK)
		status = gs_session_answer(
			client,
			json_pack("{s:O?, s:O?, s:O?, s:I, s:s, s:O?, s:s*, s:b}", "share",
					  json_object_get(get.designation, "share"), "name", json_object_get(get.designation, "name"),
					  "owner", json_object_get(get.designation, "owner"), "size", (json_int_t)get.size, "sha256",
					  designated(&get, "sha256"), "device", json_object_get(get.designation, "device"), "path",
					  get.output, "already", (int)already),
			reply);
	if (status != GS_CLIENT_OK && !want->to_fd) {
		mention_part(&get, status);
		drop_empty_part(&get);
	}
	if (get.fd >= 0 && !want->to_fd)
		close(get.fd);
	gs_map_close(&get.map);
	gs_digest_close(get.digest);
	free(get.part);
	free(get.output);
	json_decref(get.designation);
	return status;
}
