/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the commands of `groupshare` share: options, the handle, and how a result or failure leaves the program. A
 * command is one function in the const table of commands.c; it reads its options with cli_option(), opens the handle
 * with cli_open(), calls the library, prints, and returns an exit code.
 */
#ifndef GS_CLI_H
#define GS_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "client/groupshare.h"

/* Exit codes; groupshare(1) lists them. */
typedef enum CliExit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_DENIED = 3,
	CLI_NOT_FOUND = 4,
	CLI_CONFLICT = 5,
	CLI_NO_ROOM = 6,
	CLI_NETWORK = 7,
	CLI_DIGEST = 8
} CliExit;

typedef struct Cli Cli;

typedef struct CliCommand {
	const char *name;
	const char *arguments; /* after the name in the usage line */
	const char *summary;   /* one line for the list of commands */
	const char *details;   /* what `groupshare help NAME` adds: options, examples */
	int (*run)(Cli *cli, int argc, char **argv);
} CliCommand;

struct Cli {
	GsClientOptions options;
	bool json;
	bool quiet;
	const CliCommand *command;
	GsClient *client;    /* NULL until cli_open() */
	bool done;           /* help was printed: end with CLI_OK */
	const char *subject; /* which of several operands a failure is about; NULL: there is but one */
	unsigned waited_s;   /* what was said last about waiting */
};

/* Options that a command has of its own are numbered from here; cli_option() treats all others itself. */
#define CLI_OWN_OPTION 1000
#define CLI_OWN_OPTIONS_MAX 12

/*
 * The next option of the command's own (`own` ends with a zeroed entry), CLI_OPTIONS_END when there are no more (optind
 * is then the first operand), or CLI_OPTIONS_STOP when the program is to end with cli_stopped(): help was asked for, or
 * the usage was wrong and that has been said.
 */
enum { CLI_OPTIONS_END = -1, CLI_OPTIONS_STOP = -2 };
int cli_option(Cli *cli, int argc, char **argv, const struct option *own);
int cli_stopped(const Cli *cli);

/* Parses a command line without options of its own and checks that `least`..`most` operands follow (most -1: any). */
bool cli_operands(Cli *cli, int argc, char **argv, int least, int most);

/* Says what is wrong with the command line; returns CLI_USAGE. */
int cli_usage(const Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* CLI_OK, or has printed the failure and returns its exit code. */
int cli_open(Cli *cli);

/* Prints the handle's latest failure to stderr; returns its exit code. */
int cli_fail(const Cli *cli);

/* With --json: prints `reply` as one line of JSON and returns true. */
bool cli_json(const Cli *cli, const json_t *reply);

/* Frees `reply`, flushes; CLI_OK, or CLI_FAILED when standard output can't be written. */
int cli_done(const Cli *cli, json_t *reply);

/*
 * How commands without options of their own begin: the operands, as cli_operands(), then cli_open(). false: end with
 * *code.
 */
bool cli_begin(Cli *cli, int argc, char **argv, int least, int most, int *code);

/* The same with exactly `count` operands, of which the first is a GROUP: its id. */
bool cli_begin_group(Cli *cli, int argc, char **argv, int count, char id[37], int *code);

/* GROUP operand (id or name) -> id. CLI_OK, or the failure is printed. */
int cli_find_group(Cli *cli, const char *reference, char id[37]);

/* A line on stderr unless --quiet or --json; untrusted arguments go through cli_print first. */
void cli_note(const Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "groupshare: `what` is wrong with `path`" or, with --json, the same as an error object; returns CLI_FAILED. */
int cli_complain(const Cli *cli, const char *path, const char *what);

const CliCommand *cli_command_find(const char *name);
const CliCommand *cli_commands(size_t *count);

/* The general help / that of a command, to standard output. */
void cli_help(void);
void cli_help_command(const CliCommand *command);

#endif
