/* SPDX-License-Identifier: PostgreSQL */
/*
 * A worker process and what it and the master say to each other over a socket pair, one byte a message. The end of the
 * pair means that the other is gone.
 */
#ifndef GS_WORKER_H
#define GS_WORKER_H

#include <stdint.h>

#include "daemon/program.h"

enum {
	GS_WORKER_READY = 'R',  /* worker: serving */
	GS_WORKER_BEAT = 'B',   /* worker: the loop turns */
	GS_MASTER_DRAIN = 'D',  /* master: finish and end */
	GS_MASTER_STOP = 'X',   /* master: end now */
	GS_MASTER_RELOAD = 'H', /* master: read settings and certificates again */
	GS_WORKER_BEAT_MS = 1000,
	GS_WORKER_EXIT_FATAL = 71 /* a restart would not help */
};

typedef struct GsWorkerArgs {
	const GsProgram *program;
	const char *config;
	void *settings; /* becomes the worker's */
	int index, port;
	int listen_fd, control_fd;
} GsWorkerArgs;

/* The worker's life; returns the exit code. */
int gs_worker_run(const GsWorkerArgs *args);
/* Loads, checks and (TLS) tries the settings. NULL with the reason in error. Freed by gs_worker_settings_free. */
void *gs_worker_settings_load(const GsProgram *program, const char *config, char *error, size_t error_size);
void gs_worker_settings_free(const GsProgram *program, void *settings);

#endif
