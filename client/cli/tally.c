/* SPDX-License-Identifier: PostgreSQL */
/* Counts how transfers ended: the summary of put and get with several operands. */
#include "client/cli/tally.h"

void cli_tally_add(CliTally *tally, bool ok, bool already)
{
	tally->done += ok && !already;
	tally->already += ok && already;
	tally->failed += !ok;
}

void cli_tally_note(const Cli *cli, const CliTally *tally, const char *done, const char *already)
{
	if (tally->done + tally->already + tally->failed > 1)
		cli_note(cli, "%zu %s, %zu %s, %zu failed.", tally->done, done, tally->already, already, tally->failed);
}
