/* SPDX-License-Identifier: PostgreSQL */
/*
 * append FILE THREADS SECONDS: each thread appends 4 KiB to one file and waits until it is durable, one fdatasync for
 * all that wait. Prints how many a second: what a disk can do for small durable objects when they share a container.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 256
#define SIZE 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int fd;
static off_t end_pos;
static unsigned long syncs_begun, syncs_done; /* under the lock */
static double until;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* With the lock; what was written before is durable when it returns. One waiter syncs for all. */
static void make_durable(void)
{
	unsigned long mine = syncs_begun + 1;

	while (syncs_done < mine) {
		if (syncs_begun > syncs_done) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		syncs_begun++;
		pthread_mutex_unlock(&lock);
		if (fdatasync(fd) != 0)
			fail("fdatasync");
		pthread_mutex_lock(&lock);
		syncs_done = syncs_begun;
		pthread_cond_broadcast(&changed);
	}
}

static void *appender(void *count)
{
	char block[SIZE];

	memset(block, 'x', sizeof block);
	while (now() < until) {
		off_t at;

		pthread_mutex_lock(&lock);
		at = end_pos;
		end_pos += SIZE;
		pthread_mutex_unlock(&lock);
		if (pwrite(fd, block, SIZE, at) != SIZE)
			fail("pwrite");
		pthread_mutex_lock(&lock);
		make_durable();
		pthread_mutex_unlock(&lock);
		++*(long *)count;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static pthread_t threads[MAX_THREADS];
	static long counts[MAX_THREADS];
	long total = 0;
	int n = argc == 4 ? atoi(argv[2]) : 0;
	double begin;

	if (n < 1 || n > MAX_THREADS) {
		fputs("usage: append FILE THREADS SECONDS\n", stderr);
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		fail(argv[1]);
	begin = now();
	until = begin + atof(argv[3]);
	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, appender, &counts[i]) != 0)
			fail("pthread_create");
	for (int i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		total += counts[i];
	}
	printf("%.1f\n", (double)total / (now() - begin));
	return 0;
}
