/* SPDX-License-Identifier: PostgreSQL */
/* The files that `put` was asked for, with those in folders, and what each is to be called. */
#ifndef GS_CLI_FILES_H
#define GS_CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cli/cli.h"

typedef struct CliFile {
	char *path;
	char *name; /* of the share */
	uint64_t size;
} CliFile;

typedef struct CliFiles {
	CliFile *list;
	size_t count;
	size_t room;
	uint64_t bytes;
	size_t skipped; /* links and other things in folders that are no files */
} CliFiles;

/*
 * Adds an operand: a file, or all files below a folder in the order of their paths, symbolic links not followed.
 * separator NULL: a file is called by its last component; else one of a folder by its path from the folder's name on,
 * with `separator` for each slash. CLI_OK, or the failure is printed; what could be read is added even then.
 */
int cli_files_add(Cli *cli, CliFiles *files, const char *operand, const char *separator);

/* No two have the same name, but for the same file named twice: CLI_OK; else says which do, and how to tell them apart.
 */
int cli_files_check(const Cli *cli, const CliFiles *files);

void cli_files_free(CliFiles *files);

#endif
