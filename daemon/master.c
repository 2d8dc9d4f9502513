/* SPDX-License-Identifier: PostgreSQL */
/*
 * The master binds, drops root, forks, waits. It has no loop: signals are blocked and taken one at a time by
 * sigtimedwait, the rest is looked at in between, at least five times a second. The listening sockets stay open here,
 * so connections to a dead worker wait in its backlog for its successor.
 */
#include "daemon/master.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/settings_common.h"
#include "daemon/worker.h"

enum {
	POLL_MS = 200,
	POLL_STARTING_MS = 10,
	RESTART_FIRST_MS = 100,
	RESTART_MOST_MS = 10000,
	RESTART_FORGIVEN_MS = 60000, /* lived so long: the next restart is immediate again */
	STOP_GRACE_MS = 5000,        /* after the drain deadline, before SIGKILL */
	BEAT_MISSED_MS = 10000       /* a worker silent for so long hangs: the watchdog is not fed */
};

typedef struct Child {
	pid_t pid; /* 0: none */
	int control_fd;
	bool ready;
	uint64_t started_ms, restart_ms, beat_ms;
	uint64_t pause_ms; /* before the next restart */
} Child;

typedef struct Master {
	const GsProgram *program;
	const char *config;
	void *settings;
	int count, port;
	int fds[GS_MAX_WORKERS];
	Child children[GS_MAX_WORKERS];
	bool announced; /* READY was sent */
	bool stopping;
	uint64_t kill_ms; /* stopping: SIGKILL then */
	uint64_t watchdog_ms, fed_ms;
	int exit_code;
	sigset_t signals, original;
} Master;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A connection is a descriptor; the soft limit is for programs that use select(2). */
static void raise_descriptors(const GsCommonSettings *common)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < (rlim_t)common->max_connections + 100)
		gs_log(GS_LOG_WARN, NULL, "the limit of open files is below limits.max_connections", NULL);
}

static int drop_root(const char *user)
{
	const struct passwd *entry;

	if (geteuid() != 0)
		return 0;
	if (user == NULL) {
		gs_log(GS_LOG_WARN, NULL, "running as root: set process.user", NULL);
		return 0;
	}
	entry = getpwnam(user);
	if (entry == NULL || initgroups(user, entry->pw_gid) < 0 || setgid(entry->pw_gid) < 0 ||
		setuid(entry->pw_uid) < 0 || (entry->pw_uid != 0 && setuid(0) == 0)) {
		gs_log(GS_LOG_ERROR, NULL, "cannot become the user of process.user", "user", user, "error",
			   entry == NULL ? "unknown user" : strerror(errno), NULL);
		return -1;
	}
	return 0;
}

/* Workers ------------------------------------------------------------------------------------------------------- */

/* In the new process: keeps only what is its own. */
static int worker_process(Master *master, int index, int control_fd)
{
	GsWorkerArgs args = {
		.program = master->program,
		.config = master->config,
		.settings = master->settings,
		.index = index,
		.port = master->port,
		.listen_fd = master->fds[index],
		.control_fd = control_fd,
	};

	for (int i = 0; i < master->count; i++) {
		if (i != index)
			close(master->fds[i]);
		if (master->children[i].pid > 0)
			close(master->children[i].control_fd);
	}
	sigprocmask(SIG_SETMASK, &master->original, NULL);
	gs_metrics_enter(index);
	return gs_worker_run(&args);
}

/* Returns 0 in the master, -1 when it failed there; in the worker it does not return. */
static int fork_worker(Master *master, int index)
{
	Child *child = &master->children[index];
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		gs_log_process();
		exit(worker_process(master, index, pair[1]));
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -1;
	}
	child->pid = pid;
	child->control_fd = pair[0];
	child->ready = false;
	child->started_ms = child->beat_ms = now_ms();
	return 0;
}

static void tell(const Master *master, char message)
{
	for (int i = 0; i < master->count; i++)
		if (master->children[i].pid > 0 &&
			send(master->children[i].control_fd, &message, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			gs_log(GS_LOG_WARN, NULL, "a worker does not listen", "error", strerror(errno), NULL);
}

static void stop(Master *master, uint64_t wait_ms)
{
	master->kill_ms = now_ms() + wait_ms;
	if (master->stopping)
		return;
	master->stopping = true;
	gs_notify_send("STOPPING=1");
	for (int i = 0; i < master->count; i++)
		close(master->fds[i]);
}

static void log_exit(const Child *child, int status)
{
	char pid[16], detail[64];

	snprintf(pid, sizeof(pid), "%d", (int)child->pid);
	if (WIFSIGNALED(status))
		snprintf(detail, sizeof(detail), "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(detail, sizeof(detail), "exit code %d", WEXITSTATUS(status));
	gs_log(GS_LOG_ERROR, NULL, "worker died", "worker", pid, "how", detail, NULL);
}

static void child_ended(Master *master, Child *child, int status)
{
	const uint64_t now = now_ms();

	close(child->control_fd);
	if (!master->stopping || status != 0)
		log_exit(child, status);
	child->pid = 0;
	gs_metrics_leave((int)(child - master->children));
	if (WIFEXITED(status) && WEXITSTATUS(status) == GS_WORKER_EXIT_FATAL) {
		master->exit_code = 1;
		if (!master->stopping) {
			const GsCommonSettings *common = master->settings;

			stop(master, (uint64_t)common->drain_timeout_ms + STOP_GRACE_MS);
			tell(master, GS_MASTER_DRAIN);
		}
		return;
	}
	if (now - child->started_ms > RESTART_FORGIVEN_MS)
		child->pause_ms = 0;
	child->restart_ms = now + child->pause_ms;
	child->pause_ms = child->pause_ms == 0 ? RESTART_FIRST_MS : child->pause_ms * 2;
	if (child->pause_ms > RESTART_MOST_MS)
		child->pause_ms = RESTART_MOST_MS;
}

static void reap(Master *master)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < master->count; i++)
			if (master->children[i].pid == pid)
				child_ended(master, &master->children[i], status);
}

static void restart(Master *master)
{
	for (int i = 0; i < master->count && !master->stopping; i++) {
		Child *child = &master->children[i];

		if (child->pid == 0 && now_ms() >= child->restart_ms && fork_worker(master, i) < 0) {
			gs_log(GS_LOG_ERROR, NULL, "no new worker", "error", strerror(errno), NULL);
			child->restart_ms = now_ms() + RESTART_MOST_MS;
		}
	}
}

static void hear(Master *master)
{
	for (int i = 0; i < master->count; i++) {
		Child *child = &master->children[i];
		char messages[64];
		ssize_t n;

		if (child->pid == 0)
			continue;
		n = recv(child->control_fd, messages, sizeof(messages), MSG_DONTWAIT);
		if (n > 0)
			child->beat_ms = now_ms();
		if (n > 0 && memchr(messages, GS_WORKER_READY, (size_t)n) != NULL)
			child->ready = true;
	}
}

/* Announcing ---------------------------------------------------------------------------------------------------- */

static void announce(Master *master)
{
	const GsCommonSettings *common = master->settings;
	char port[16];

	if (master->announced || master->stopping)
		return;
	for (int i = 0; i < master->count; i++)
		if (!master->children[i].ready)
			return;
	if (common->port_file != NULL && gs_listen_write_port(common->port_file, master->port) < 0) {
		gs_log(GS_LOG_ERROR, NULL, "listen.port_file cannot be written", "error", strerror(errno), NULL);
		master->exit_code = 1;
		stop(master, STOP_GRACE_MS);
		tell(master, GS_MASTER_STOP);
		return;
	}
	master->announced = true;
	snprintf(port, sizeof(port), "%d", master->port);
	gs_log(GS_LOG_INFO, NULL, "serving", "host", common->listen_host, "port", port, "version", master->program->version,
		   NULL);
	gs_notify_send("READY=1");
}

static void feed_watchdog(Master *master)
{
	const uint64_t now = now_ms();

	if (master->watchdog_ms == 0 || now - master->fed_ms < master->watchdog_ms)
		return;
	for (int i = 0; i < master->count; i++)
		if (master->children[i].pid > 0 && now - master->children[i].beat_ms > BEAT_MISSED_MS)
			return;
	master->fed_ms = now;
	gs_notify_send("WATCHDOG=1");
}

/* Signals ------------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void reload(Master *master)
{
	char error[512];
	const GsCommonSettings *old = master->settings, *fresh;

	gs_notify_reloading();
	fresh = gs_worker_settings_load(master->program, master->config, error, sizeof(error));
	if (fresh == NULL) {
		gs_log(GS_LOG_ERROR, NULL, "settings not reloaded, the old ones stay", "error", error, NULL);
	} else {
		if (!same_text(old->listen_host, fresh->listen_host) || old->listen_port != fresh->listen_port ||
			old->workers != fresh->workers || old->cleartext != fresh->cleartext || !same_text(old->user, fresh->user))
			gs_log(GS_LOG_WARN, NULL, "listen.*, process.workers and process.user need a restart", NULL);
		gs_log_init(master->program->name, (GsLogLevel)gs_settings_log_level(fresh));
		gs_worker_settings_free(master->program, master->settings);
		master->settings = (void *)(uintptr_t)fresh;
		tell(master, GS_MASTER_RELOAD);
	}
	gs_notify_send("READY=1");
}

static void terminate(Master *master)
{
	const GsCommonSettings *common = master->settings;

	if (master->stopping) {
		gs_log(GS_LOG_INFO, NULL, "asked again: ending at once", NULL);
		stop(master, STOP_GRACE_MS);
		tell(master, GS_MASTER_STOP);
	} else {
		gs_log(GS_LOG_INFO, NULL, "ending", NULL);
		stop(master, (uint64_t)common->drain_timeout_ms + STOP_GRACE_MS);
		tell(master, GS_MASTER_DRAIN);
	}
}

static bool any_child(const Master *master)
{
	for (int i = 0; i < master->count; i++)
		if (master->children[i].pid > 0)
			return true;
	return false;
}

static void kill_late(const Master *master)
{
	if (!master->stopping || now_ms() < master->kill_ms)
		return;
	for (int i = 0; i < master->count; i++)
		if (master->children[i].pid > 0)
			kill(master->children[i].pid, SIGKILL);
}

static void supervise(Master *master)
{
	for (int i = 0; i < master->count && !master->stopping; i++)
		if (fork_worker(master, i) < 0) {
			gs_log(GS_LOG_ERROR, NULL, "no worker", "error", strerror(errno), NULL);
			master->exit_code = 1;
			stop(master, STOP_GRACE_MS);
			tell(master, GS_MASTER_STOP);
		}
	while (!master->stopping || any_child(master)) {
		const struct timespec wait = {.tv_nsec = (master->announced ? POLL_MS : POLL_STARTING_MS) * 1000000L};

		switch (sigtimedwait(&master->signals, NULL, &wait)) {
		case SIGTERM:
		case SIGINT:
			terminate(master);
			break;
		case SIGHUP:
			if (!master->stopping)
				reload(master);
			break;
		default: /* SIGCHLD, or time */
			break;
		}
		hear(master);
		reap(master);
		restart(master);
		announce(master);
		feed_watchdog(master);
		kill_late(master);
	}
}

int gs_master_run(const GsProgram *program, const char *config, void *settings)
{
	static Master master; /* large, and there is one */
	const GsCommonSettings *common = settings;
	char error[512];

	master.program = program;
	master.config = config;
	master.settings = settings;
	master.count = (int)common->workers;
	master.port = (int)common->listen_port;
	master.watchdog_ms = gs_notify_watchdog_ms();
	sigemptyset(&master.signals);
	sigaddset(&master.signals, SIGTERM);
	sigaddset(&master.signals, SIGINT);
	sigaddset(&master.signals, SIGHUP);
	sigaddset(&master.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &master.signals, &master.original);
	raise_descriptors(common);
	if (gs_listen_open(common->listen_host, &master.port, master.fds, master.count, error, sizeof(error)) < 0) {
		gs_log(GS_LOG_ERROR, NULL, "not started", "error", error, NULL);
		master.exit_code = 1;
	} else if (drop_root(common->user) < 0) {
		master.exit_code = 1;
	} else if (gs_metrics_share(master.count) < 0) {
		gs_log(GS_LOG_ERROR, NULL, "not started", "error", strerror(errno), NULL);
		master.exit_code = 1;
	} else {
		supervise(&master);
		common = master.settings;
		if (master.announced && common->port_file != NULL)
			unlink(common->port_file);
	}
	gs_worker_settings_free(program, master.settings);
	return master.exit_code;
}
