/* SPDX-License-Identifier: PostgreSQL */
/* Help, printed from the table of commands. */
#include "client/cli/commands.h"

static const char OPTIONS[] =
	"  --json         print the API's JSON, one object a line (errors too, on stderr)\n"
	"  --quiet        no progress bar, no remarks\n"
	"  --home DIR     this terminal's settings, key and session (default: XDG directories; GROUPSHARE_HOME)\n"
	"  --url URL      the gateway (default: as enrolled; GROUPSHARE_URL)\n"
	"  --ca FILE      trust this authority's certificate (default: as enrolled; GROUPSHARE_CA; the system's)\n"
	"  --help         help for the command\n"
	"  --version      print the version\n";

void cli_help(void)
{
	size_t count;
	const CliCommand *commands = cli_commands(&count);

	printf("usage: groupshare [options] COMMAND ...\n\nShare large files with groups of people.\n\nCommands:\n");
	for (size_t i = 0; i < count; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\nOptions, before or after the command:\n%s", OPTIONS);
	printf("\nA first day:\n"
		   "  groupshare enroll anna@example.org CODE --url https://share.example.org   (the operator gives CODE)\n"
		   "  groupshare create family --join confirm       or: groupshare search NAME; groupshare join NAME\n"
		   "  groupshare put holiday.mp4\n"
		   "  groupshare groups family                      who is in it and what they share\n"
		   "  groupshare get bob@example.org song.flac\n"
		   "\nExit codes: 0 done, 1 failed, 2 wrong usage or value, 3 not permitted, 4 not found, 5 conflict,\n"
		   "6 no room or over quota, 7 not reachable (try again), 8 the content was damaged on the way.\n"
		   "\nMore on a command: groupshare help COMMAND, or man groupshare.\n");
}

void cli_help_command(const CliCommand *command)
{
	printf("usage: groupshare %s%s%s\n\n%s.\n", command->name, command->arguments[0] != '\0' ? " " : "",
		   command->arguments, command->summary);
	if (command->details[0] != '\0')
		printf("\n%s", command->details);
	printf("\nOptions of every command:\n%s", OPTIONS);
}

int cli_help_run(Cli *cli, int argc, char **argv)
{
	const CliCommand *command;

	if (!cli_operands(cli, argc, argv, 0, 1))
		return cli_stopped(cli);
	if (optind == argc) {
		cli_help();
		return cli_done(cli, NULL);
	}
	command = cli_command_find(argv[optind]);
	if (command == NULL)
		return cli_usage(cli, "there is no command \"%s\"", argv[optind]);
	cli_help_command(command);
	return cli_done(cli, NULL);
}
