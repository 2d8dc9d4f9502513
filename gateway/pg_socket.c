/* SPDX-License-Identifier: PostgreSQL */
/* One uv_poll_t a socket. uv_poll_stop also takes the descriptor out of the kernel's set, so closing it then is safe.
 */
#include "gateway/pg_socket.h"

#include <stdlib.h>

static void poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	GsPgSocket *watched = poll->data;

	(void)events;
	watched->ready(watched->owner, status);
}

static int socket_open(GsPgSocket *watched, uv_loop_t *loop, int fd)
{
	watched->poll = malloc(sizeof *watched->poll);
	if (!watched->poll)
		return -1;
	if (uv_poll_init(loop, watched->poll, fd) < 0) {
		free(watched->poll);
		watched->poll = NULL;
		return -1;
	}
	watched->poll->data = watched;
	watched->fd = fd;
	watched->events = 0;
	return 0;
}

int gs_pg_socket_watch(GsPgSocket *watched, uv_loop_t *loop, int fd, int events, void (*ready)(void *owner, int status),
					   void *owner)
{
	watched->ready = ready;
	watched->owner = owner;
	if (watched->poll && watched->fd != fd)
		gs_pg_socket_drop(watched);
	if (!watched->poll && socket_open(watched, loop, fd) < 0)
		return -1;
	if (watched->events == events)
		return 0;
	watched->events = events;
	return uv_poll_start(watched->poll, events, on_poll) < 0 ? -1 : 0;
}

void gs_pg_socket_pause(GsPgSocket *watched)
{
	if (watched->poll)
		uv_poll_stop(watched->poll);
	watched->events = 0;
}

void gs_pg_socket_drop(GsPgSocket *watched)
{
	if (!watched->poll)
		return;
	gs_pg_socket_pause(watched);
	uv_close((uv_handle_t *)watched->poll, poll_closed);
	watched->poll = NULL;
}
