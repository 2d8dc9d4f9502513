/* SPDX-License-Identifier: PostgreSQL */
/* One accepted socket: TLS, the nghttp2 session on it, its streams and its deadlines. */
#ifndef GS_CONNECTION_H
#define GS_CONNECTION_H

#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <uv.h>

#include "daemon/guard.h"
#include "daemon/server.h"
#include "daemon/session_memory.h"
#include "daemon/stream.h"

typedef enum GsConnectionState {
	GS_CONNECTION_HANDSHAKE, /* TLS handshake; cleartext connections start OPEN */
	GS_CONNECTION_OPEN,      /* frames go both ways */
	GS_CONNECTION_REFUSED,   /* GOAWAY for abuse or a timeout is on its way; what arrives is dropped */
	GS_CONNECTION_LINGER,    /* all is sent and our side shut; arriving bytes are discarded */
	GS_CONNECTION_CLOSED     /* the socket is closed; memory goes in the uv_close callback */
} GsConnectionState;

struct GsConnection {
	GsConnectionState state;
	GsServer *server;
	GsConnection *prev, *next;
	GsConnection **dirty_link, *dirty_next; /* marked by gs_connection_wake; link NULL = not */

	int fd;
	uv_poll_t poll;
	int poll_events;
	SSL *ssl;
	const uint8_t *tls_in; /* what the BIO hands to OpenSSL: part of server->received */
	size_t tls_in_size;
	char peer[INET6_ADDRSTRLEN];
	GsAddress address;

	uint8_t *out; /* GS_OUT_CAPACITY_BYTES while something is to be sent, else NULL */
	size_t out_start, out_end;

	nghttp2_session *session;
	GsSessionMemory memory; /* the session's */
	GsStream *streams;
	size_t stream_count;
	size_t gathered; /* bytes in server->gather, during gs_session_gather */
	GsGuard guard;
	bool notice_sent, goaway_sent; /* draining */
	bool in_callbacks;             /* nghttp2 is on the stack: no teardown now */
	const char *doomed;            /* why the connection must end; acted on when nghttp2 has returned */

	uint64_t opened_ms;     /* accepted; then: handshake finished */
	uint64_t headers_ms;    /* a header block began to arrive; 0 = none is under way */
	int32_t headers_stream; /* of that stream */
	bool preface_done;      /* the peer's first SETTINGS has come */
	uint64_t idle_ms;       /* since when there is no stream */
	uint64_t stalled_ms;    /* since when the socket takes nothing though there is something */
	uint64_t deadline_ms;   /* REFUSED, LINGER: end at this time */
	size_t lingered;

	/* Body rates, judged every GS_RATE_WINDOW_MS */
	uint64_t rate_ms, rate_in, rate_out; /* start of the window, bytes in it */
	bool rate_waits_in, rate_waits_out;  /* the peer owed us body / room during the whole window */
};

/* Takes over `fd`. On failure it is closed. */
void gs_connection_accept(GsServer *server, int fd, const struct sockaddr_storage *from);
/* There may be something to send: pump before the loop waits. */
void gs_connection_wake(GsConnection *connection);
/* Unmarks and sends. */
void gs_connection_pump(GsConnection *connection);
/* Deadlines and rates; called every GS_TICK_MS. */
void gs_connection_tick(GsConnection *connection, uint64_t now_ms);
void gs_connection_drain(GsConnection *connection, bool final);
/* Ends it now. Not from below nghttp2 callbacks. */
void gs_connection_close(GsConnection *connection, const char *why);
/* Ends it with GOAWAY as soon as nghttp2 has returned. May be called from anywhere. `code`: NGHTTP2_NO_ERROR etc. */
void gs_connection_refuse(GsConnection *connection, uint32_t code, const char *why);

#endif
