/* SPDX-License-Identifier: PostgreSQL */
/* groups, search, create, set, join, leave, dissolve (spec C4, G1-G5). */
#include "client/cli/commands.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/print.h"

#define LIST_MAX 5000
#define SEARCH_SHOWN 100

static void print_groups(const json_t *groups)
{
	static const char *const TITLES[] = {"NAME", "ROLE", "JOIN", "STATE", "MEMBERS", "ID", NULL};
	CliTable table;
	json_t *group;
	size_t i;

	cli_table_begin(&table, TITLES);
	json_array_foreach(groups, i, group)
	{
		const json_t *next = json_object_get(group, "members_next");
		char members[CLI_SIZE_TEXT];

		snprintf(members, sizeof(members), "%zu%s", json_array_size(json_object_get(group, "members")),
				 next != NULL && !json_is_null(next) ? "+" : "");
		cli_table_row(&table, cli_member(group, "name", NULL), cli_member(group, "role", NULL),
					  cli_member(group, "join", NULL), cli_member(group, "state", NULL), members,
					  cli_member(group, "id", NULL));
	}
	cli_table_end(&table);
}

static void print_members(const json_t *members)
{
	static const char *const TITLES[] = {"MEMBER", "ROLE", "SHARE", "SIZE", "STORED", "ID", NULL};
	CliTable table;
	json_t *member;
	json_t *share;
	size_t i;
	size_t j;

	cli_table_begin(&table, TITLES);
	json_array_foreach(members, i, member)
	{
		const char *terminal = cli_member(member, "terminal", NULL);
		const char *role = cli_member(member, "role", NULL);
		const json_t *shares = json_object_get(member, "shares");

		if (json_array_size(shares) == 0)
			cli_table_row(&table, terminal, role, NULL, NULL, NULL, NULL);
		json_array_foreach(shares, j, share)
		{
			char size[CLI_SIZE_TEXT];
			char stored[CLI_SIZE_TEXT];

			cli_format_size(size, (uint64_t)json_integer_value(json_object_get(share, "size")));
			cli_format_time(stored, cli_member(share, "stored_at", NULL));
			cli_table_row(&table, terminal, role, cli_member(share, "name", NULL), size, stored,
						  cli_member(share, "id", NULL));
		}
	}
	cli_table_end(&table);
}

static int one_group(Cli *cli, const char *reference)
{
	char id[37];
	json_t *reply;
	int code = cli_find_group(cli, reference, id);

	if (code != CLI_OK)
		return code;
	if (gs_client_group(cli->client, id, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply))
		print_members(json_object_get(reply, "members"));
	return cli_done(cli, reply);
}

int cli_groups(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"group", required_argument, NULL, CLI_OWN_OPTION}, {NULL, 0, NULL, 0}};
	const char *reference = NULL;
	json_t *reply;
	int option;
	int code;

	while ((option = cli_option(cli, argc, argv, OWN)) == CLI_OWN_OPTION)
		reference = optarg;
	if (option == CLI_OPTIONS_STOP)
		return cli_stopped(cli);
	if (optind < argc && reference == NULL)
		reference = argv[optind++];
	if (optind < argc)
		return cli_usage(cli, "too much: \"%s\"", argv[optind]);
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	if (reference != NULL)
		return one_group(cli, reference);
	if (gs_client_groups(cli->client, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply)) {
		print_groups(json_object_get(reply, "groups"));
		if (json_array_size(json_object_get(reply, "groups")) == 0)
			cli_note(cli, "You are in no group. See: groupshare help search, groupshare help create");
	}
	return cli_done(cli, reply);
}

int cli_search(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"exact", no_argument, NULL, CLI_OWN_OPTION},
										{"prefix", no_argument, NULL, CLI_OWN_OPTION + 1},
										{"part", no_argument, NULL, CLI_OWN_OPTION + 2},
										{"all", no_argument, NULL, CLI_OWN_OPTION + 3},
										{NULL, 0, NULL, 0}};
	static const char *const TITLES[] = {"NAME", "JOIN", "ID", NULL};
	const char *match = "prefix";
	size_t most = SEARCH_SHOWN;
	CliTable table;
	json_t *reply;
	json_t *group;
	size_t i;
	int option;
	int code;

	while ((option = cli_option(cli, argc, argv, OWN)) >= 0) {
		if (strcmp(OWN[option - CLI_OWN_OPTION].name, "all") == 0)
			most = 0;
		else
			match = OWN[option - CLI_OWN_OPTION].name;
	}
	if (option == CLI_OPTIONS_STOP)
		return cli_stopped(cli);
	if (argc - optind != 1)
		return cli_usage(cli, "one NAME is needed");
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	if (gs_client_search(cli->client, argv[optind], match, most, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (cli_json(cli, reply))
		return cli_done(cli, reply);
	cli_table_begin(&table, TITLES);
	json_array_foreach(json_object_get(reply, "groups"), i, group) cli_table_row(
		&table, cli_member(group, "name", NULL), cli_member(group, "join", NULL), cli_member(group, "id", NULL));
	cli_table_end(&table);
	if (i == 0)
		cli_note(cli, "No group found. Try --part, or ask for the group's id if it is hidden.");
	if (json_is_true(json_object_get(reply, "more")))
		cli_note(cli, "There are more. A longer NAME finds fewer; --all shows them all.");
	return cli_done(cli, reply);
}

typedef struct Settings {
	GsClientSettings settings;
	const char *listed[LIST_MAX];
	const char *added[LIST_MAX];
	const char *removed[LIST_MAX];
	const char *administrators[LIST_MAX];
	bool any;
} Settings;

enum {
	SET_NAME = CLI_OWN_OPTION,
	SET_JOIN,
	SET_LIST,
	SET_LIST_ADD,
	SET_LIST_REMOVE,
	SET_ADMIN,
	SET_LISTING,
	SET_DESCRIPTION,
	SET_MAX_MEMBERS
};

/* The first is for set alone: create has the name as its operand. */
static const struct option SETTINGS[] = {{"name", required_argument, NULL, SET_NAME},
										 {"join", required_argument, NULL, SET_JOIN},
										 {"list", required_argument, NULL, SET_LIST},
										 {"list-add", required_argument, NULL, SET_LIST_ADD},
										 {"list-remove", required_argument, NULL, SET_LIST_REMOVE},
										 {"admin", required_argument, NULL, SET_ADMIN},
										 {"listing", required_argument, NULL, SET_LISTING},
										 {"description", required_argument, NULL, SET_DESCRIPTION},
										 {"max-members", required_argument, NULL, SET_MAX_MEMBERS},
										 {NULL, 0, NULL, 0}};

/* Appends one identifier to a list of `settings`; false when it is full. "" only makes the list be there. */
static bool add_listed(const char **list, const char *const **settings_list, size_t *count)
{
	*settings_list = list;
	if (*count == LIST_MAX)
		return false;
	if (optarg[0] != '\0')
		list[(*count)++] = optarg;
	return true;
}

static int read_max_members(const Cli *cli, GsClientSettings *settings)
{
	char *end;
	long value = strtol(optarg, &end, 10);

	if (*end != '\0' || value < 1 || value > INT_MAX)
		return cli_usage(cli, "--max-members is a number from 1");
	settings->max_members = (int)value;
	return CLI_OK;
}

static int read_setting(const Cli *cli, int option, Settings *read)
{
	GsClientSettings *settings = &read->settings;
	bool room = true;

	switch (option) {
	case SET_NAME:
		settings->name = optarg;
		break;
	case SET_JOIN:
		settings->join = optarg;
		break;
	case SET_LISTING:
		settings->listing = optarg;
		break;
	case SET_DESCRIPTION:
		settings->description = optarg;
		break;
	case SET_MAX_MEMBERS:
		return read_max_members(cli, settings);
	case SET_LIST:
		room = add_listed(read->listed, &settings->listed, &settings->listed_count);
		break;
	case SET_LIST_ADD:
		room = add_listed(read->added, &settings->listed_add, &settings->listed_add_count);
		break;
	case SET_LIST_REMOVE:
		room = add_listed(read->removed, &settings->listed_remove, &settings->listed_remove_count);
		break;
	default:
		room = add_listed(read->administrators, &settings->administrators, &settings->administrators_count);
	}
	return room ? CLI_OK : cli_usage(cli, "more than %d identifiers", LIST_MAX);
}

/* Reads the options of create and set, and that one operand follows. CLI_OK or what to end with. */
static int read_settings(Cli *cli, int argc, char **argv, const struct option *options, Settings *read)
{
	GsClientSettings *settings = &read->settings;
	int option;
	int code;

	while ((option = cli_option(cli, argc, argv, options)) >= 0) {
		read->any = true;
		if ((code = read_setting(cli, option, read)) != CLI_OK)
			return code;
	}
	if (option == CLI_OPTIONS_STOP)
		return -1;
	if (argc - optind != 1)
		return cli_usage(cli, "one operand is needed");
	if (settings->listed != NULL && settings->join == NULL)
		settings->join = "listed";
	return CLI_OK;
}

/* "me" -> this terminal's identifier, which lives in *who. */
static int resolve_me(Cli *cli, Settings *read, json_t **who)
{
	*who = NULL;
	for (size_t i = 0; i < read->settings.administrators_count; i++) {
		if (strcmp(read->administrators[i], "me") != 0)
			continue;
		if (*who == NULL && gs_client_whoami(cli->client, who) != GS_CLIENT_OK)
			return cli_fail(cli);
		read->administrators[i] = cli_member(*who, "terminal", "me");
	}
	return CLI_OK;
}

int cli_create(Cli *cli, int argc, char **argv)
{
	Settings read = {0};
	json_t *who = NULL;
	json_t *reply = NULL;
	int code = read_settings(cli, argc, argv, SETTINGS + 1, &read);

	if (code != CLI_OK)
		return code < 0 ? cli_stopped(cli) : code;
	if ((code = cli_open(cli)) == CLI_OK)
		code = resolve_me(cli, &read, &who);
	if (code == CLI_OK &&
		gs_client_create_group(cli->client, argv[optind], read.any ? &read.settings : NULL, &reply) != GS_CLIENT_OK)
		code = cli_fail(cli);
	json_decref(who);
	if (code != CLI_OK)
		return code;
	if (!cli_json(cli, reply)) {
		const char *id = cli_member(reply, "group", "-");
		bool live = strcmp(cli_member(reply, "state", ""), "live") == 0;

		printf("%s\n", id);
		cli_note(cli,
				 live ? "The group is established. Its id is above."
					  : "Now set its rules, for example: groupshare "
						"set %s --join confirm",
				 id);
	}
	return cli_done(cli, reply);
}

int cli_set(Cli *cli, int argc, char **argv)
{
	Settings read = {0};
	json_t *who = NULL;
	json_t *reply = NULL;
	char id[37];
	int code = read_settings(cli, argc, argv, SETTINGS, &read);

	if (code != CLI_OK)
		return code < 0 ? cli_stopped(cli) : code;
	if (!read.any)
		return cli_usage(cli, "nothing to set");
	if ((code = cli_open(cli)) == CLI_OK)
		code = resolve_me(cli, &read, &who);
	if (code == CLI_OK)
		code = cli_find_group(cli, argv[optind], id);
	if (code == CLI_OK && gs_client_set_group(cli->client, id, &read.settings, &reply) != GS_CLIENT_OK)
		code = cli_fail(cli);
	json_decref(who);
	if (code != CLI_OK)
		return code;
	if (!cli_json(cli, reply)) {
		json_t *list = json_pack("[O]", reply);

		print_groups(list);
		json_decref(list);
	}
	return cli_done(cli, reply);
}

int cli_join(Cli *cli, int argc, char **argv)
{
	char id[37];
	json_t *reply;
	int code;

	if (!cli_begin_group(cli, argc, argv, 1, id, &code))
		return code;
	if (gs_client_join(cli->client, id, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply)) {
		if (strcmp(cli_member(reply, "state", ""), "pending") == 0) {
			fputs("An administrator will decide. Inquiry ", stdout);
			cli_print(stdout, cli_member(reply, "inquiry", "-"));
			putchar('\n');
			cli_note(cli, "You learn the outcome by: groupshare inquiries, or groupshare watch");
		} else {
			fputs("You are in the group, as ", stdout);
			cli_print(stdout, cli_member(reply, "role", "member"));
			putchar('\n');
			cli_note(cli, "See what is shared: groupshare groups %s", id);
		}
	}
	return cli_done(cli, reply);
}

int cli_leave(Cli *cli, int argc, char **argv)
{
	char id[37];
	json_t *reply;
	int code;

	if (!cli_begin_group(cli, argc, argv, 1, id, &code))
		return code;
	if (gs_client_remove_member(cli->client, id, NULL, &reply) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (!cli_json(cli, reply))
		printf("Left.\n");
	return cli_done(cli, reply);
}

int cli_dissolve(Cli *cli, int argc, char **argv)
{
	char id[37];
	json_t *reply;
	int code;

	if (!cli_begin_group(cli, argc, argv, 1, id, &code))
		return code;
	if (gs_client_dissolve(cli->client, id) != GS_CLIENT_OK)
		return cli_fail(cli);
	reply = json_pack("{s:s, s:s}", "group", id, "state", "dissolved");
	if (!cli_json(cli, reply))
		printf("Dissolved.\n");
	return cli_done(cli, reply);
}
