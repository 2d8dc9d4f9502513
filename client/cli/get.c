/* SPDX-License-Identifier: PostgreSQL */
/* get (spec D1-D3): one share, several, all of somebody's; to files or to standard output. */
#include "client/cli/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/print.h"
#include "client/cli/progress.h"
#include "client/cli/tally.h"
#include "client/name.h"

typedef struct Get {
	GsClientGet one;
	bool all;
	const char *group; /* of --all; NULL: every */
	CliProgress progress;
	CliTally tally;
} Get;

enum { OPTION_SHARE = CLI_OWN_OPTION, OPTION_ALL, OPTION_GROUP, OPTION_PARALLEL };

/* What a program may give a new file by the user's umask. */
static unsigned usual_mode(void)
{
	mode_t mask = umask(077);

	umask(mask);
	return 0666 & ~mask;
}

static void print_get(Cli *cli, const json_t *reply)
{
	char size[CLI_SIZE_TEXT];

	if (cli_json(cli, reply))
		return;
	cli_format_size(size, (uint64_t)json_integer_value(json_object_get(reply, "size")));
	cli_print(stdout, cli_member(reply, "path", "-"));
	printf(": %s, %s\n", size,
		   json_is_true(json_object_get(reply, "already")) ? "was here already" : "SHA-256 verified");
}

/* Standard output is the content's: the reply goes where messages go. */
static int done_stream(Cli *cli, json_t *reply)
{
	if (cli->json) {
		json_dumpf(reply, stderr, JSON_COMPACT | JSON_ENSURE_ASCII);
		fputc('\n', stderr);
	}
	return cli_done(cli, reply);
}

static int get_one(Cli *cli, Get *get, uint64_t size)
{
	bool already = false;
	json_t *reply;
	int status;

	cli_progress_next(&get->progress, get->one.name != NULL ? get->one.name : get->one.share);
	get->one.progress = cli_progress_show;
	get->one.progress_arg = &get->progress;
	status = gs_client_get(cli->client, &get->one, &reply);
	if (status == GS_CLIENT_OK) {
		already = json_is_true(json_object_get(reply, "already"));
		size = (uint64_t)json_integer_value(json_object_get(reply, "size"));
	}
	cli_progress_done(&get->progress, size, status == GS_CLIENT_OK && !already);
	cli_tally_add(&get->tally, status == GS_CLIENT_OK, already);
	if (status != GS_CLIENT_OK)
		return cli_fail(cli);
	if (get->one.to_fd)
		return done_stream(cli, reply);
	print_get(cli, reply);
	return cli_done(cli, reply);
}

/* Several files need a directory. */
static int make_directory(Cli *cli, const Get *get)
{
	struct stat st;

	if (get->one.to_fd)
		return cli_usage(cli, "standard output takes one share");
	if (get->one.output == NULL)
		return CLI_OK;
	if (mkdir(get->one.output, 0777) == 0 || (stat(get->one.output, &st) == 0 && S_ISDIR(st.st_mode)))
		return CLI_OK;
	return cli_usage(cli, "%s is no directory that can be written to: %s", get->one.output, strerror(errno));
}

/* Names that differ may be one when they are made safe for files: then --force must not let a share replace the one
 * that has just been fetched. False: the name is taken. */
static bool take_name(json_t *written, const char *name)
{
	char safe[GS_NAME_MAX_BYTES + 1];

	gs_name_make_safe(safe, name);
	return json_object_get(written, safe) == NULL && json_object_set_new(written, safe, json_true()) == 0;
}

/* shares: [{name, size}, and id if known]. One failure does not keep the others; the first one's code is the program's.
 */
static int get_each(Cli *cli, Get *get, const json_t *shares)
{
	json_t *written = json_object();
	bool force = get->one.force;
	uint64_t bytes = 0;
	int result = CLI_OK;
	json_t *share;
	size_t i;

	json_array_foreach(shares, i, share) bytes += (uint64_t)json_integer_value(json_object_get(share, "size"));
	cli_progress_begin(&get->progress, json_array_size(shares), bytes, !cli->quiet);
	json_array_foreach(shares, i, share)
	{
		int code;

		get->one.force = force && take_name(written, cli_member(share, "name", ""));
		get->one.share = cli_member(share, "id", NULL);
		get->one.name = cli_member(share, "name", NULL);
		cli->subject = json_array_size(shares) > 1 ? get->one.name : NULL;
		code = get_one(cli, get, (uint64_t)json_integer_value(json_object_get(share, "size")));
		result = result == CLI_OK ? code : result;
	}
	cli->subject = NULL;
	get->one.force = force;
	json_decref(written);
	cli_progress_end(&get->progress);
	cli_tally_note(cli, &get->tally, "fetched", "here already");
	return result;
}

static int get_all(Cli *cli, Get *get)
{
	char group[37];
	json_t *reply;
	int code;

	if (get->group != NULL && (code = cli_find_group(cli, get->group, group)) != CLI_OK)
		return code;
	if (gs_client_shares_of(cli->client, get->one.owner, get->group != NULL ? group : NULL, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (json_array_size(json_object_get(reply, "shares")) == 0)
		cli_note(cli, "There is nothing to fetch.");
	code = get_each(cli, get, json_object_get(reply, "shares"));
	json_decref(reply);
	return code;
}

static int get_named(Cli *cli, Get *get, int count, char **names)
{
	json_t *shares = json_array();
	int code;

	for (int i = 0; i < count; i++) {
		if (json_array_append_new(shares, json_pack("{s:s}", "name", names[i])) != 0) {
			json_decref(shares);
			return cli_usage(cli, "a name that is not UTF-8: %s", names[i]);
		}
	}
	code = get_each(cli, get, shares);
	json_decref(shares);
	return code;
}

static int get_by_id(Cli *cli, Get *get)
{
	int code;

	cli_progress_begin(&get->progress, 1, 0, !cli->quiet);
	code = get_one(cli, get, 0);
	cli_progress_end(&get->progress);
	return code;
}

static int run(Cli *cli, Get *get, int count, char **operands)
{
	int least = get->one.share != NULL ? 0 : (get->all ? 1 : 2);
	int most = get->one.share != NULL ? 0 : (get->all ? 1 : count);
	int code;

	if (count < least || count > most)
		return cli_usage(cli, "either OWNER NAME..., or OWNER --all, or --share ID is needed");
	if (get->group != NULL && !get->all)
		return cli_usage(cli, "--group is for --all");
	if (get->one.output != NULL && strcmp(get->one.output, "-") == 0) {
		get->one.to_fd = true;
		get->one.fd = STDOUT_FILENO;
	}
	if ((get->all || count > 2) && (code = make_directory(cli, get)) != CLI_OK)
		return code;
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	get->one.owner = get->one.share != NULL ? NULL : operands[0];
	if (get->one.share != NULL)
		return get_by_id(cli, get);
	return get->all ? get_all(cli, get) : get_named(cli, get, count - 1, operands + 1);
}

static int parse_parallel(Cli *cli, Get *get, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n < 1 || n > GS_CLIENT_PARALLEL_MAX)
		return cli_usage(cli, "--parallel needs a number from 1 to %d", GS_CLIENT_PARALLEL_MAX);
	get->one.parallel = (unsigned)n;
	return CLI_OK;
}

int cli_get(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"share", required_argument, NULL, OPTION_SHARE},
										{"output", required_argument, NULL, 'o'},
										{"force", no_argument, NULL, 'f'},
										{"all", no_argument, NULL, OPTION_ALL},
										{"group", required_argument, NULL, OPTION_GROUP},
										{"parallel", required_argument, NULL, OPTION_PARALLEL},
										{NULL, 0, NULL, 0}};
	Get get = {.one = {.mode = usual_mode()}};
	int option;
	int code;

	while ((option = cli_option(cli, argc, argv, OWN)) >= 0) {
		if (option == OPTION_SHARE)
			get.one.share = optarg;
		else if (option == 'o')
			get.one.output = optarg;
		else if (option == OPTION_ALL)
			get.all = true;
		else if (option == OPTION_GROUP)
			get.group = optarg;
		else if (option == 'f')
			get.one.force = true;
		else if ((code = parse_parallel(cli, &get, optarg)) != CLI_OK)
			return code;
	}
	if (option == CLI_OPTIONS_STOP)
		return cli_stopped(cli);
	return run(cli, &get, argc - optind, argv + optind);
}
