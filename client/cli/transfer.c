/* SPDX-License-Identifier: PostgreSQL */
/* put and get (spec U1-U4, D1-D3). */
#include "client/cli/commands.h"

#include <string.h>
#include <sys/stat.h>

#include "client/cli/print.h"
#include "client/cli/progress.h"

#define PUT_GROUPS_MAX 100

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
}

static int put_one(Cli *cli, GsClientPut *put)
{
	CliProgress progress;
	json_t *reply;
	int status;

	cli_progress_begin(&progress, put->name != NULL ? put->name : put->path, !cli->quiet);
	put->progress = cli_progress_show;
	put->progress_arg = &progress;
	status = gs_client_put(cli->client, put, &reply);
	cli_progress_end(&progress);
	if (status != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply))
		print_put(cli, reply);
	return cli_done(cli, reply);
}

int cli_put(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"as", required_argument, NULL, CLI_OWN_OPTION},
										{"group", required_argument, NULL, CLI_OWN_OPTION + 1},
										{NULL, 0, NULL, 0}};
	const char *references[PUT_GROUPS_MAX];
	const char *ids[PUT_GROUPS_MAX];
	char id_texts[PUT_GROUPS_MAX][37];
	GsClientPut put = {0};
	int result = CLI_OK;
	int option;
	int code;

	while ((option = cli_option(cli, argc, argv, OWN)) >= 0) {
		if (option == CLI_OWN_OPTION)
			put.name = optarg;
		else if (put.groups_count == PUT_GROUPS_MAX)
			return cli_usage(cli, "more than %d groups", PUT_GROUPS_MAX);
		else
			references[put.groups_count++] = optarg;
	}
	if (option == CLI_OPTIONS_STOP)
		return cli_stopped(cli);
	if (optind == argc)
		return cli_usage(cli, "which FILE?");
	if (put.name != NULL && argc - optind > 1)
		return cli_usage(cli, "--as names one FILE");
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	for (size_t i = 0; i < put.groups_count; i++) {
		if ((code = cli_find_group(cli, references[i], id_texts[i])) != CLI_OK)
			return code;
		ids[i] = id_texts[i];
	}
	put.groups = put.groups_count > 0 ? ids : NULL;
	/* One failure does not keep the others from being shared; the first one's code is the program's. */
	for (int i = optind; i < argc; i++) {
		put.path = argv[i];
		code = put_one(cli, &put);
		result = result == CLI_OK ? code : result;
	}
	return result;
}

/* What a program may give a new file by the user's umask. */
static unsigned usual_mode(void)
{
	mode_t mask = umask(077);

	umask(mask);
	return 0666 & ~mask;
}

int cli_get(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"share", required_argument, NULL, CLI_OWN_OPTION},
										{"output", required_argument, NULL, 'o'},
										{"force", no_argument, NULL, 'f'},
										{NULL, 0, NULL, 0}};
	GsClientGet get = {.mode = usual_mode()};
	CliProgress progress;
	json_t *reply;
	int option;
	int status;

	while ((option = cli_option(cli, argc, argv, OWN)) >= 0) {
		if (option == CLI_OWN_OPTION)
			get.share = optarg;
		else if (option == 'o')
			get.output = optarg;
		else
			get.force = true;
	}
	if (option == CLI_OPTIONS_STOP)
		return cli_stopped(cli);
	if (argc - optind != (get.share != NULL ? 0 : 2))
		return cli_usage(cli, "either OWNER NAME or --share ID is needed");
	if (get.share == NULL) {
		get.owner = argv[optind];
		get.name = argv[optind + 1];
	}
	status = cli_open(cli);
	if (status != CLI_OK)
		return status;
	cli_progress_begin(&progress, get.name != NULL ? get.name : get.share, !cli->quiet);
	get.progress = cli_progress_show;
	get.progress_arg = &progress;
	status = gs_client_get(cli->client, &get, &reply);
	cli_progress_end(&progress);
	if (status != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply)) {
		char size[CLI_SIZE_TEXT];

		cli_format_size(size, (uint64_t)json_integer_value(json_object_get(reply, "size")));
		cli_print(stdout, cli_member(reply, "path", "-"));
		printf(": %s, %s\n", size,
			   json_is_true(json_object_get(reply, "already")) ? "was here already" : "SHA-256 verified");
	}
	return cli_done(cli, reply);
}
