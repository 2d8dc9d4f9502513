/* SPDX-License-Identifier: PostgreSQL */
/*
 * A worker: one loop, a server, the program's state. It ends when the master says so, when the master is gone, or at
 * TERM: drains first, until nothing is left or the deadline. TERM may come from the master, the kernel (parent death)
 * and the service manager at once, so it only ever means "drain"; "at once" comes over the socket pair.
 */
#include "daemon/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/connection.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "daemon/settings_common.h"
#include "daemon/tls.h"

typedef struct Worker {
	const GsWorkerArgs *args;
	GsServer server;
	void *settings;
	uv_loop_t loop;
	uv_signal_t term;
	uv_poll_t control;
	uv_timer_t deadline, beat;
	bool draining, program_drained, connections_gone, ending;
} Worker;

static Worker worker; /* the process is the worker: there is one */

void *gs_worker_settings_load(const GsProgram *program, const char *config, char *error, size_t error_size)
{
	void *settings = calloc(1, program->settings_size);
	const GsCommonSettings *common = settings;
	const char *wrong;

	if (settings == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	if (gs_settings_load(program->settings, config, settings, error, error_size) < 0)
		goto failed;
	wrong = gs_settings_check_common(common);
	if (wrong != NULL) {
		snprintf(error, error_size, "%s: %s", config != NULL ? config : "settings", wrong);
		goto failed;
	}
	if (!common->cleartext) {
		SSL_CTX *tls = gs_tls_context(common, error, error_size);

		if (tls == NULL)
			goto failed;
		SSL_CTX_free(tls);
	}
	return settings;
failed:
	gs_worker_settings_free(program, settings);
	return NULL;
}

void gs_worker_settings_free(const GsProgram *program, void *settings)
{
	if (settings == NULL)
		return;
	gs_settings_free(program->settings, settings);
	free(settings);
}

static void tell_master(char message)
{
	/* a full pair means that the master has beats enough to read */
	if (send(worker.args->control_fd, &message, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
		gs_log(GS_LOG_DEBUG, NULL, "the master does not listen", "error", strerror(errno), NULL);
}

/* End ----------------------------------------------------------------------------------------------------------- */

static void end_loop(void)
{
	if (worker.ending)
		return; /* the last turns of the loop must not be cut short */
	worker.ending = true;
	uv_stop(&worker.loop);
}

static void end_when_drained(void)
{
	if (worker.draining && worker.program_drained && worker.connections_gone)
		end_loop();
}

static void on_emptied(GsServer *server)
{
	(void)server;
	worker.connections_gone = true;
	end_when_drained();
}

static void on_deadline(uv_timer_t *timer)
{
	char left[32];

	(void)timer;
	snprintf(left, sizeof(left), "%zu", worker.server.connection_count);
	gs_log(GS_LOG_WARN, NULL, "drain timeout, ending what is left", "connections", left, NULL);
	end_loop();
}

static void drain(void)
{
	const GsCommonSettings *common = worker.settings;

	if (worker.draining)
		return;
	worker.draining = true;
	gs_log(GS_LOG_INFO, NULL, "draining", NULL);
	uv_timer_start(&worker.deadline, on_deadline, (uint64_t)common->drain_timeout_ms, 0);
	gs_server_drain(&worker.server);
	if (worker.args->program->worker_drain != NULL)
		worker.args->program->worker_drain(worker.server.state);
	else
		worker.program_drained = true;
	end_when_drained();
}

void gs_program_drained(void *state)
{
	(void)state;
	worker.program_drained = true;
	end_when_drained();
}

void gs_program_abort(const char *why)
{
	gs_log(GS_LOG_ERROR, NULL, "cannot go on", "why", why, NULL);
	_exit(GS_WORKER_EXIT_FATAL);
}

/* Reload -------------------------------------------------------------------------------------------------------- */

static void reload(void)
{
	const GsProgram *program = worker.args->program;
	char error[512];
	void *fresh = gs_worker_settings_load(program, worker.args->config, error, sizeof(error));
	void *old = worker.settings;
	SSL_CTX *tls = NULL;

	if (fresh == NULL) {
		gs_log(GS_LOG_ERROR, NULL, "settings not reloaded, the old ones stay", "error", error, NULL);
		return;
	}
	if (worker.server.tls != NULL && !((GsCommonSettings *)fresh)->cleartext) {
		tls = gs_tls_context(fresh, error, sizeof(error));
		if (tls == NULL) {
			gs_log(GS_LOG_ERROR, NULL, "settings not reloaded, the old ones stay", "error", error, NULL);
			gs_worker_settings_free(program, fresh);
			return;
		}
		SSL_CTX_free(worker.server.tls); /* connections keep theirs alive */
		worker.server.tls = tls;
		gs_metric_set(&worker.server.metrics->expiry, (double)gs_tls_expiry(tls));
	}
	/* the address table was made for this many */
	((GsCommonSettings *)fresh)->max_connections = ((GsCommonSettings *)old)->max_connections;
	worker.settings = fresh;
	worker.server.settings = fresh;
	gs_log_init(program->name, (GsLogLevel)gs_settings_log_level(fresh));
	if (program->worker_reload != NULL)
		program->worker_reload(worker.server.state, fresh);
	gs_worker_settings_free(program, old);
	gs_log(GS_LOG_INFO, NULL, "settings reloaded", NULL);
}

/* Events -------------------------------------------------------------------------------------------------------- */

static void on_term(uv_signal_t *handle, int signal)
{
	(void)handle, (void)signal;
	drain();
}

static void on_control(uv_poll_t *poll, int status, int events)
{
	char message;
	ssize_t n;

	(void)status, (void)events;
	n = recv(worker.args->control_fd, &message, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		gs_log(GS_LOG_WARN, NULL, "the master is gone", NULL);
		uv_poll_stop(poll);
		drain();
	} else if (message == GS_MASTER_DRAIN) {
		drain();
	} else if (message == GS_MASTER_STOP) {
		end_loop();
	} else if (message == GS_MASTER_RELOAD) {
		reload();
	}
}

static void on_beat(uv_timer_t *timer)
{
	(void)timer;
	tell_master(GS_WORKER_BEAT);
}

static int watch_master(void)
{
	uv_loop_t *loop = &worker.loop;

	if (uv_signal_init(loop, &worker.term) < 0 || uv_poll_init(loop, &worker.control, worker.args->control_fd) < 0 ||
		uv_timer_init(loop, &worker.deadline) < 0 || uv_timer_init(loop, &worker.beat) < 0)
		return -1;
	if (uv_signal_start(&worker.term, on_term, SIGTERM) < 0 ||
		uv_poll_start(&worker.control, UV_READABLE, on_control) < 0 ||
		uv_timer_start(&worker.beat, on_beat, GS_WORKER_BEAT_MS, GS_WORKER_BEAT_MS) < 0)
		return -1;
	return 0;
}

static int start(char *error, size_t error_size)
{
	const GsProgram *program = worker.args->program;

	if (uv_loop_init(&worker.loop) < 0 || watch_master() < 0) {
		snprintf(error, error_size, "out of memory or descriptors");
		return -1;
	}
	worker.server.loop = &worker.loop;
	worker.server.program = program;
	worker.server.settings = worker.settings;
	worker.server.listen_fd = worker.args->listen_fd;
	worker.server.emptied = on_emptied;
	worker.server.state = program->worker_start(&worker.loop, worker.settings, worker.args->index, worker.args->port);
	if (worker.server.state == NULL) {
		snprintf(error, error_size, "the program did not start");
		return -1;
	}
	return gs_server_start(&worker.server, error, error_size);
}

static void finish(void)
{
	sigset_t term;

	/* libuv gives TERM its default action back, and one from the kernel or the service manager may just be coming */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	gs_server_abort(&worker.server);
	if (worker.args->program->worker_stop != NULL)
		worker.args->program->worker_stop(worker.server.state);
	gs_server_stop(&worker.server);
	uv_close((uv_handle_t *)&worker.term, NULL);
	uv_close((uv_handle_t *)&worker.control, NULL);
	uv_close((uv_handle_t *)&worker.deadline, NULL);
	uv_close((uv_handle_t *)&worker.beat, NULL);
	/* work on the pool that is under way still calls back; the master ends us when that takes too long */
	uv_run(&worker.loop, UV_RUN_DEFAULT);
	gs_server_free(&worker.server);
	if (uv_loop_close(&worker.loop) < 0)
		gs_log(GS_LOG_WARN, NULL, "the loop has open handles at the end", NULL);
	gs_worker_settings_free(worker.args->program, worker.settings);
}

int gs_worker_run(const GsWorkerArgs *args)
{
	char error[512];

	worker.args = args;
	worker.settings = args->settings;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* when it died before this, the pair has ended already */
	if (start(error, sizeof(error)) < 0) {
		gs_log(GS_LOG_ERROR, NULL, "worker did not start", "error", error, NULL);
		return GS_WORKER_EXIT_FATAL;
	}
	tell_master(GS_WORKER_READY);
	gs_log_hold(true);
	while (!worker.ending)
		uv_run(&worker.loop, UV_RUN_DEFAULT);
	gs_log_hold(false);
	finish();
	gs_log(GS_LOG_INFO, NULL, "worker ended", NULL);
	return 0;
}
