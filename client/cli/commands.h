/* SPDX-License-Identifier: PostgreSQL */
/* The commands, for the table in commands.c. */
#ifndef GS_CLI_COMMANDS_H
#define GS_CLI_COMMANDS_H

#include "client/cli/cli.h"

int cli_enroll(Cli *cli, int argc, char **argv);
int cli_connect(Cli *cli, int argc, char **argv);
int cli_whoami(Cli *cli, int argc, char **argv);
int cli_groups(Cli *cli, int argc, char **argv);
int cli_search(Cli *cli, int argc, char **argv);
int cli_create(Cli *cli, int argc, char **argv);
int cli_set(Cli *cli, int argc, char **argv);
int cli_join(Cli *cli, int argc, char **argv);
int cli_dissolve(Cli *cli, int argc, char **argv);
int cli_leave(Cli *cli, int argc, char **argv);
int cli_remove(Cli *cli, int argc, char **argv);
int cli_ban(Cli *cli, int argc, char **argv);
int cli_unban(Cli *cli, int argc, char **argv);
int cli_promote(Cli *cli, int argc, char **argv);
int cli_demote(Cli *cli, int argc, char **argv);
int cli_invite(Cli *cli, int argc, char **argv);
int cli_inquiries(Cli *cli, int argc, char **argv);
int cli_allow(Cli *cli, int argc, char **argv);
int cli_refuse(Cli *cli, int argc, char **argv);
int cli_cancel(Cli *cli, int argc, char **argv);
int cli_put(Cli *cli, int argc, char **argv);
int cli_get(Cli *cli, int argc, char **argv);
int cli_ls(Cli *cli, int argc, char **argv);
int cli_show(Cli *cli, int argc, char **argv);
int cli_rm(Cli *cli, int argc, char **argv);
int cli_watch(Cli *cli, int argc, char **argv);
int cli_help_run(Cli *cli, int argc, char **argv);

#endif
