/* SPDX-License-Identifier: PostgreSQL */
/*
 * Binding. SO_REUSEPORT would let a second daemon of the same user share the port unnoticed, so a plain bind is tried
 * first: it fails when anybody listens there.
 */
#include "daemon/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static int resolve(const char *host, int port, struct sockaddr_storage *address, socklen_t *size)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
								   .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char service[16];

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -1;
	memcpy(address, found->ai_addr, found->ai_addrlen);
	*size = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* Returns the bound descriptor or -1 with errno. */
static int bind_one(const struct sockaddr_storage *address, socklen_t size, bool shared)
{
	const int on = 1, off = 0;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		(!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
		(address->ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
		bind(fd, (const struct sockaddr *)address, size) == 0)
		return fd;
	close(fd);
	return -1;
}

static int port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -1;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
											   : ((struct sockaddr_in *)&address)->sin_port);
}

int gs_listen_open(const char *host, int *port, int *fds, int count, char *error, size_t error_size)
{
	struct sockaddr_storage address;
	socklen_t size;
	int opened = 0, probe = -1;

	if (resolve(host, *port, &address, &size) < 0) {
		snprintf(error, error_size, "listen.host: \"%s\" is no numeric address", host);
		return -1;
	}
	if (*port != 0) {
		probe = bind_one(&address, size, false);
		if (probe < 0)
			goto failed;
		close(probe);
	}
	while (opened < count) {
		fds[opened] = bind_one(&address, size, true);
		if (fds[opened] < 0)
			goto failed;
		opened++;
		if (listen(fds[opened - 1], BACKLOG) < 0)
			goto failed;
		if (*port == 0 && ((*port = port_of(fds[0])) <= 0 || resolve(host, *port, &address, &size) < 0))
			goto failed;
	}
	return 0;
failed:
	snprintf(error, error_size, "cannot listen on %s port %d: %s", host, *port, strerror(errno));
	while (opened > 0)
		close(fds[--opened]);
	return -1;
}

int gs_listen_write_port(const char *path, int port)
{
	char temporary[4096];
	FILE *file;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid()) >= sizeof(temporary))
		return -1;
	file = fopen(temporary, "we");
	if (file == NULL)
		return -1;
	fprintf(file, "%d\n", port);
	if (fclose(file) != 0 || rename(temporary, path) != 0) {
		unlink(temporary);
		return -1;
	}
	return 0;
}
