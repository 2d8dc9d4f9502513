/* SPDX-License-Identifier: PostgreSQL */
/* How several transfers ended, in one line. */
#ifndef GS_CLI_TALLY_H
#define GS_CLI_TALLY_H

#include "client/cli/cli.h"

typedef struct CliTally {
	size_t done;
	size_t already;
	size_t failed;
} CliTally;

void cli_tally_add(CliTally *tally, bool ok, bool already);

/* "7 fetched, 2 here already, 1 failed." as a remark, when there were several. */
void cli_tally_note(const Cli *cli, const CliTally *tally, const char *done, const char *already);

#endif
