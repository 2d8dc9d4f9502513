/* SPDX-License-Identifier: PostgreSQL */
/* put (spec U1-U4): files, folders, standard input. */
#include "client/cli/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/files.h"
#include "client/cli/print.h"
#include "client/cli/progress.h"
#include "client/cli/tally.h"

#define PUT_GROUPS_MAX 100

typedef struct Put {
	GsClientPut one;
	const char *separator; /* of --paths */
	const char *references[PUT_GROUPS_MAX];
	const char *ids[PUT_GROUPS_MAX];
	char id_texts[PUT_GROUPS_MAX][37];
	CliFiles files;
	CliProgress progress;
	CliTally tally;
} Put;

enum { OPTION_AS = CLI_OWN_OPTION, OPTION_GROUP, OPTION_PATHS, OPTION_SIZE };

static void print_put(const Cli *cli, const json_t *reply)
{
	bool already = json_is_true(json_object_get(reply, "already"));
	bool pending = strcmp(cli_member(reply, "state", ""), "receipt_pending") == 0;
	char size[CLI_SIZE_TEXT];

	cli_format_size(size, (uint64_t)json_integer_value(json_object_get(reply, "size")));
	cli_print(stdout, cli_member(reply, "name", "-"));
	printf(": %s, %s on device ", size, already ? "was stored already" : "stored");
	cli_print(stdout, cli_member(reply, "device", "-"));
	putchar('\n');
	if (pending)
		cli_note(cli, "The bytes are safe; the others see them as soon as the control server is back.");
	if (json_is_true(json_object_get(reply, "changed")))
		cli_note(cli, "The file has changed since: what is shared is what it was when put began.");
}

static int put_one(Cli *cli, Put *put, uint64_t size)
{
	bool already = false;
	json_t *reply;
	int status;

	cli_progress_next(&put->progress, put->one.name != NULL ? put->one.name : put->one.path);
	put->one.progress = cli_progress_show;
	put->one.progress_arg = &put->progress;
	status = gs_client_put(cli->client, &put->one, &reply);
	if (status == GS_CLIENT_OK)
		already = json_is_true(json_object_get(reply, "already"));
	cli_progress_done(&put->progress, size, status == GS_CLIENT_OK && !already);
	cli_tally_add(&put->tally, status == GS_CLIENT_OK, already);
	if (status != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply))
		print_put(cli, reply);
	return cli_done(cli, reply);
}

/* One failure does not keep the others from being shared; the first one's code is the program's. */
static int put_files(Cli *cli, Put *put, int result)
{
	const char *name = put->one.name;

	for (size_t i = 0; i < put->files.count; i++) {
		const CliFile *file = &put->files.list[i];
		int code;

		put->one.path = file->path;
		put->one.name = name != NULL ? name : file->name;
		cli->subject = put->files.count > 1 ? file->path : NULL;
		code = put_one(cli, put, file->size);
		result = result == CLI_OK ? code : result;
	}
	cli->subject = NULL;
	if (put->files.skipped > 0)
		cli_note(cli, "Left out, since they are no plain files: %zu.", put->files.skipped);
	if (put->files.count == 0)
		cli_note(cli, "There is no file to share.");
	cli_tally_note(cli, &put->tally, "stored", "there already");
	return result;
}

static int parse_size(Cli *cli, Put *put, const char *text)
{
	char *end;

	errno = 0;
	put->one.size = strtoull(text, &end, 10);
	put->one.size_known = true;
	if (errno != 0 || end == text || *end != '\0' || text[0] < '0' || text[0] > '9')
		return cli_usage(cli, "--size needs a number of bytes");
	return CLI_OK;
}

static int take_option(Cli *cli, Put *put, int option)
{
	switch (option) {
	case OPTION_AS:
		put->one.name = optarg;
		return CLI_OK;
	case OPTION_PATHS:
		put->separator = optarg;
		if (optarg[0] == '\0' || strchr(optarg, '/') != NULL)
			return cli_usage(cli, "--paths needs a SEPARATOR, which has no slash");
		return CLI_OK;
	case OPTION_SIZE:
		return parse_size(cli, put, optarg);
	default:
		if (put->one.groups_count == PUT_GROUPS_MAX)
			return cli_usage(cli, "more than %d groups", PUT_GROUPS_MAX);
		put->references[put->one.groups_count++] = optarg;
		return CLI_OK;
	}
}

static int find_groups(Cli *cli, Put *put)
{
	for (size_t i = 0; i < put->one.groups_count; i++) {
		int code = cli_find_group(cli, put->references[i], put->id_texts[i]);

		if (code != CLI_OK)
			return code;
		put->ids[i] = put->id_texts[i];
	}
	put->one.groups = put->one.groups_count > 0 ? put->ids : NULL;
	return CLI_OK;
}

/* What the operands name. *result: a folder could not be read; the rest is put nevertheless. */
static int collect(Cli *cli, Put *put, int count, char **operands, int *result)
{
	put->one.from_fd = count == 1 && strcmp(operands[0], "-") == 0;
	if (put->one.size_known && !put->one.from_fd)
		return cli_usage(cli, "--size is for standard input: put -");
	if (put->one.from_fd) {
		put->one.fd = STDIN_FILENO;
		put->one.path = "standard input";
		return put->one.name != NULL ? CLI_OK : cli_usage(cli, "standard input needs a name: --as NAME");
	}
	for (int i = 0; i < count; i++) {
		int code = strcmp(operands[i], "-") == 0 ? cli_usage(cli, "standard input can only be put alone")
												 : cli_files_add(cli, &put->files, operands[i], put->separator);

		if (code == CLI_USAGE)
			return code;
		*result = *result == CLI_OK ? code : *result;
	}
	if (put->one.name != NULL && (put->files.count != 1 || count != 1))
		return cli_usage(cli, "--as names one FILE");
	return cli_files_check(cli, &put->files);
}

static int run(Cli *cli, Put *put, int argc, char **argv)
{
	int result = CLI_OK;
	int code = collect(cli, put, argc - optind, argv + optind, &result);

	if (code != CLI_OK || (code = cli_open(cli)) != CLI_OK || (code = find_groups(cli, put)) != CLI_OK)
		return code;
	cli_progress_begin(&put->progress, put->files.count, put->files.bytes, !cli->quiet);
	code = put->one.from_fd ? put_one(cli, put, 0) : put_files(cli, put, result);
	cli_progress_end(&put->progress);
	return code;
}

int cli_put(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"as", required_argument, NULL, OPTION_AS},
										{"group", required_argument, NULL, OPTION_GROUP},
										{"paths", required_argument, NULL, OPTION_PATHS},
										{"size", required_argument, NULL, OPTION_SIZE},
										{NULL, 0, NULL, 0}};
	Put *put = calloc(1, sizeof(*put));
	int option;
	int code = CLI_OK;

	if (put == NULL) {
		fputs("groupshare: out of memory\n", stderr);
		return CLI_FAILED;
	}
	while (code == CLI_OK && (option = cli_option(cli, argc, argv, OWN)) >= 0)
		code = take_option(cli, put, option);
	if (code == CLI_OK && option == CLI_OPTIONS_STOP)
		code = cli_stopped(cli);
	else if (code == CLI_OK && optind == argc)
		code = cli_usage(cli, "which FILE?");
	else if (code == CLI_OK)
		code = run(cli, put, argc, argv);
	cli_files_free(&put->files);
	free(put);
	return code;
}
