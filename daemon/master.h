/* SPDX-License-Identifier: PostgreSQL */
/* The master process: sockets, privileges, workers, signals. */
#ifndef GS_MASTER_H
#define GS_MASTER_H

#include "daemon/program.h"

/* Takes over `settings`. Returns the daemon's exit code; in a worker process it returns the worker's. */
int gs_master_run(const GsProgram *program, const char *config, void *settings);

#endif
