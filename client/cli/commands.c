/* SPDX-License-Identifier: PostgreSQL */
/*
 * The table of commands and all of their help. Adding a command: its function in commands.h, a row here, groupshare.1
 * and the three completions.
 */
#include "client/cli/commands.h"

#include <string.h>

#define OPTIONS_OF_SETTINGS                                                                                        \
	"  --join anyone|listed|confirm   who gets in: anyone; only who is listed; whom an administrator allows\n"     \
	"  --list IDENTIFIER              may join (repeat it for more; \"\" empties the list); means --join listed\n" \
	"  --admin IDENTIFIER             administrator (repeat it; \"me\" is this terminal). Others must accept by "  \
	"joining.\n"                                                                                                   \
	"  --listing listed|exact|hidden  found by any search; only by its exact name; not at all\n"                   \
	"  --list-add IDENTIFIER          as --list, but what is listed stays (repeat it for more)\n"                  \
	"  --list-remove IDENTIFIER       may not join by the list any more (repeat it for more)\n"                    \
	"  --description TEXT             what the group is about\n"                                                   \
	"  --max-members NUMBER           nobody comes in while there are so many\n"

static const CliCommand COMMANDS[] = {
	{"enroll", "IDENTIFIER CODE", "make this a terminal, with a one-time code from the operator",
	 "IDENTIFIER is a phone number (+4915112345678) or an e-mail address. A key is made and stays on this machine.\n"
	 "The gateway's address (--url) and certificate (--ca) are saved, so that no other command needs them.\n\n"
	 "  groupshare enroll anna@example.org 7K3F-Q2ZD --url https://share.example.org --ca ca.pem\n",
	 cli_enroll},
	{"connect", "", "prove who you are, and see your groups",
	 "Every other command connects by itself when needed; this one shows whether it works.\n", cli_connect},
	{"whoami", "", "show this terminal's identity and where it is kept", "Contacts nobody.\n", cli_whoami},
	{"groups", "[GROUP]", "list your groups, or one group's members and what they share",
	 "  --group GROUP   the same as the operand\n\nGROUP is an id or a name.\n\n"
	 "  groupshare groups\n  groupshare groups family\n",
	 cli_groups},
	{"search", "NAME", "find groups by name",
	 "  --prefix   names that begin with NAME (default)\n  --exact    names that are NAME\n"
	 "  --part     names that contain NAME\n  --all      all of them; without it a hundred or a few more\n\n"
	 "  groupshare search fam\n",
	 cli_search},
	{"create", "NAME [options]", "create a group",
	 OPTIONS_OF_SETTINGS "\nWithout options the group is only reserved; `groupshare set` then establishes it.\n\n"
						 "  groupshare create family --join confirm\n"
						 "  groupshare create team --join listed --list bob@example.org --admin me\n",
	 cli_create},
	{"set", "GROUP [options]", "establish a new group, or change a group's settings",
	 OPTIONS_OF_SETTINGS "  --name NAME                    another name\n\nWhat is not named stays as it is. Only "
						 "administrators may do this.\n\n"
						 "  groupshare set family --join anyone\n",
	 cli_set},
	{"join", "GROUP", "ask to become a member", "GROUP is an id, or a name that one group has.\n", cli_join},
	{"leave", "GROUP", "leave a group", "What you share is no longer visible in it.\n", cli_leave},
	{"dissolve", "GROUP", "end a group, for all of its members", "", cli_dissolve},
	{"invite", "GROUP IDENTIFIER [--admin]", "invite somebody to a group",
	 "  --admin   as an administrator\n\nWho is invited accepts by `groupshare join GROUP`, declines by `groupshare "
	 "leave "
	 "GROUP`.\nWho has asked to join comes in at once; a ban is lifted.\n",
	 cli_invite},
	{"remove", "GROUP IDENTIFIER", "remove a member (it may join again)", "", cli_remove},
	{"ban", "GROUP IDENTIFIER", "remove a member for good", "", cli_ban},
	{"unban", "GROUP IDENTIFIER", "lift a ban", "", cli_unban},
	{"promote", "GROUP IDENTIFIER", "make a member an administrator", "", cli_promote},
	{"demote", "GROUP IDENTIFIER", "make an administrator a plain member", "", cli_demote},
	{"inquiries", "", "list who asks to join your groups, your own questions and invitations",
	 "Decide with: groupshare allow ID, groupshare refuse ID. Withdraw your own: groupshare cancel ID.\n",
	 cli_inquiries},
	{"allow", "INQUIRY...", "let the terminal of an inquiry join", "", cli_allow},
	{"refuse", "INQUIRY...", "refuse an inquiry", "", cli_refuse},
	{"cancel", "INQUIRY...", "withdraw your own inquiry", "", cli_cancel},
	{"put", "FILE|FOLDER...", "share files",
	 "  --as NAME        the share's name (one FILE only; default: the file's name)\n"
	 "  --group GROUP    only for this group (repeat it for more; default: all of your groups)\n"
	 "  --paths SEP      call the files of a folder by their paths, with SEP for each slash\n"
	 "  --size BYTES     of standard input (-): it is then sent as it comes, not kept on disk first\n\n"
	 "All files below a FOLDER are shared, each by its own name; links are left out. Two files of one name are "
	 "refused\n"
	 "before anything is sent: tell them apart with --paths. Interrupted? Run it again: it continues, or says that it\n"
	 "is stored already.\n\n"
	 "  groupshare put holiday.mp4\n  groupshare put report.pdf --as 2026-report.pdf --group team\n"
	 "  groupshare put holiday --paths ' - '\n  tar c src | groupshare put - --as src.tar\n",
	 cli_put},
	{"get", "OWNER NAME...|--all", "fetch shares",
	 "  --share ID         one by its id instead of OWNER NAME\n"
	 "  --all              all that OWNER shares with you; with --group GROUP only what is shared in that group\n"
	 "  -o, --output FILE  file or existing directory (default: the share's name, here); - is standard output.\n"
	 "                     For several shares a directory, which is made if there is none\n"
	 "  -f, --force        replace an existing file that has another content\n"
	 "  --parallel N       connections at a time, 1 to 16 (default: 4 for a large file)\n\n"
	 "The SHA-256 is checked before the file gets its name. Interrupted? Run it again: it continues. What goes to\n"
	 "standard output is checked at its end: exit status 8 says that it was wrong.\n\n"
	 "  groupshare get anna@example.org holiday.mp4\n  groupshare get anna@example.org --all -o anna\n"
	 "  groupshare get anna@example.org src.tar -o - | tar x\n",
	 cli_get},
	{"ls", "", "list what you share", "What others share: groupshare groups GROUP\n", cli_ls},
	{"show", "NAME|ID --all | --group GROUP...", "change who sees a share",
	 "  --all           all of your groups, later ones too\n  --group GROUP   only this group (repeat it for more)\n",
	 cli_show},
	{"rm", "NAME|ID...", "stop sharing", "Others stop seeing it at once; your own file is not touched.\n", cli_rm},
	{"watch", "", "print what happens, as it happens",
	 "  --after CURSOR   begin after this event (0: all that are kept) instead of where the last watch ended\n"
	 "  --once           print what has happened so far, then end\n"
	 "  --exec COMMAND   run it by the shell for each event: JSON on its input, GROUPSHARE_EVENT_* in its "
	 "environment\n\n"
	 "Inquiries, decisions, new shares, changes of members and groups. Ends with Ctrl-C.\n",
	 cli_watch},
	{"help", "[COMMAND]", "explain the program or a command", "", cli_help_run},
};

const CliCommand *cli_commands(size_t *count)
{
	*count = sizeof(COMMANDS) / sizeof(COMMANDS[0]);
	return COMMANDS;
}

const CliCommand *cli_command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
		if (strcmp(COMMANDS[i].name, name) == 0)
			return &COMMANDS[i];
	}
	return NULL;
}
