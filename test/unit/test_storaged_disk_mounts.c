/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/disk.o storaged/uuid.o */
/* libs: cmocka */
/* The disk on file systems that are not as it needs them: made in a mount namespace of its own, where the machine lets
 * a user have one; skipped elsewhere. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "storaged/disk.h"

#define NO_MOUNTS 77

static char root[64], error[256];

static const char *below(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void wrong(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, error);
	_exit(1);
}

static bool tell(const char *file, const char *text)
{
	FILE *to = fopen(file, "w");
	bool done = to != NULL && fputs(text, to) >= 0;

	return to != NULL && fclose(to) == 0 && done;
}

/* Who makes files there has to be somebody there, too. */
static bool become_root(void)
{
	char users[64], groups[64];

	snprintf(users, sizeof(users), "0 %u 1\n", (unsigned)geteuid());
	snprintf(groups, sizeof(groups), "0 %u 1\n", (unsigned)getegid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && tell("/proc/self/setgroups", "deny") &&
		   tell("/proc/self/uid_map", users) && tell("/proc/self/gid_map", groups);
}

/* Runs it in a child, as root of namespaces of its own, on an empty tmpfs. */
static void in_mounts(const char *options, void (*test)(void))
{
	int status;
	pid_t child;

	strcpy(root, "/tmp/gs-mounts-XXXXXX");
	assert_non_null(mkdtemp(root));
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (!become_root() || mount("tmpfs", root, "tmpfs", 0, options) != 0)
			_exit(NO_MOUNTS);
		test();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(rmdir(root), 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MOUNTS)
		skip();
	assert_int_equal(status, 0);
}

static void open_ok(GsDisk *disk)
{
	if (gs_disk_open(disk, root, error, sizeof(error)) != 0)
		wrong("open");
}

static void few_inodes(void)
{
	GsDiskSpace space;
	GsDisk disk;

	open_ok(&disk);
	if (gs_disk_space(&disk, &space) != 0 || space.free_bytes != 0 || space.total_bytes == 0)
		wrong("bytes without inodes are no room");
	if (mount("tmpfs", root, "tmpfs", MS_REMOUNT, "nr_inodes=100000,size=1m") != 0 ||
		gs_disk_space(&disk, &space) != 0 || space.free_bytes == 0)
		wrong("with inodes they are");
}

static void test_few_inodes(void **state)
{
	(void)state;
	in_mounts("nr_inodes=1000,size=1m", few_inodes);
}

static void read_only(void)
{
	GsDiskSpace space;
	GsDisk disk;

	open_ok(&disk);
	if (gs_disk_space(&disk, &space) != 0)
		wrong("it can be written");
	close(disk.lock); /* the only file that is open for writing */
	disk.lock = -1;
	if (mount("tmpfs", root, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) != 0 || gs_disk_space(&disk, &space) != -EROFS)
		wrong("a read-only one is told");
}

static void test_read_only(void **state)
{
	(void)state;
	in_mounts("size=1m", read_only);
}

static void two_mounts(void)
{
	static const char *const names[] = {"staging", "journal", "objects", "quarantine"};
	GsDisk disk;

	open_ok(&disk);
	gs_disk_close(&disk);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		/* of the same file system: rename(2) refuses that as well */
		if (mount(below(names[i]), below(names[i]), NULL, MS_BIND, NULL) != 0)
			_exit(NO_MOUNTS);
		if (gs_disk_open(&disk, root, error, sizeof(error)) == 0)
			wrong(names[i]);
		if (strstr(error, "on one mount") == NULL)
			wrong("another reason");
		if (umount(below(names[i])) != 0)
			wrong("umount");
	}
	open_ok(&disk);
}

static void test_two_mounts(void **state)
{
	(void)state;
	in_mounts("size=1m", two_mounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_few_inodes), cmocka_unit_test(test_read_only),
									   cmocka_unit_test(test_two_mounts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
