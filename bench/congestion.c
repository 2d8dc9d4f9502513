/* SPDX-License-Identifier: PostgreSQL */
/* Preloaded into servers and clients of a benchmark: every TCP socket has the same congestion control, whatever the
 * machine's is. */
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static const char WANTED[] = "cubic";

int listen(int fd, int backlog);
int connect(int fd, const struct sockaddr *address, socklen_t size);

/* Fails on what is no TCP socket, which then is none of ours. */
static void set(int fd)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, WANTED, sizeof WANTED - 1);
}

/* An accepted socket has what its listener had. */
int listen(int fd, int backlog)
{
	int (*next)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "listen");

	set(fd);
	return next(fd, backlog);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int (*next)(int, const struct sockaddr *, socklen_t) =
		(int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");

	set(fd);
	return next(fd, address, size);
}
