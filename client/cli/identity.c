/* SPDX-License-Identifier: PostgreSQL */
/* enroll, connect, whoami (spec C1-C5). */
#include "client/cli/commands.h"

#include <string.h>

#include "client/cli/print.h"

static const char NO_GROUP[] =
	"You are in no group yet. Find one and join it:  groupshare search NAME; groupshare join GROUP\n"
	"Or create one:                                  groupshare create NAME --join confirm";

int cli_enroll(Cli *cli, int argc, char **argv)
{
	json_t *reply;
	int code;

	if (!cli_operands(cli, argc, argv, 2, 2))
		return cli_stopped(cli);
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	if (gs_client_enroll(cli->client, argv[optind], argv[optind + 1], &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply)) {
		fputs("Enrolled as ", stdout);
		cli_print(stdout, cli_member(reply, "terminal", argv[optind]));
		fputs(" at control server ", stdout);
		cli_print(stdout, cli_member(reply, "server", "-"));
		putchar('\n');
		cli_note(cli, "Next: groupshare connect");
	}
	return cli_done(cli, reply);
}

int cli_connect(Cli *cli, int argc, char **argv)
{
	json_t *reply;
	int code;

	if (!cli_operands(cli, argc, argv, 0, 0))
		return cli_stopped(cli);
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	if (gs_client_connect(cli->client, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	/* The token is a secret and cached already: it is nothing to print. */
	json_object_del(reply, "session");
	if (!cli_json(cli, reply)) {
		bool in_group = json_is_true(json_object_get(reply, "in_group"));
		size_t count = json_array_size(json_object_get(reply, "groups"));
		bool more = !json_is_null(json_object_get(reply, "next")) && json_object_get(reply, "next") != NULL;

		fputs("Connected as ", stdout);
		cli_print(stdout, cli_member(reply, "terminal", "-"));
		fputs(" to control server ", stdout);
		cli_print(stdout, cli_member(reply, "server", "-"));
		if (in_group)
			printf(", in %zu%s group%s", count, more ? "+" : "", count == 1 && !more ? "" : "s");
		putchar('\n');
		if (!in_group)
			cli_note(cli, "%s", NO_GROUP);
	}
	return cli_done(cli, reply);
}

static void line(const char *title, const char *value)
{
	printf("%-12s ", title);
	cli_print(stdout, value);
	putchar('\n');
}

int cli_whoami(Cli *cli, int argc, char **argv)
{
	const json_t *session;
	json_t *reply;
	int code;

	if (!cli_operands(cli, argc, argv, 0, 0))
		return cli_stopped(cli);
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	if (gs_client_whoami(cli->client, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply)) {
		session = json_object_get(reply, "session");
		line("terminal", cli_member(reply, "terminal", "-"));
		line("gateway", cli_member(reply, "url", "-"));
		line("trusts", cli_member(reply, "ca", "the system's authorities"));
		line("public key", cli_member(reply, "public_key", "-"));
		line("key file", cli_member(reply, "key_file", "-"));
		line("session at", cli_member(session, "server", "none now; the next command connects"));
		if (json_is_object(session))
			line("session ends", cli_member(session, "expires_at", "-"));
	}
	return cli_done(cli, reply);
}
