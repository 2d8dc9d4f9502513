/* SPDX-License-Identifier: PostgreSQL */
/*
 * Preloaded into the storage daemon by tests: counts its calls on files below GS_FAULTS_ROOT, and its allocations, and
 * lets chosen ones fail, fall short, be skipped or be the process's last. GS_FAULTS_CONTROL names the file of faults.h;
 * it is armed and disarmed while the daemon runs. Wrapped are the calls that storaged makes; one that is missing here
 * is noticed by test/t/400_calls.t, which compares with the program's imports.
 */
#include "test/faults/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define RANGES_MAX 32

typedef struct Range {
	uintptr_t from, to;
	uint32_t call;
	const char *name; /* of the library */
} Range;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static Control *control;
static const char *root;
static Range ranges[RANGES_MAX];
static size_t range_count;
static __thread bool inside; /* our own calls are nobody's */

/* Code of the program is CALL_MALLOC, of the libraries that can be told that memory is out CALL_LIBRARY. */
static int add_ranges(struct dl_phdr_info *info, size_t size, void *data)
{
	static const char *const told[] = {"libnghttp2", "libssl", "libcrypto", "libjansson", "libpq"};
	size_t *object = data;
	uint32_t call = (*object)++ == 0 ? CALL_MALLOC : 0;
	const char *name = "program";

	(void)size;
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]) && call == 0; i++)
		if (strstr(info->dlpi_name, told[i]) != NULL) {
			call = CALL_LIBRARY;
			name = told[i];
		}
	for (int i = 0; i < info->dlpi_phnum && call != 0; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 && range_count < RANGES_MAX)
			ranges[range_count++] = (Range){from, from + segment->p_memsz, call, name};
	}
	return 0;
}

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("GS_FAULTS_CONTROL");
	size_t object = 0;
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *mapped = fd >= 0 ? mmap(NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (fd >= 0)
		close(fd);
	root = getenv("GS_FAULTS_ROOT");
	if (mapped == MAP_FAILED || root == NULL)
		return;
	dl_iterate_phdr(add_ranges, &object);
	control = mapped;
}

static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return function;
}

/* Declares `next`, the function that this one stands before. */
#define NEXT(name)                   \
	static __typeof__(&(name)) next; \
	if (next == NULL)                \
	next = (__typeof__(next))real(#name)

static bool below_root(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t size;
	size_t root_size = strlen(root);

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	size = readlink(link, path, PATH_MAX - 1);
	if (size < 0)
		return false;
	path[size] = '\0';
	return strncmp(path, root, root_size) == 0 && (path[root_size] == '/' || path[root_size] == '\0');
}

/* Counts the call if it is one of those. 0, or the effect that it is to have. */
static uint32_t hit(const char *call, const char *path, const char *name)
{
	char what[sizeof(control->what)];
	size_t most = sizeof(what) - strlen(call) - strlen(name) - 3;
	uint32_t number;

	snprintf(what, sizeof(what), "%s %s%s%s", call, strlen(path) > most ? path + strlen(path) - most : path,
			 name[0] != '\0' ? "/" : "", name);
	if (control->only[0] != '\0' && strstr(what, control->only) == NULL)
		return 0;
	number = ++control->count;
	if (number < control->first || number > control->last)
		return 0;
	control->hits++;
	strcpy(control->what, what);
	if (control->effect == EFFECT_KILL)
		kill(getpid(), SIGKILL);
	if (control->effect == EFFECT_SLOW)
		usleep((useconds_t)control->error * 1000);
	return control->effect == EFFECT_SLOW ? 0 : control->effect;
}

static bool wanted(uint32_t call)
{
	return control != NULL && control->armed != 0 && (control->calls & call) != 0 && !inside;
}

/* A call on a name in the directory that `fd` is; "": on that itself. */
static uint32_t on_name(uint32_t call, const char *function, int fd, const char *name)
{
	char path[PATH_MAX];
	uint32_t effect = 0;
	int saved = errno;

	if (!wanted(call))
		return 0;
	inside = true;
	if (below_root(fd, path))
		effect = hit(function, path + strlen(root), name);
	inside = false;
	errno = effect == EFFECT_FAIL ? control->error : saved;
	return effect;
}

static uint32_t on_file(uint32_t call, const char *function, int fd)
{
	return on_name(call, function, fd, "");
}

static uint32_t on_memory(const char *function, const void *caller)
{
	uintptr_t address = (uintptr_t)caller;
	uint32_t effect = 0;

	if (!wanted(CALL_MALLOC | CALL_LIBRARY))
		return 0;
	inside = true;
	for (size_t i = 0; i < range_count; i++)
		if (address >= ranges[i].from && address < ranges[i].to && (control->calls & ranges[i].call) != 0)
			effect = hit(function, ranges[i].name, "");
	inside = false;
	if (effect != 0)
		errno = ENOMEM;
	return effect;
}

/* Allocations ---------------------------------------------------------------------------------------------------------
 */

void *malloc(size_t size)
{
	return on_memory("malloc", __builtin_return_address(0)) != 0 ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return on_memory("calloc", __builtin_return_address(0)) != 0 ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return on_memory("realloc", __builtin_return_address(0)) != 0 ? NULL : __libc_realloc(old, size);
}

/* Files ---------------------------------------------------------------------------------------------------------------
 */

int open(const char *path, int flags, ...)
{
	NEXT(open);
	va_list arguments;
	mode_t mode;
	bool ours = root != NULL && strncmp(path, root, strlen(root)) == 0 && wanted(CALL_OPEN);

	va_start(arguments, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	if (ours && hit("open", path + strlen(root), "") != 0) {
		errno = control->error;
		return -1;
	}
	return next(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	NEXT(openat);
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return on_name(CALL_OPEN, "openat", dir, path) != 0 ? -1 : next(dir, path, flags, mode);
}

ssize_t read(int fd, void *buffer, size_t size)
{
	NEXT(read);
	uint32_t effect = on_file(CALL_READ, "read", fd);

	return effect == EFFECT_FAIL ? -1 : next(fd, buffer, effect == EFFECT_SHORT && size > 1 ? size / 2 : size);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
	NEXT(pread);
	uint32_t effect = on_file(CALL_READ, "pread", fd);

	return effect == EFFECT_FAIL ? -1 : next(fd, buffer, effect == EFFECT_SHORT && size > 1 ? size / 2 : size, offset);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
	NEXT(preadv2);
	uint32_t effect = on_file(CALL_READ, "preadv2", fd);
	struct iovec half = {.iov_base = parts[0].iov_base, .iov_len = parts[0].iov_len / 2};

	if (effect == EFFECT_FAIL)
		return -1;
	if (effect == EFFECT_SHORT && parts[0].iov_len > 1)
		return next(fd, &half, 1, offset, flags);
	return next(fd, parts, count, offset, flags);
}

ssize_t write(int fd, const void *buffer, size_t size)
{
	NEXT(write);
	uint32_t effect = on_file(CALL_WRITE, "write", fd);

	return effect == EFFECT_FAIL ? -1 : next(fd, buffer, effect == EFFECT_SHORT && size > 1 ? size / 2 : size);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
	NEXT(pwrite);
	uint32_t effect = on_file(CALL_WRITE, "pwrite", fd);

	return effect == EFFECT_FAIL ? -1 : next(fd, buffer, effect == EFFECT_SHORT && size > 1 ? size / 2 : size, offset);
}

static bool is_directory(int fd)
{
	struct stat status;
	bool directory;

	inside = true;
	directory = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
	inside = false;
	return directory;
}

int fsync(int fd)
{
	NEXT(fsync);
	bool directory = wanted(CALL_SYNC | CALL_SYNC_DIR) && is_directory(fd);
	uint32_t effect = on_file(directory ? CALL_SYNC_DIR : CALL_SYNC, "fsync", fd);

	return effect == EFFECT_FAIL ? -1 : effect == EFFECT_SKIP ? 0 : next(fd);
}

int fdatasync(int fd)
{
	NEXT(fdatasync);
	uint32_t effect = on_file(CALL_SYNC, "fdatasync", fd);

	return effect == EFFECT_FAIL ? -1 : effect == EFFECT_SKIP ? 0 : next(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags)
{
	NEXT(sync_file_range);
	uint32_t effect = on_file(CALL_SYNC, "sync_file_range", fd);

	return effect == EFFECT_FAIL ? -1 : effect == EFFECT_SKIP ? 0 : next(fd, offset, size, flags);
}

int posix_fallocate(int fd, off_t offset, off_t size)
{
	NEXT(posix_fallocate);

	return on_file(CALL_ALLOCATE, "posix_fallocate", fd) != 0 ? control->error : next(fd, offset, size);
}

int renameat(int from_dir, const char *from, int dir, const char *name)
{
	NEXT(renameat);

	return on_name(CALL_RENAME, "renameat", dir, name) != 0 ? -1 : next(from_dir, from, dir, name);
}

int unlinkat(int dir, const char *name, int flags)
{
	NEXT(unlinkat);

	return on_name(CALL_UNLINK, "unlinkat", dir, name) != 0 ? -1 : next(dir, name, flags);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
	NEXT(mkdirat);

	return on_name(CALL_MKDIR, "mkdirat", dir, name) != 0 ? -1 : next(dir, name, mode);
}

int fstat(int fd, struct stat *status)
{
	NEXT(fstat);

	return on_file(CALL_STAT, "fstat", fd) != 0 ? -1 : next(fd, status);
}

int fstatat(int dir, const char *name, struct stat *status, int flags)
{
	NEXT(fstatat);

	return on_name(CALL_STAT, "fstatat", dir, name) != 0 ? -1 : next(dir, name, status, flags);
}

/* Asked of descriptors only, with an empty name. */
int statx(int fd, const char *name, int flags, unsigned mask, struct statx *status)
{
	NEXT(statx);

	return on_file(CALL_STAT, "statx", fd) != 0 ? -1 : next(fd, name, flags, mask, status);
}

int fstatvfs(int fd, struct statvfs *status)
{
	NEXT(fstatvfs);

	return on_file(CALL_STAT, "fstatvfs", fd) != 0 ? -1 : next(fd, status);
}

int faccessat(int dir, const char *name, int mode, int flags)
{
	NEXT(faccessat);

	return on_name(CALL_STAT, "faccessat", dir, name) != 0 ? -1 : next(dir, name, mode, flags);
}
