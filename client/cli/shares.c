/* SPDX-License-Identifier: PostgreSQL */
/* ls and rm (spec D4). */
#include "client/cli/commands.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/print.h"
#include "client/encode.h"

static void print_share(CliTable *table, const json_t *share)
{
	const json_t *groups = json_object_get(share, "groups");
	char *devices = cli_join_texts(json_object_get(share, "devices"));
	char size[CLI_SIZE_TEXT];
	char created[CLI_SIZE_TEXT];
	char count[CLI_SIZE_TEXT];

	cli_format_size(size, (uint64_t)json_integer_value(json_object_get(share, "size")));
	cli_format_time(created, cli_member(share, "created_at", NULL));
	snprintf(count, sizeof(count), "%zu", json_array_size(groups));
	cli_table_row(table, cli_member(share, "name", NULL), size, cli_member(share, "state", NULL), devices,
				  json_is_string(groups) ? json_string_value(groups) : count, created, cli_member(share, "id", NULL));
	free(devices);
}

int cli_ls(Cli *cli, int argc, char **argv)
{
	static const char *const TITLES[] = {"NAME", "SIZE", "STATE", "DEVICE", "GROUPS", "CREATED", "ID", NULL};
	CliTable table;
	json_t *reply;
	json_t *share;
	size_t i;
	int code;

	if (!cli_operands(cli, argc, argv, 0, 0))
		return cli_stopped(cli);
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	if (gs_client_shares(cli->client, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (cli_json(cli, reply))
		return cli_done(cli, reply);
	cli_table_begin(&table, TITLES);
	json_array_foreach(json_object_get(reply, "shares"), i, share) print_share(&table, share);
	cli_table_end(&table);
	if (i == 0)
		cli_note(cli, "You share nothing yet. See: groupshare help put");
	return cli_done(cli, reply);
}

/* The id of one's own share by name; NULL when there is none. Borrowed from `shares`. */
static const char *share_id(const json_t *shares, const char *name)
{
	json_t *share;
	size_t i;

	json_array_foreach(json_object_get(shares, "shares"), i, share)
	{
		if (strcmp(cli_member(share, "name", ""), name) == 0)
			return cli_member(share, "id", NULL);
	}
	return NULL;
}

static int remove_one(Cli *cli, const json_t *shares, const char *operand)
{
	/* A name goes before an id: it may look like one. */
	const char *id = share_id(shares, operand);
	json_t *reply;

	if (id == NULL && !gs_is_uuid(operand)) {
		fputs("groupshare: you share nothing by the name \"", stderr);
		cli_print(stderr, operand);
		fputs("\"\n  See: groupshare ls\n", stderr);
		return CLI_NOT_FOUND;
	}
	id = id != NULL ? id : operand;
	if (gs_client_delete_share(cli->client, id) != GS_CLIENT_OK)
		return cli_fail(cli);
	reply = json_pack("{s:s, s:s}", "id", id, "state", "deleted");
	if (!cli_json(cli, reply)) {
		fputs("no longer shared: ", stdout);
		cli_print(stdout, operand);
		putchar('\n');
	}
	return cli_done(cli, reply);
}

int cli_rm(Cli *cli, int argc, char **argv)
{
	json_t *shares;
	int result = CLI_OK;
	int code;

	if (!cli_operands(cli, argc, argv, 1, -1))
		return cli_stopped(cli);
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	if (gs_client_shares(cli->client, &shares) != GS_CLIENT_OK)
		return cli_fail(cli);
	for (int i = optind; i < argc; i++) {
		code = remove_one(cli, shares, argv[i]);
		result = result == CLI_OK ? code : result;
	}
	json_decref(shares);
	return result;
}
