/* SPDX-License-Identifier: PostgreSQL */
/* watch --exec: a command of the user's for each event. */
#ifndef GS_CLI_WATCH_EXEC_H
#define GS_CLI_WATCH_EXEC_H

#include <jansson.h>

#include "client/cli/cli.h"

/*
 * Runs `sh -c COMMAND` and waits for its end. The event is on its standard input, as one line of JSON, and in its
 * environment: GROUPSHARE_EVENT_ID, _AT, _KIND, and one variable for each member of the event's data, in capitals. A
 * command that fails is said to have failed, and no more. Negative: it could not be run at all (errno).
 */
__attribute__((warn_unused_result)) int cli_watch_exec(const Cli *cli, const char *command, const json_t *event);

#endif
