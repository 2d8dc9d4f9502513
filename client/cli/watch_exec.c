/* SPDX-License-Identifier: PostgreSQL */
/*
 * Names in an event are other people's. They reach the command as data only, by its input and environment: the text
 * that the shell parses is the user's own, so there is nothing to quote. Names of variables are made of the API's
 * member names, and one that is not plain is left out. The child is the parent's copy between fork and exec, with one
 * thread.
 */
#include "client/cli/watch_exec.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX "GROUPSHARE_EVENT_"
#define NAME_SIZE 64

/* GROUPSHARE_EVENT_GROUP_NAME of "group_name". False: no name for a variable. */
static bool variable_name(const char *member, char name[NAME_SIZE])
{
	size_t used = strlen(PREFIX);

	if (used + strlen(member) >= NAME_SIZE || member[0] == '\0')
		return false;
	memcpy(name, PREFIX, used);
	for (; *member != '\0'; member++) {
		if (!islower((unsigned char)*member) && !isdigit((unsigned char)*member) && *member != '_')
			return false;
		name[used++] = (char)toupper((unsigned char)*member);
	}
	name[used] = '\0';
	return true;
}

static int set_members(const json_t *object)
{
	const char *member;
	json_t *value;
	char name[NAME_SIZE];

	json_object_foreach((json_t *)object, member, value)
	{
		char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		const char *shown = json_is_string(value) ? json_string_value(value) : text;
		int set = 0;

		/* The data as a whole is on the input. */
		if (!json_is_object(value) && shown != NULL && variable_name(member, name))
			set = setenv(name, shown, 1);
		free(text);
		if (set < 0)
			return -1;
	}
	return 0;
}

static void __attribute__((noreturn)) become(const char *command, const json_t *event, int input)
{
	char *const arguments[] = {"sh", "-c", (char *)command, NULL};

	signal(SIGPIPE, SIG_DFL);
	if (dup2(input, STDIN_FILENO) >= 0 && set_members(json_object_get(event, "data")) == 0 && set_members(event) == 0)
		execvp("sh", arguments);
	fprintf(stderr, "groupshare: sh: %s\n", strerror(errno));
	_exit(127);
}

/* Who does not read its input, or not all, is free to. */
static void feed(int output, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t written = write(output, text, left);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		left -= (size_t)written;
	}
}

static void say_how(const Cli *cli, int status)
{
	if (WIFSIGNALED(status))
		cli_note(cli, "(the command was ended by signal %d)", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		cli_note(cli, "(the command failed with %d)", WEXITSTATUS(status));
}

static int run(const Cli *cli, const char *command, const json_t *event, const char *line)
{
	int ends[2], status;
	pid_t child;

	if (pipe(ends) < 0)
		return -1;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		close(ends[1]);
		become(command, event, ends[0]);
	}
	close(ends[0]);
	if (child > 0) {
		feed(ends[1], line);
		feed(ends[1], "\n");
	}
	close(ends[1]);
	if (child < 0)
		return -1;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	say_how(cli, status);
	return 0;
}

int cli_watch_exec(const Cli *cli, const char *command, const json_t *event)
{
	char *line = json_dumps(event, JSON_COMPACT);
	void (*before)(int);
	int result;

	if (line == NULL) {
		errno = ENOMEM;
		return -1;
	}
	before = signal(SIGPIPE, SIG_IGN);
	result = run(cli, command, event, line);
	signal(SIGPIPE, before);
	free(line);
	return result;
}
