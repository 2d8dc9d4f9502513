/* SPDX-License-Identifier: PostgreSQL */
/* Listening sockets: one a worker on the same port, spread by the kernel (SO_REUSEPORT). */
#ifndef GS_LISTEN_H
#define GS_LISTEN_H

#include <stddef.h>

/* Opens `count` sockets on host (numeric) and *port; 0 = any free one, which is stored. Negative: see `error`. */
__attribute__((warn_unused_result)) int gs_listen_open(const char *host, int *port, int *fds, int count, char *error,
													   size_t error_size);
/* Writes the port into `path`: another name first, then renamed, so that a reader never sees half a number. */
__attribute__((warn_unused_result)) int gs_listen_write_port(const char *path, int port);

#endif
