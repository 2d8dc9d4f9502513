/* SPDX-License-Identifier: PostgreSQL */
/* A daemon's command line. Everything else is the master's (master.c) and the workers' (worker.c). */
#include "daemon/program.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/log.h"
#include "daemon/master.h"
#include "daemon/settings_common.h"
#include "daemon/worker.h"

typedef struct Arguments {
	const char *config;
	bool check, dump, version, help;
} Arguments;

static int parse(int argc, char **argv, Arguments *arguments)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'k'},
		{"dump-config", no_argument, NULL, 'd'},  {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			arguments->config = optarg;
			break;
		case 'k':
			arguments->check = true;
			break;
		case 'd':
			arguments->dump = true;
			break;
		case 'V':
			arguments->version = true;
			break;
		case 'h':
			arguments->help = true;
			break;
		default:
			return -1;
		}
	}
	return optind == argc ? 0 : -1;
}

static void usage(const GsProgram *program, FILE *out)
{
	fprintf(out,
			"usage: %s [--config FILE] [--check-config | --dump-config | --version | --help]\n\n"
			"  -c, --config FILE  settings, INI format; %s_SECTION_NAME in the environment overrides them\n"
			"      --check-config read and check the settings, then end\n"
			"      --dump-config  print the settings in effect, secrets masked\n"
			"  -V, --version      print the version\n"
			"  -h, --help         print this\n\n"
			"Runs in the foreground. TERM: finish running requests, then end; again: end at once. HUP: read\n"
			"settings and certificates again. Exit code 0: ended as asked, 1: failed, 2: wrong arguments.\n",
			program->name, program->settings->env_prefix);
}

int gs_program_main(const GsProgram *program, int argc, char **argv)
{
	Arguments arguments = {0};
	char error[512];
	void *settings;

	gs_log_init(program->name, GS_LOG_INFO);
	gs_log_process();
	if (parse(argc, argv, &arguments) < 0) {
		usage(program, stderr);
		return 2;
	}
	if (arguments.help || arguments.version) {
		if (arguments.help)
			usage(program, stdout);
		else
			printf("%s %s\n", program->name, program->version);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	settings = gs_worker_settings_load(program, arguments.config, error, sizeof(error));
	if (settings == NULL) {
		fprintf(stderr, "%s: %s\n", program->name, error);
		return 1;
	}
	if (arguments.dump)
		gs_settings_dump(program->settings, settings, stdout);
	if (arguments.check || arguments.dump) {
		gs_worker_settings_free(program, settings);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	gs_log_init(program->name, (GsLogLevel)gs_settings_log_level(settings));
	return gs_master_run(program, arguments.config, settings);
}
