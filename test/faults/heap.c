/* SPDX-License-Identifier: PostgreSQL */
/*
 * Preloaded into daemons by tests of memory: whenever the loop is about to wait, at most ten times a second, the bytes
 * that are allocated and not freed are written to GS_HEAP_DIR/PID. With GLIBC_TUNABLES=glibc.malloc.tcache_count=0 that
 * is what the program holds, whatever the allocator keeps for itself: a leak of some bytes a request shows, which the
 * size of the process hides.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS 100

typedef int Wait(int, struct epoll_event *, int, int);
typedef int WaitMasked(int, struct epoll_event *, int, int, const sigset_t *);

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell(void)
{
	static __thread long told_ms;
	const char *dir = getenv("GS_HEAP_DIR");
	char text[600];
	struct mallinfo2 heap;
	int fd, length;

	if (dir == NULL || now_ms() - told_ms < PAUSE_MS)
		return;
	told_ms = now_ms();
	heap = mallinfo2();
	snprintf(text, sizeof(text), "%s/%d", dir, (int)getpid());
	fd = open(text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	length = snprintf(text, sizeof(text), "%20zu\n", heap.uordblks + heap.hblkhd);
	if (pwrite(fd, text, (size_t)length, 0) != length)
		abort();
	close(fd);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
	static Wait *real;

	if (real == NULL)
		real = (Wait *)dlsym(RTLD_NEXT, "epoll_wait");
	tell();
	return real(epoll, events, most, timeout_ms);
}

int epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout_ms, const sigset_t *mask)
{
	static WaitMasked *real;

	if (real == NULL)
		real = (WaitMasked *)dlsym(RTLD_NEXT, "epoll_pwait");
	tell();
	return real(epoll, events, most, timeout_ms, mask);
}
