/* SPDX-License-Identifier: PostgreSQL */
/*
 * A daemon from main() on: arguments (--config FILE, --check-config, --dump-config, --version, --help), settings, the
 * master that binds (SO_REUSEPORT, one socket a worker), drops root, forks workers and restarts a dead one with a
 * growing pause; a worker is one uv loop. TERM/INT: drain (GOAWAY, wait for streams, deadline), HUP: settings and
 * certificates again, or keep the old and say why.
 */
#ifndef GS_PROGRAM_H
#define GS_PROGRAM_H

#include <uv.h>

#include "cors.h"
#include "metrics.h"
#include "route.h"
#include "settings.h"

typedef struct GsProgram {
	const char *name;    /* "groupshare-gateway" */
	const char *version; /* GS_VERSION, made from the control file by the build */
	const GsSettingsTable *settings;
	size_t settings_size; /* of the program's struct, which starts with GsCommonSettings */
	const GsRoute *routes;
	const GsCorsNames *cors; /* NULL: nothing for web pages of other origins, whatever the settings say */
	/* In the worker, after privileges are dropped. Returns the program state (gs_stream_program), NULL = fatal (log
	 * why). */
	void *(*worker_start)(uv_loop_t *loop, const void *settings, int worker_index, int port);
	/* HUP: new settings are valid and have replaced the old (old is freed after the call). May be NULL. */
	void (*worker_reload)(void *state, const void *settings);
	/* Drain begins: stop starting new background work; call done(loop) via gs_program_drained when nothing is left. May
	 * be NULL = nothing to wait for. */
	void (*worker_drain)(void *state);
	void (*worker_stop)(void *state); /* the loop has ended: free all */
	/* May this worker serve? NULL or a text why not, for /readyz. */
	const char *(*worker_ready)(void *state);
} GsProgram;

/* Does not return until the daemon has ended; returns the exit code. /healthz, /readyz and /metrics are added to the
 * routes. */
int gs_program_main(const GsProgram *program, int argc, char **argv);

/* The program's own background work is finished after worker_drain. */
void gs_program_drained(void *state);
/* A worker wants the whole daemon to end (a fatal state that a restart can't mend); logs `why`, exit code 1. */
void gs_program_abort(const char *why);

#endif
