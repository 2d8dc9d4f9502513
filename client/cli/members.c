/* SPDX-License-Identifier: PostgreSQL */
/* remove, ban, unban, promote, demote, invite; inquiries, allow, refuse, cancel (spec G3, G5). */
#include "client/cli/commands.h"

#include <string.h>

#include "client/cli/print.h"

static int change_member(Cli *cli, int argc, char **argv, bool remove, const char *role, int banned)
{
	const char *terminal;
	char id[37];
	json_t *reply;
	int status;
	int code;

	if (!cli_begin_group(cli, argc, argv, 2, id, &code))
		return code;
	terminal = argv[optind + 1];
	status = remove ? gs_client_remove_member(cli->client, id, terminal, &reply)
					: gs_client_set_member(cli->client, id, terminal, role, banned, &reply);
	if (status != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply)) {
		cli_print(stdout, terminal);
		fputs(": ", stdout);
		cli_print(stdout, cli_member(reply, "state", "done"));
		putchar('\n');
	}
	return cli_done(cli, reply);
}

int cli_remove(Cli *cli, int argc, char **argv)
{
	return change_member(cli, argc, argv, true, NULL, -1);
}

int cli_ban(Cli *cli, int argc, char **argv)
{
	return change_member(cli, argc, argv, false, NULL, 1);
}

int cli_unban(Cli *cli, int argc, char **argv)
{
	return change_member(cli, argc, argv, false, NULL, 0);
}

int cli_promote(Cli *cli, int argc, char **argv)
{
	return change_member(cli, argc, argv, false, "administrator", -1);
}

int cli_demote(Cli *cli, int argc, char **argv)
{
	return change_member(cli, argc, argv, false, "member", -1);
}

int cli_invite(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"admin", no_argument, NULL, CLI_OWN_OPTION}, {NULL, 0, NULL, 0}};
	const char *role = NULL;
	char id[37];
	json_t *reply;
	int option;
	int code;

	while ((option = cli_option(cli, argc, argv, OWN)) >= 0)
		role = "administrator";
	if (option == CLI_OPTIONS_STOP)
		return cli_stopped(cli);
	if (argc - optind != 2)
		return cli_usage(cli, "a GROUP and an IDENTIFIER are needed");
	if ((code = cli_open(cli)) != CLI_OK || (code = cli_find_group(cli, argv[optind], id)) != CLI_OK)
		return code;
	if (gs_client_invite(cli->client, id, argv[optind + 1], role, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply)) {
		cli_print(stdout, argv[optind + 1]);
		fputs(": ", stdout);
		cli_print(stdout, cli_member(reply, "state", "done"));
		putchar('\n');
		cli_note(cli, "It accepts by: groupshare join %s", id);
	}
	return cli_done(cli, reply);
}

static size_t print_invitations(const json_t *invitations)
{
	static const char *const TITLES[] = {"INVITED TO", "AS", "SINCE", "GROUP", NULL};
	CliTable table;
	json_t *invitation;
	size_t i;

	if (json_array_size(invitations) == 0)
		return 0;
	cli_table_begin(&table, TITLES);
	json_array_foreach(invitations, i, invitation)
	{
		char since[CLI_SIZE_TEXT];

		cli_format_time(since, cli_member(invitation, "since", NULL));
		cli_table_row(&table, cli_member(invitation, "group_name", NULL), cli_member(invitation, "role", NULL), since,
					  cli_member(invitation, "group", NULL));
	}
	cli_table_end(&table);
	return i;
}

int cli_inquiries(Cli *cli, int argc, char **argv)
{
	static const char *const TITLES[] = {"GROUP", "TERMINAL", "STATE", "ASKED", "WHOSE", "INQUIRY", NULL};
	CliTable table;
	json_t *reply;
	json_t *inquiry;
	size_t i;
	int code;

	if (!cli_begin(cli, argc, argv, 0, 0, &code))
		return code;
	if (gs_client_inquiries(cli->client, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (cli_json(cli, reply))
		return cli_done(cli, reply);
	cli_table_begin(&table, TITLES);
	json_array_foreach(json_object_get(reply, "inquiries"), i, inquiry)
	{
		char asked[CLI_SIZE_TEXT];

		cli_format_time(asked, cli_member(inquiry, "created_at", NULL));
		cli_table_row(&table, cli_member(inquiry, "group_name", NULL), cli_member(inquiry, "terminal", NULL),
					  cli_member(inquiry, "state", NULL), asked,
					  json_is_true(json_object_get(inquiry, "mine")) ? "yours" : "for you to decide",
					  cli_member(inquiry, "id", NULL));
	}
	if (i > 0)
		cli_table_end(&table);
	if (print_invitations(json_object_get(reply, "invitations")) > 0)
		cli_note(cli, "Accept: groupshare join GROUP. Decline: groupshare leave GROUP.");
	else if (i == 0)
		cli_note(cli, "No inquiries, no invitations.");
	return cli_done(cli, reply);
}

/* Decides each operand; goes on after a failure and ends with the first one's code. */
static int decide(Cli *cli, int argc, char **argv, const char *decision)
{
	int result = CLI_OK;
	int code;

	if (!cli_begin(cli, argc, argv, 1, -1, &code))
		return code;
	for (int i = optind; i < argc; i++) {
		json_t *reply;

		if (gs_client_decide(cli->client, argv[i], decision, &reply) != GS_CLIENT_OK) {
			code = cli_fail(cli);
		} else {
			if (!cli_json(cli, reply)) {
				cli_print(stdout, cli_member(reply, "state", "done"));
				putchar('\n');
			}
			code = cli_done(cli, reply);
		}
		result = result == CLI_OK ? code : result;
	}
	return result;
}

int cli_allow(Cli *cli, int argc, char **argv)
{
	return decide(cli, argc, argv, "allow");
}

int cli_refuse(Cli *cli, int argc, char **argv)
{
	return decide(cli, argc, argv, "refuse");
}

int cli_cancel(Cli *cli, int argc, char **argv)
{
	return decide(cli, argc, argv, "cancel");
}
