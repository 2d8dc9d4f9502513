/* SPDX-License-Identifier: PostgreSQL */
/*
 * Folders. A share's name has no slash, so a tree is flattened. Nothing is lost silently by that: two files that would
 * get one name are refused before anything is sent, and nothing but plain files is followed.
 */
#include "client/cli/files.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/print.h"
#include "client/compose.h"
#include "client/name.h"

#define FILES_MAX 100000

static int no_memory(void)
{
	fputs("groupshare: out of memory\n", stderr);
	return CLI_FAILED;
}

/* `name` is freed. */
static int add(const Cli *cli, CliFiles *files, const char *path, char *name, uint64_t size)
{
	char *composed = name != NULL ? gs_compose(name) : NULL;
	CliFile *file;

	free(name);
	name = composed;
	if (files->count == FILES_MAX) {
		free(name);
		return cli_complain(cli, path, "too many files for one put");
	}
	if (files->count == files->room) {
		size_t room = files->room == 0 ? 16 : 2 * files->room;
		CliFile *grown = realloc(files->list, room * sizeof(*grown));

		if (grown == NULL) {
			free(name);
			return no_memory();
		}
		files->list = grown;
		files->room = room;
	}
	file = &files->list[files->count];
	*file = (CliFile){.path = strdup(path), .name = name, .size = size};
	if (file->path == NULL || name == NULL) {
		free(file->path);
		free(name);
		return no_memory();
	}
	files->count++;
	files->bytes += size;
	return CLI_OK;
}

/* "a/b/c" -> "a - b - c"; malloc'd. */
static char *join(const char *path, const char *separator)
{
	size_t slashes = 0;
	char *name;
	char *to;

	for (const char *c = path; *c != '\0'; c++)
		slashes += *c == '/';
	name = malloc(strlen(path) + slashes * strlen(separator) + 1);
	if (name == NULL)
		return NULL;
	to = name;
	for (const char *c = path; *c != '\0'; c++) {
		if (*c == '/')
			to = stpcpy(to, separator);
		else
			*to++ = *c;
	}
	*to = '\0';
	return name;
}

/* Where the folder's own name begins in `operand`, which has no slash at its end; ".", ".." and "/" have none. */
static size_t name_at(const char *operand)
{
	const char *name = gs_name_of_path(operand);

	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return strlen(operand) + (name[0] != '\0');
	return (size_t)(name - operand);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int visit(const Cli *cli, CliFiles *files, const FTSENT *entry, const char *separator, size_t skip)
{
	switch (entry->fts_info) {
	case FTS_F:
		return add(cli, files, entry->fts_path,
				   separator != NULL ? join(entry->fts_path + skip, separator) : strdup(entry->fts_name),
				   (uint64_t)entry->fts_statp->st_size);
	case FTS_D:
	case FTS_DP:
		return CLI_OK;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return cli_complain(cli, entry->fts_path, strerror(entry->fts_errno));
	default:
		files->skipped++;
		return CLI_OK;
	}
}

static int walk(const Cli *cli, CliFiles *files, char *folder, const char *separator)
{
	char *roots[] = {folder, NULL};
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	size_t skip = name_at(folder);
	int result = CLI_OK;
	FTSENT *entry;

	if (tree == NULL)
		return no_memory();
	while ((entry = fts_read(tree)) != NULL) {
		int code = visit(cli, files, entry, separator, skip);

		result = result == CLI_OK ? code : result;
		if (files->count == FILES_MAX)
			break;
	}
	fts_close(tree);
	return result;
}

int cli_files_add(Cli *cli, CliFiles *files, const char *operand, const char *separator)
{
	struct stat st = {0};
	char *folder;
	int code;

	/* What can't be looked at is put's to complain about. */
	if (stat(operand, &st) != 0 || !S_ISDIR(st.st_mode))
		return add(cli, files, operand, strdup(gs_name_of_path(operand)), (uint64_t)st.st_size);
	folder = strdup(operand);
	if (folder == NULL)
		return no_memory();
	for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
		folder[n - 1] = '\0';
	code = walk(cli, files, folder, separator);
	free(folder);
	return code;
}

static int compare(const void *a, const void *b)
{
	const CliFile *const *left = a;
	const CliFile *const *right = b;

	int order = strcmp((*left)->name, (*right)->name);

	return order != 0 ? order : strcmp((*left)->path, (*right)->path);
}

/* A path whose every character can be told from one that only looks like it; malloc'd. */
static char *spell(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (size_t n; *path != '\0'; path += n > 0 ? n : 1) {
		n = gs_utf8_length(path);
		if (n > 1)
			fprintf(out, "\\u{%x}", gs_utf8_code(path));
		else
			fputc(*path, out);
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static int refuse_twins(const Cli *cli, const CliFile *a, const CliFile *b)
{
	char *paths[] = {gs_compose(a->path), gs_compose(b->path), spell(a->path), spell(b->path)};
	int code;

	if (paths[0] == NULL || paths[1] == NULL || paths[2] == NULL || paths[3] == NULL)
		code = no_memory();
	else if (strcmp(paths[0], paths[1]) != 0)
		code = cli_usage(cli, "%s and %s would both be called \"%s\": tell them apart with --paths SEPARATOR", a->path,
						 b->path, a->name);
	else
		code = cli_usage(cli,
						 "%s and %s differ only in how their accents are written, and would both be called \"%s\": "
						 "rename one, or put it alone with --as NAME",
						 paths[2], paths[3], a->name);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		free(paths[i]);
	return code;
}

int cli_files_check(const Cli *cli, const CliFiles *files)
{
	const CliFile **sorted = malloc((files->count + 1) * sizeof(*sorted));
	int code = CLI_OK;

	if (sorted == NULL)
		return no_memory();
	for (size_t i = 0; i < files->count; i++)
		sorted[i] = &files->list[i];
	qsort(sorted, files->count, sizeof(*sorted), compare);
	for (size_t i = 1; i < files->count && code == CLI_OK; i++) {
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0 && strcmp(sorted[i - 1]->path, sorted[i]->path) != 0)
			code = refuse_twins(cli, sorted[i - 1], sorted[i]);
	}
	free(sorted);
	return code;
}

void cli_files_free(CliFiles *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->list[i].path);
		free(files->list[i].name);
	}
	free(files->list);
	*files = (CliFiles){0};
}
