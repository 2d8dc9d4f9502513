/* SPDX-License-Identifier: PostgreSQL */
/*
 * watch (spec G6): events by long poll, printed or given to a command as they come. The cursor is kept beside the
 * session after what it stands for was printed or the command has ended, so that the next watch goes on there: an event
 * may be shown twice, never lost.
 */
#include "client/cli/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/print.h"
#include "client/cli/watch_exec.h"
#include "client/file.h"

#define WAIT_S 25
#define CURSOR_MAX_BYTES 4096
#define PAUSE_S 2        /* between answers that came at once and empty, and after a failure */
#define FAILURES_MAX 150 /* about five minutes without the gateway */

/* The cursor's file belongs to one terminal at one gateway. */
typedef struct Cursor {
	char *file;
	char *owner;
	char *value; /* NULL: none yet */
} Cursor;

static int cursor_open(Cli *cli, Cursor *cursor)
{
	json_t *who;
	json_t *saved;
	char *data;
	size_t size;
	GsErrorBox box;
	const char *value;

	*cursor = (Cursor){0};
	if (gs_client_whoami(cli->client, &who) != GS_CLIENT_OK)
		return cli_fail(cli);
	if (asprintf(&cursor->file, "%s/cursor", cli_member(who, "state_directory", ".")) < 0)
		cursor->file = NULL;
	if (asprintf(&cursor->owner, "%s %s", cli_member(who, "terminal", ""), cli_member(who, "url", "")) < 0)
		cursor->owner = NULL;
	json_decref(who);
	if (cursor->file == NULL || cursor->owner == NULL) {
		fputs("groupshare: out of memory\n", stderr);
		return CLI_FAILED;
	}
	if (gs_file_read(cursor->file, CURSOR_MAX_BYTES, false, &data, &size, &box) != GS_CLIENT_OK || data == NULL)
		return CLI_OK;
	saved = json_loadb(data, size, 0, NULL);
	free(data);
	value = cli_member(saved, "after", NULL);
	if (value != NULL && strcmp(cli_member(saved, "owner", ""), cursor->owner) == 0)
		cursor->value = strdup(value);
	json_decref(saved);
	return CLI_OK;
}

static void cursor_close(Cursor *cursor)
{
	free(cursor->file);
	free(cursor->owner);
	free(cursor->value);
}

/* Moves to the event id `last` (string or number). Not being able to keep it only means printing again next time, so
 * say it once. */
static void cursor_move(const Cli *cli, Cursor *cursor, const json_t *last)
{
	json_t *saved;
	char *value = NULL;
	char *text;
	GsErrorBox box;

	if (json_is_string(last))
		value = strdup(json_string_value(last));
	else if (json_is_integer(last) && asprintf(&value, "%" JSON_INTEGER_FORMAT, json_integer_value(last)) < 0)
		value = NULL;
	if (value == NULL || (cursor->value != NULL && strcmp(value, cursor->value) == 0)) {
		free(value);
		return;
	}
	free(cursor->value);
	cursor->value = value;
	saved = json_pack("{s:s, s:s}", "owner", cursor->owner, "after", value);
	text = saved != NULL ? json_dumps(saved, JSON_COMPACT) : NULL;
	if (text == NULL || gs_file_write(cursor->file, text, strlen(text), true, &box) != GS_CLIENT_OK)
		cli_note(cli, "(The place could not be kept in %s: the next watch may repeat events.)", cursor->file);
	free(text);
	json_decref(saved);
}

/* "2026-01-31 12:00  inquiry  group=... terminal=..." */
static void print_event(const Cli *cli, const json_t *event)
{
	json_t *data = json_object_get(event, "data");
	char at[CLI_SIZE_TEXT];
	const char *key;
	json_t *value;

	if (cli_json(cli, event))
		return;
	cli_format_time(at, cli_member(event, "at", NULL));
	printf("%s  ", at);
	cli_print(stdout, cli_member(event, "kind", "-"));
	json_object_foreach(data, key, value)
	{
		char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		fputs("  ", stdout);
		cli_print(stdout, key);
		putchar('=');
		cli_print(stdout, json_is_string(value) ? json_string_value(value) : (text != NULL ? text : ""));
		free(text);
	}
	putchar('\n');
}

/* With a command the cursor moves event by event, since a command may take long and the watch be ended in it. */
static bool show_event(const Cli *cli, Cursor *cursor, const char *command, const json_t *event)
{
	if (command == NULL) {
		print_event(cli, event);
		return true;
	}
	if (cli_watch_exec(cli, command, event) < 0) {
		fprintf(stderr, "groupshare: the command can't be run: %s\n", strerror(errno));
		return false;
	}
	cursor_move(cli, cursor, json_object_get(event, "id"));
	return true;
}

/* One poll. GS_CLIENT_OK and *count, or the failure, which is not printed yet; count negative: the command can't run.
 */
static int poll_events(Cli *cli, Cursor *cursor, const char *command, int wait_s, ssize_t *count)
{
	json_t *reply;
	json_t *events;
	json_t *event;
	size_t i;
	int status = gs_client_events(cli->client, cursor->value, wait_s, &reply);

	*count = 0;
	if (status != GS_CLIENT_OK)
		return status;
	events = json_object_get(reply, "events");
	json_array_foreach(events, i, event)
	{
		if (!show_event(cli, cursor, command, event)) {
			*count = -1;
			json_decref(reply);
			return GS_CLIENT_OK;
		}
	}
	*count = (ssize_t)i;
	if (fflush(stdout) == 0 && i > 0)
		cursor_move(cli, cursor, json_object_get(json_array_get(events, i - 1), "id"));
	json_decref(reply);
	return GS_CLIENT_OK;
}

static int watch(Cli *cli, Cursor *cursor, const char *command, bool once)
{
	int failures = 0;

	for (;;) {
		time_t begun = time(NULL);
		ssize_t count;
		int status = poll_events(cli, cursor, command, once ? 0 : WAIT_S, &count);

		if (ferror(stdout))
			return cli_done(cli, NULL);
		if (count < 0)
			return CLI_FAILED;
		if (status != GS_CLIENT_OK && (status != GS_CLIENT_NETWORK || once || ++failures == FAILURES_MAX))
			return cli_fail(cli);
		if (status == GS_CLIENT_OK && failures > 0) {
			cli_note(cli, "(connected again)");
			failures = 0;
		} else if (failures == 1) {
			cli_note(cli, "(the gateway does not answer: trying on)");
		}
		if (once && count == 0)
			return cli_done(cli, NULL);
		if (!once && count == 0 && (failures > 0 || time(NULL) - begun < PAUSE_S))
			nanosleep(&(struct timespec){.tv_sec = PAUSE_S}, NULL);
	}
}

int cli_watch(Cli *cli, int argc, char **argv)
{
	static const struct option OWN[] = {{"after", required_argument, NULL, CLI_OWN_OPTION},
										{"once", no_argument, NULL, CLI_OWN_OPTION + 1},
										{"exec", required_argument, NULL, CLI_OWN_OPTION + 2},
										{NULL, 0, NULL, 0}};
	const char *after = NULL, *command = NULL;
	bool once = false;
	Cursor cursor;
	int option;
	int code;

	while ((option = cli_option(cli, argc, argv, OWN)) >= 0) {
		if (option == CLI_OWN_OPTION)
			after = optarg;
		else if (option == CLI_OWN_OPTION + 1)
			once = true;
		else
			command = optarg;
	}
	if (option == CLI_OPTIONS_STOP)
		return cli_stopped(cli);
	if (optind < argc)
		return cli_usage(cli, "too much: \"%s\"", argv[optind]);
	if ((code = cli_open(cli)) != CLI_OK)
		return code;
	code = cursor_open(cli, &cursor);
	if (code == CLI_OK && after != NULL) {
		free(cursor.value);
		cursor.value = strdup(after);
	}
	if (code == CLI_OK)
		code = watch(cli, &cursor, command, once);
	cursor_close(&cursor);
	return code;
}
