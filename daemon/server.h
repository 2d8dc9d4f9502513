/* SPDX-License-Identifier: PostgreSQL */
/*
 * A worker's HTTP/2 server: the listening socket, all connections, the housekeeping between loop turns.
 *
 * Loop discipline: whatever gives a connection something to send marks it with gs_connection_wake; marked connections
 * are pumped in one go just before the loop waits again, so that many answers leave in one write. Streams that ended
 * are parked and freed after that, connections in their uv_close callback: nothing is freed below its own callbacks.
 */
#ifndef GS_SERVER_H
#define GS_SERVER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <uv.h>

#include "daemon/guard.h"
#include "daemon/limits.h"
#include "daemon/metrics.h"
#include "daemon/program.h"

typedef struct GsConnection GsConnection;

typedef struct GsServerMetrics {
	GsMetric requests[6]; /* [0] ended without an answer, [1..5] by status class */
	GsMetric duration;
	GsMetric connections, accepted, refused, abused;
	GsMetric bytes_in, bytes_out;
	GsMetric expiry;
	GsMetric workers;
} GsServerMetrics;

typedef struct GsServer {
	uv_loop_t *loop;
	const GsProgram *program;
	const GsCommonSettings *settings; /* start of the program's settings; replaced at HUP */
	void *state;                      /* GsProgram.worker_start's */
	const GsRoute *routes[3];
	SSL_CTX *tls; /* NULL: cleartext */
	GsServerMetrics *metrics;

	int listen_fd; /* -1: not listening (any more) */
	uv_poll_t listen_poll;
	uv_timer_t accept_pause; /* out of descriptors: try again later */
	uv_prepare_t flush;
	uv_idle_t busy; /* active while connections are still marked after a flush */
	uv_timer_t tick;

	GsConnection *connections;
	size_t connection_count;
	GsConnection *dirty; /* marked by gs_connection_wake */
	GsStream *parked;
	GsAddresses addresses;

	bool draining;
	uint64_t goaway_at_ms;                    /* draining: the shutdown notice has had its round trip */
	void (*emptied)(struct GsServer *server); /* draining and the last connection has gone */

	uint64_t request_count;
	char request_prefix[20];
	char date[32];
	int64_t date_s;

	/* One set for all connections: only in use during one call. */
	uint8_t *received; /* GS_RECV_BYTES, from the socket */
	uint8_t *plain;    /* GS_FRAME_BYTES, decrypted */
	uint8_t *gather;   /* GS_GATHER_BYTES + 2 frames, to be encrypted */
	uint8_t *out_free[GS_OUT_BUFFERS_KEPT];
	int out_free_count;
} GsServer;

__attribute__((warn_unused_result)) int gs_server_start(GsServer *server, char *error, size_t error_size);
/* Stops listening, tells the peers, `emptied` is called when the last connection has gone (perhaps at once). */
void gs_server_drain(GsServer *server);
/* Ends every connection now; `closed` is called for each stream before this returns. */
void gs_server_abort(GsServer *server);
/* Closes the server's own handles; the loop must turn once more before gs_server_free. */
void gs_server_stop(GsServer *server);
void gs_server_free(GsServer *server);

uint8_t *gs_server_out_buffer(GsServer *server);
void gs_server_out_release(GsServer *server, uint8_t *buffer);
const char *gs_server_date(GsServer *server);

/* builtin.c: /healthz, /readyz, /metrics */
extern const GsRoute gs_builtin_routes[];

/* server_metrics.c */
GsServerMetrics *gs_server_metrics(void);

#endif
