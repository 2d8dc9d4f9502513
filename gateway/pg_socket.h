/* SPDX-License-Identifier: PostgreSQL */
/*
 * Watching a socket that is not ours: libpq may close it and open another while it connects, under the same number or a
 * new one, so it is not watched while a step runs, and the handle follows the number.
 */
#ifndef GS_PG_SOCKET_H
#define GS_PG_SOCKET_H

#include <uv.h>

typedef struct GsPgSocket {
	uv_poll_t *poll; /* allocated by itself, since a replaced one outlives its place here by a round of the loop */
	int fd;
	int events; /* being watched */
	void (*ready)(void *owner, int status);
	void *owner;
} GsPgSocket;

__attribute__((warn_unused_result)) int gs_pg_socket_watch(GsPgSocket *watched, uv_loop_t *loop, int fd, int events,
														   void (*ready)(void *owner, int status), void *owner);
void gs_pg_socket_pause(GsPgSocket *watched);
void gs_pg_socket_drop(GsPgSocket *watched); /* before the socket is closed for good */

#endif
