/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/disk.o storaged/journal.o storaged/stage.o storaged/sidecar.o storaged/codec.o storaged/uuid.o */
/* objects: storaged/stage_resume.o storaged/progress.o daemon/json_text.o */
/* libs: cmocka jansson libcrypto */
/* The disk's own promises, on a real directory: lock, epoch, an upload's steps, and that no name leads out of the root.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "storaged/journal.h"
#include "storaged/progress.h"
#include "storaged/stage.h"

static char root[64];
static GsDisk disk;
static GsUuid object, server;
static const GsOrigin nobody;

static int set_up(void **state)
{
	char error[256];

	(void)state;
	strcpy(root, "/tmp/gs-disk-XXXXXX");
	if (mkdtemp(root) == NULL || !gs_uuid_parse("01234567-1111-7222-8333-4444444444ab", &object) ||
		!gs_uuid_parse("5e5e5e5e-1111-4222-8333-444444444444", &server))
		return -1;
	return gs_disk_open(&disk, root, error, sizeof(error));
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	gs_disk_close(&disk);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static bool exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int shard(void)
{
	int fd = gs_disk_shard(&disk, &object, true);

	assert_true(fd >= 0);
	return fd;
}

static void store(const char *text)
{
	GsSidecar sidecar = {.server = server};
	GsStage stage;

	assert_int_equal(gs_stage_open(&stage, &disk, &object, strlen(text)), GS_STAGE_OK);
	assert_int_equal(gs_stage_write(&stage, (const uint8_t *)text, strlen(text)), GS_STAGE_OK);
	assert_int_equal(gs_stage_commit(&stage, &sidecar, &nobody, NULL), GS_STAGE_OK);
}

static void test_lock(void **state)
{
	char error[256] = "";
	GsDisk second;

	(void)state;
	assert_int_not_equal(gs_disk_open(&second, root, error, sizeof(error)), 0);
	assert_non_null(strstr(error, "another groupshare-storaged"));
	gs_disk_close(&disk);
	assert_int_equal(gs_disk_open(&second, root, error, sizeof(error)), 0);
	disk = second;
	assert_int_not_equal(gs_disk_open(&second, "/nonexistent", error, sizeof(error)), 0);
}

static void test_epoch(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(gs_disk_next_epoch(&disk, 1000), 1000);
	assert_int_equal(gs_disk_next_epoch(&disk, 2000), 2000);
	assert_int_equal(gs_disk_next_epoch(&disk, 500), 2001); /* the clock went back */
	assert_int_equal(gs_disk_next_epoch(&disk, 2001), 2002);
	fd = openat(disk.root, "epoch", O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "rubbish", 7), 7);
	close(fd);
	assert_true(gs_disk_next_epoch(&disk, 3000) < 0); /* never guessed: an older daemon could win */
}

static void test_commit(void **state)
{
	GsSidecar sidecar;
	struct stat status;
	uint64_t freed;
	int dir = shard(), fd;

	(void)state;
	store("some bytes");
	assert_true(exists(dir, object.text));
	assert_false(exists(disk.staging, object.text));
	assert_int_equal(gs_journal_read(&disk, &object, &sidecar), 0);
	assert_int_equal(sidecar.size_bytes, 10);
	assert_true(gs_uuid_equal(&sidecar.server, &server));
	assert_int_equal(gs_journal_settle(&disk, &object), 0);
	assert_int_equal(gs_journal_read(&disk, &object, &sidecar), 0);
	fd = gs_disk_open_object(&disk, &object);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, 10);
	close(fd);
	assert_int_equal(gs_journal_remove(&disk, &object, &freed), 0);
	assert_int_equal(freed, 10);
	assert_int_equal(gs_journal_read(&disk, &object, &sidecar), -ENOENT);
	assert_int_equal(gs_disk_open_object(&disk, &object), -ENOENT);
	assert_int_equal(gs_journal_remove(&disk, &object, &freed), 0); /* again */
	assert_int_equal(freed, 0);
	/* A crash amid a removal leaves the sidecar alone. */
	store("some bytes");
	assert_int_equal(gs_disk_unlink(dir, object.text), 0);
	assert_int_equal(gs_journal_remove(&disk, &object, &freed), 0);
	assert_int_equal(freed, 0);
	close(dir);
}

static void test_refused(void **state)
{
	GsSidecar sidecar = {.server = server};
	uint8_t wrong[GS_SHA256_BYTES] = {0};
	GsStage stage;

	(void)state;
	assert_int_equal(gs_stage_open(&stage, &disk, &object, 4), GS_STAGE_OK);
	assert_true(exists(disk.staging, object.text));
	assert_int_equal(gs_stage_write(&stage, (const uint8_t *)"abcd", 4), GS_STAGE_OK);
	assert_int_equal(gs_stage_commit(&stage, &sidecar, &nobody, wrong), GS_STAGE_DIGEST);
	assert_true(gs_stage_discard(&stage));
	assert_false(exists(disk.staging, object.text));
	assert_int_equal(gs_journal_read(&disk, &object, &sidecar), -ENOENT);
	/* More than any disk has; found before a byte is taken from the others. */
	assert_int_equal(gs_stage_open(&stage, &disk, &object, (uint64_t)1 << 52), GS_STAGE_NO_ROOM);
	assert_true(gs_stage_discard(&stage));
	assert_false(exists(disk.staging, object.text));
}

/* Preallocated, written in many parts over more than a write-behind window. */
static void test_large(void **state)
{
	static uint8_t part[1 << 20];
	GsSidecar sidecar = {.server = server};
	struct stat status;
	GsStage stage;

	(void)state;
	assert_int_equal(gs_stage_open(&stage, &disk, &object, 20 * sizeof(part)), GS_STAGE_OK);
	assert_int_equal(fstatat(disk.staging, object.text, &status, 0), 0);
	assert_int_equal(status.st_size, 20 * sizeof(part));
	assert_true((uint64_t)status.st_blocks * 512 >= 20 * sizeof(part));
	for (int i = 0; i < 20; i++)
		assert_int_equal(gs_stage_write(&stage, part, sizeof(part)), GS_STAGE_OK);
	assert_int_equal(gs_stage_commit(&stage, &sidecar, &nobody, NULL), GS_STAGE_OK);
	assert_int_equal(sidecar.size_bytes, 20 * sizeof(part));
}

static void test_damaged_sidecar(void **state)
{
	char name[GS_DISK_NAME_MAX], text[GS_SIDECAR_MAX_BYTES];
	GsSidecar sidecar;
	GsUuid other = object;
	ssize_t size;
	int fd;

	(void)state;
	store("x");
	gs_disk_name(&object, true, name);
	size = gs_disk_read_small(disk.journal, name, text, sizeof(text));
	assert_true(size > 0);
	/* One object's sidecar under another's name. */
	other.text[0] = 'b';
	gs_disk_name(&other, true, name);
	assert_int_equal(gs_disk_write_small(disk.journal, name, text, (size_t)size), 0);
	assert_int_equal(gs_journal_read(&disk, &other, &sidecar), -EBADMSG);
	gs_disk_name(&object, true, name);
	fd = openat(disk.journal, name, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "{", 1), 1);
	assert_int_equal(gs_journal_read(&disk, &object, &sidecar), -EBADMSG);
	assert_int_equal(write(fd, root, sizeof(root)) + 1, sizeof(root) + 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(write(fd, text, (size_t)size), size);
	close(fd);
	assert_int_equal(gs_journal_read(&disk, &object, &sidecar), -EFBIG);
}

/* Somebody else's link where an object, a shard or a staged file should be. */
static void test_links(void **state)
{
	int dir = shard();
	GsStage stage;

	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", dir, object.text), 0);
	assert_int_equal(gs_disk_open_object(&disk, &object), -ELOOP);
	close(dir);
	assert_int_equal(symlinkat("/etc/passwd", disk.staging, object.text), 0);
	assert_int_equal(gs_stage_open(&stage, &disk, &object, 1), GS_STAGE_FAILED);
	assert_int_equal(stage.error, ELOOP);
	assert_true(gs_stage_discard(&stage));
	assert_int_equal(unlinkat(disk.objects, "ab", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("/tmp", disk.objects, "ab"), 0);
	assert_int_equal(gs_disk_shard(&disk, &object, true), -ENOTDIR);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void open_part(GsStage *stage, uint64_t size)
{
	assert_int_equal(gs_stage_open_resumable(stage, &disk, &object, &server, size, 1234), GS_STAGE_OK);
}

static void add(GsStage *stage, const char *text)
{
	assert_int_equal(gs_stage_write(stage, (const uint8_t *)text, strlen(text)), GS_STAGE_OK);
}

static uint64_t recorded(void)
{
	GsProgress progress;

	assert_int_equal(gs_progress_read(&disk, &object, &progress), 0);
	assert_true(gs_uuid_equal(&progress.server, &server));
	return progress.offset_bytes;
}

static void test_resume(void **state)
{
	GsSidecar sidecar = {.server = server}, whole;
	GsProgress progress;
	uint64_t freed;
	GsStage stage;

	(void)state;
	store("some bytes");
	assert_int_equal(gs_journal_read(&disk, &object, &whole), 0);
	assert_int_equal(gs_journal_remove(&disk, &object, &freed), 0);
	open_part(&stage, 10);
	assert_int_equal(recorded(), 0);
	add(&stage, "some ");
	assert_int_equal(recorded(), 0); /* written is not durable */
	assert_int_equal(gs_stage_pause(&stage), GS_STAGE_OK);
	assert_int_equal(recorded(), 5);
	/* The daemon is started again: the digest is made anew. */
	gs_stage_close(&stage);
	assert_int_equal(gs_progress_read(&disk, &object, &progress), 0);
	gs_stage_recall(&stage, &disk, &progress);
	assert_int_equal(gs_stage_resume(&stage, 99), GS_STAGE_OK);
	assert_int_equal(stage.until_s, 1234);
	assert_int_equal(stage.hashed_bytes, 0);
	assert_int_equal(gs_stage_catch_up(&stage), GS_STAGE_OK);
	assert_int_equal(stage.hashed_bytes, 5);
	/* A body that proves wrong is undone, one that is right stays. */
	assert_int_equal(gs_stage_mark(&stage), GS_STAGE_OK);
	add(&stage, "wrong");
	assert_int_equal(gs_stage_pause(&stage), GS_STAGE_OK);
	assert_int_equal(recorded(), 5);
	assert_int_equal(gs_stage_resume(&stage, 5678), GS_STAGE_OK);
	assert_int_equal(gs_stage_mark(&stage), GS_STAGE_OK);
	add(&stage, "byt");
	gs_stage_keep(&stage);
	assert_int_equal(gs_stage_pause(&stage), GS_STAGE_OK);
	assert_int_equal(recorded(), 8);
	assert_int_equal(gs_stage_resume(&stage, 0), GS_STAGE_OK);
	assert_int_equal(stage.until_s, 5678);
	add(&stage, "es");
	assert_int_equal(gs_stage_commit(&stage, &sidecar, &nobody, whole.sha256), GS_STAGE_OK);
	assert_int_equal(gs_progress_read(&disk, &object, &progress), -ENOENT);
	assert_false(exists(disk.staging, object.text));
}

static void test_start_over(void **state)
{
	GsProgress progress;
	GsStage stage;

	(void)state;
	open_part(&stage, 10);
	add(&stage, "some");
	assert_int_equal(gs_stage_pause(&stage), GS_STAGE_OK);
	gs_stage_close(&stage);
	assert_int_equal(gs_stage_open(&stage, &disk, &object, 3), GS_STAGE_OK);
	assert_int_equal(gs_progress_read(&disk, &object, &progress), -ENOENT);
	assert_true(gs_stage_discard(&stage));
	/* What was staged has changed its size, or is gone: never gone on with. */
	open_part(&stage, 10);
	assert_int_equal(gs_stage_pause(&stage), GS_STAGE_OK);
	assert_int_equal(unlinkat(disk.staging, object.text, 0), 0);
	assert_int_equal(gs_stage_resume(&stage, 0), GS_STAGE_FAILED);
	assert_true(gs_stage_discard(&stage));
	assert_int_equal(gs_progress_read(&disk, &object, &progress), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {ON_DISK(test_resume), ON_DISK(test_start_over),      ON_DISK(test_lock),
									   ON_DISK(test_epoch),  ON_DISK(test_commit),          ON_DISK(test_refused),
									   ON_DISK(test_large),  ON_DISK(test_damaged_sidecar), ON_DISK(test_links)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
