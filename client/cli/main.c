/* SPDX-License-Identifier: PostgreSQL */
/*
 * The CLI's way in and out: the common options, the choice of the command, and failures turned into a message and an
 * exit code. Common options may stand before or after the command; getopt_long reads both.
 */
#include "client/cli/cli.h"

#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/print.h"

#define WAITING_AGAIN_S 10

enum { OPTION_HOME = 256, OPTION_URL, OPTION_CA, OPTION_JSON, OPTION_VERSION };

static const struct option COMMON[] = {
	{"home", required_argument, NULL, OPTION_HOME},
	{"url", required_argument, NULL, OPTION_URL},
	{"ca", required_argument, NULL, OPTION_CA},
	{"json", no_argument, NULL, OPTION_JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};
#define COMMON_COUNT (sizeof(COMMON) / sizeof(COMMON[0]) - 1)

/* A failure that the library knows nothing of, as cli_fail() prints others with --json. */
static void print_error(int code, const char *message, const char *hint, const char *subject)
{
	json_t *error = json_pack("{s:i, s:i, s:s, s:s, s:s, s:s}", "exit_code", code, "status", 0, "code", "", "message",
							  message, "hint", hint, "request_id", "");
	json_t *object = json_pack("{s:o}", "error", error);

	if (subject != NULL && error != NULL)
		json_object_set_new(error, "subject", json_string(subject));
	json_dumpf(object, stderr, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputc('\n', stderr);
	json_decref(object);
}

int cli_complain(const Cli *cli, const char *path, const char *what)
{
	if (cli->json) {
		print_error(CLI_FAILED, what, "", path);
		return CLI_FAILED;
	}
	fputs("groupshare: ", stderr);
	cli_print(stderr, path);
	fprintf(stderr, ": %s\n", what);
	return CLI_FAILED;
}

int cli_usage(const Cli *cli, const char *format, ...)
{
	const char *name = cli->command != NULL ? cli->command->name : "";
	va_list args;
	char text[1024];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (cli->json) {
		print_error(CLI_USAGE, text, cli->command != NULL ? cli->command->arguments : "", cli->subject);
		return CLI_USAGE;
	}
	fputs("groupshare: ", stderr);
	cli_print(stderr, text);
	if (cli->command != NULL)
		fprintf(stderr, "\nusage: groupshare %s %s", name, cli->command->arguments);
	fprintf(stderr, "\nSee: groupshare help%s%s\n", name[0] != '\0' ? " " : "", name);
	return CLI_USAGE;
}

/* Treats a common option; false when it ends the program. */
static bool take_common(Cli *cli, int option)
{
	switch (option) {
	case OPTION_HOME:
		cli->options.home = optarg;
		return true;
	case OPTION_URL:
		cli->options.url = optarg;
		return true;
	case OPTION_CA:
		cli->options.ca = optarg;
		return true;
	case OPTION_JSON:
		cli->json = true;
		return true;
	case 'q':
		cli->quiet = true;
		return true;
	case OPTION_VERSION:
		printf("groupshare %s\n", gs_client_version());
		cli->done = true;
		return false;
	case 'h':
		if (cli->command != NULL)
			cli_help_command(cli->command);
		else
			cli_help();
		cli->done = true;
		return false;
	default:
		return false;
	}
}

/* What getopt_long refused. It has not come past an argument like -film.mkv of which it refused the first letter. */
static int wrong_option(Cli *cli, int option, char **argv)
{
	const char *at = argv[optind];

	if (option == ':')
		return cli_usage(cli, "%s needs a value", argv[optind - 1]);
	if (optopt != 0 && at != NULL && at[0] == '-' && at[1] != '-' && strchr(at + 1, optopt) != NULL)
		return cli_usage(cli, "unknown option -%c in %s; a name that begins with - comes after --", optopt, at);
	return cli_usage(cli, "unknown option %s", argv[optind - 1]);
}

int cli_option(Cli *cli, int argc, char **argv, const struct option *own)
{
	struct option all[COMMON_COUNT + CLI_OWN_OPTIONS_MAX + 1] = {0};
	char brief[3 * CLI_OWN_OPTIONS_MAX + 4] = ":hq";
	size_t n = COMMON_COUNT;
	int option;

	memcpy(all, COMMON, COMMON_COUNT * sizeof(COMMON[0]));
	for (size_t i = 0; own != NULL && own[i].name != NULL && i < CLI_OWN_OPTIONS_MAX; i++) {
		all[n++] = own[i];
		if (own[i].val < CLI_OWN_OPTION) {
			char letter[3] = {(char)own[i].val, own[i].has_arg == required_argument ? ':' : '\0', '\0'};

			strcat(brief, letter);
		}
	}
	while ((option = getopt_long(argc, argv, brief, all, NULL)) != -1) {
		if (option == ':' || option == '?') {
			wrong_option(cli, option, argv);
			return CLI_OPTIONS_STOP;
		}
		for (size_t i = COMMON_COUNT; i < n; i++) {
			if (all[i].val == option)
				return option;
		}
		if (!take_common(cli, option))
			return CLI_OPTIONS_STOP;
	}
	return CLI_OPTIONS_END;
}

int cli_stopped(const Cli *cli)
{
	return cli->done ? cli_done(cli, NULL) : CLI_USAGE;
}

bool cli_operands(Cli *cli, int argc, char **argv, int least, int most)
{
	if (cli_option(cli, argc, argv, NULL) != CLI_OPTIONS_END)
		return false;
	if (argc - optind < least) {
		cli_usage(cli, "something is missing");
		return false;
	}
	if (most >= 0 && argc - optind > most) {
		cli_usage(cli, "too much: \"%s\"", argv[optind + most]);
		return false;
	}
	return true;
}

/* Said once a wait begins to be one, and then now and again. */
static void say_waiting(void *arg, const char *whom, unsigned waited_s)
{
	Cli *cli = arg;

	bool said = cli->waited_s > 0 && waited_s >= cli->waited_s && waited_s < cli->waited_s + WAITING_AGAIN_S;

	if (cli->quiet || cli->json || said)
		return;
	cli->waited_s = waited_s;
	fputs(isatty(STDERR_FILENO) ? "\r\033[Kgroupshare: waiting for " : "groupshare: waiting for ", stderr);
	cli_print(stderr, whom);
	fprintf(stderr, " (%u s)\n", waited_s);
}

int cli_open(Cli *cli)
{
	cli->options.waiting = say_waiting;
	cli->options.waiting_arg = cli;
	if (gs_client_open(&cli->options, &cli->client) != GS_CLIENT_OK)
		return cli_fail(cli);
	return CLI_OK;
}

static int exit_code(int status)
{
	switch ((GsClientStatus)status) {
	case GS_CLIENT_OK:
		return CLI_OK;
	case GS_CLIENT_INVALID:
		return CLI_USAGE;
	case GS_CLIENT_DENIED:
		return CLI_DENIED;
	case GS_CLIENT_NOT_FOUND:
		return CLI_NOT_FOUND;
	case GS_CLIENT_CONFLICT:
		return CLI_CONFLICT;
	case GS_CLIENT_NO_ROOM:
		return CLI_NO_ROOM;
	case GS_CLIENT_NETWORK:
		return CLI_NETWORK;
	case GS_CLIENT_DIGEST:
		return CLI_DIGEST;
	case GS_CLIENT_NO_MEMORY:
	case GS_CLIENT_LOCAL:
	case GS_CLIENT_PROTOCOL:
	case GS_CLIENT_CANCELLED:
		break;
	}
	return CLI_FAILED;
}

int cli_fail(const Cli *cli)
{
	const GsClientError *error = gs_client_error(cli->client);
	int code = exit_code(error->status);

	if (cli->json) {
		json_t *object = json_pack("{s:{s:i, s:i, s:s, s:s, s:s, s:s}}", "error", "exit_code", code, "status",
								   error->http_status, "code", error->code, "message", error->message, "hint",
								   error->hint, "request_id", error->request_id);

		if (cli->subject != NULL)
			json_object_set_new(json_object_get(object, "error"), "subject", json_string(cli->subject));
		json_dumpf(object, stderr, JSON_COMPACT | JSON_ENSURE_ASCII);
		json_decref(object);
	} else {
		fputs("groupshare: ", stderr);
		if (cli->subject != NULL) {
			cli_print(stderr, cli->subject);
			fputs(": ", stderr);
		}
		cli_print(stderr, error->message);
		if (error->hint[0] != '\0') {
			fputs("\n  ", stderr);
			cli_print(stderr, error->hint);
		}
		if (error->request_id[0] != '\0' && error->status == GS_CLIENT_PROTOCOL) {
			fputs("\n  The operator finds it in the log by request id ", stderr);
			cli_print(stderr, error->request_id);
		}
	}
	fputc('\n', stderr);
	return code;
}

bool cli_json(const Cli *cli, const json_t *reply)
{
	/* Characters that a terminal would obey are escaped there; a program reads the UTF-8 as it is. */
	size_t flags = JSON_COMPACT | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);

	if (!cli->json)
		return false;
	json_dumpf(reply, stdout, flags);
	putchar('\n');
	return true;
}

int cli_done(const Cli *cli, json_t *reply)
{
	(void)cli;
	json_decref(reply);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_OK;
	fputs("groupshare: cannot write the output\n", stderr);
	return CLI_FAILED;
}

int cli_find_group(Cli *cli, const char *reference, char id[37])
{
	return gs_client_find_group(cli->client, reference, id) == GS_CLIENT_OK ? CLI_OK : cli_fail(cli);
}

bool cli_begin(Cli *cli, int argc, char **argv, int least, int most, int *code)
{
	*code = cli_operands(cli, argc, argv, least, most) ? CLI_OK : cli_stopped(cli);
	if (*code != CLI_OK || cli->done)
		return false;
	*code = cli_open(cli);
	return *code == CLI_OK;
}

bool cli_begin_group(Cli *cli, int argc, char **argv, int count, char id[37], int *code)
{
	if (!cli_begin(cli, argc, argv, count, count, code))
		return false;
	*code = cli_find_group(cli, argv[optind], id);
	return *code == CLI_OK;
}

void cli_note(const Cli *cli, const char *format, ...)
{
	va_list args;

	if (cli->quiet || cli->json)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	Cli cli = {0};
	int code;

	setlocale(LC_CTYPE, "");
	opterr = 0;
	/* "+": the first operand is the command, whose options are its own business. */
	for (int option; (option = getopt_long(argc, argv, "+:hq", COMMON, NULL)) != -1;) {
		if (option == ':' || option == '?')
			return wrong_option(&cli, option, argv);
		if (!take_common(&cli, option))
			return cli_stopped(&cli);
	}
	if (optind == argc) {
		cli_help();
		return CLI_USAGE;
	}
	cli.command = cli_command_find(argv[optind]);
	if (cli.command == NULL)
		return cli_usage(&cli, "there is no command \"%s\"", argv[optind]);
	argc -= optind;
	argv += optind;
	optind = 0; /* glibc: start anew, operands and options may be mixed */
	code = cli.command->run(&cli, argc, argv);
	gs_client_close(cli.client);
	return code;
}
