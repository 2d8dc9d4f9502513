/* SPDX-License-Identifier: PostgreSQL */
/*
 * The readiness protocol by hand: it is one datagram, and spares linking libsystemd. A manager that does not read its
 * socket holds the caller up for SEND_WAIT_MS at most: the master has workers to look after.
 */
#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"

enum { SEND_WAIT_MS = 500 };

void gs_notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const struct timeval wait = {.tv_usec = SEND_WAIT_MS * 1000};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t size;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	size = strlen(path);
	if (size >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, size);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
		sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) < 0)
		gs_log(GS_LOG_WARN, NULL, "the service manager was not told", "state", state, "error", strerror(errno), NULL);
	if (fd >= 0)
		close(fd);
}

void gs_notify_reloading(void)
{
	struct timespec now;
	char text[96];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
			 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	gs_notify_send(text);
}

uint64_t gs_notify_watchdog_ms(void)
{
	const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (interval == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	return strtoull(interval, NULL, 10) / 2000;
}
