/* SPDX-License-Identifier: PostgreSQL */
/*
 * Durable files: write to a temporary name, fsync, rename, fsync the directory. All return 0 or GS_CLIENT_LOCAL /
 * GS_CLIENT_NO_MEMORY with the reason in `box`, but where said.
 */
#ifndef GS_CLIENT_FILE_H
#define GS_CLIENT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/error.h"

/* Makes `path` and its missing parents with mode 0700. */
__attribute__((warn_unused_result)) int gs_file_make_directory(const char *path, GsErrorBox *box);

/* All of it, however many calls it takes. 0, or -1 with errno. */
__attribute__((warn_unused_result)) int gs_file_write_all(int fd, const char *data, size_t size);

/*
 * `path` holds exactly `data` (mode 0600) or what it held before, also after a power cut. `replace` false: an existing
 * file is left alone and the result is GS_CLIENT_CONFLICT.
 */
__attribute__((warn_unused_result)) int gs_file_write(const char *path, const void *data, size_t size, bool replace,
													  GsErrorBox *box);

/*
 * Gives the fsynced file `from` the name `to` in the same directory, durably. `replace` false and `to` exists:
 * GS_CLIENT_CONFLICT.
 */
__attribute__((warn_unused_result)) int gs_file_publish(const char *from, const char *to, bool replace,
														GsErrorBox *box);

/*
 * Reads a whole file of at most `max` bytes; *data is malloc'd and ends with a NUL that *size does not count. *data is
 * NULL and the result 0 when there is no such file. `secret`: refuses one that others can read or that is not ours.
 */
__attribute__((warn_unused_result)) int gs_file_read(const char *path, size_t max, bool secret, char **data,
													 size_t *size, GsErrorBox *box);

#endif
