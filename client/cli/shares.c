/* SPDX-License-Identifier: PostgreSQL */
/* ls, show and rm (spec U1, D4). */
#include "client/cli/commands.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/print.h"
#include "client/compose.h"
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

	if (!cli_begin(cli, argc, argv, 0, 0, &code))
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
	char *composed = gs_compose(name);
	const char *wanted = composed != NULL ? composed : name;
	const char *id = NULL;
	json_t *share;
	size_t i;

	json_array_foreach(json_object_get(shares, "shares"), i, share)
	{
		if (strcmp(cli_member(share, "name", ""), wanted) == 0) {
			id = cli_member(share, "id", NULL);
			break;
		}
	}
	free(composed);
	return id;
}

#define SHOW_GROUPS_MAX 100

static int show_one(Cli *cli, const char *operand, const char *const *ids, size_t count)
{
	json_t *shares;
	json_t *reply;
	const char *id;
	int status;

	if (gs_client_shares(cli->client, &shares) != GS_CLIENT_OK)
		return cli_fail(cli);
	id = share_id(shares, operand);
	status = gs_client_set_share(cli->client, id != NULL ? id : operand, ids, count, &reply);
	json_decref(shares);
	if (status != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply)) {
		cli_print(stdout, operand);
		if (ids == NULL)
			puts(": shown in all of your groups");
		else
			printf(": shown in %zu of your groups\n", json_array_size(json_object_get(reply, "groups")));
	}
	return cli_done(cli, reply);
}

int cli_show(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"all", no_argument, NULL, CLI_OWN_OPTION},
										{"group", required_argument, NULL, CLI_OWN_OPTION + 1},
										{NULL, 0, NULL, 0}};
	const char *references[SHOW_GROUPS_MAX];
	const char *ids[SHOW_GROUPS_MAX];
	char id_texts[SHOW_GROUPS_MAX][37];
	size_t count = 0;
	bool all = false;
	int option;
	int code;

	while ((option = cli_option(cli, argc, argv, OWN)) >= 0) {
		all |= option == CLI_OWN_OPTION;
		if (option == CLI_OWN_OPTION)
			continue;
		if (count == SHOW_GROUPS_MAX)
			return cli_usage(cli, "more than %d groups", SHOW_GROUPS_MAX);
		references[count++] = optarg;
	}
	if (option == CLI_OPTIONS_STOP)
		return cli_stopped(cli);
	if (argc - optind != 1 || all == (count > 0))
		return cli_usage(cli, "one share is needed, and either --all or --group");
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	for (size_t i = 0; i < count; i++) {
		if ((code = cli_find_group(cli, references[i], id_texts[i])) != CLI_OK)
			return code;
		ids[i] = id_texts[i];
	}
	return show_one(cli, argv[optind], all ? NULL : ids, count);
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

	if (!cli_begin(cli, argc, argv, 1, -1, &code))
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
