/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every fixed bound of the daemons' HTTP side, in one place. What an operator may want to turn is a setting instead
 * (settings_common.h); these are what the code's memory promises rest on.
 */
#ifndef GS_LIMITS_H
#define GS_LIMITS_H

/* Request head. nghttp2 1.52 announces but does not enforce a header list size, so on_header counts. */
#define GS_MAX_HEADERS 64
#define GS_MAX_HEADER_BYTES (16 * 1024)
#define GS_MAX_HEADER_BYTES_HARD (64 * 1024) /* past this the stream is reset instead of answered with 431 */
#define GS_MAX_PATH_BYTES 4096
#define GS_MAX_PATH_PARAMS 4
#define GS_MAX_QUERY_PARAMS 32
#define GS_MAX_REQUEST_ID_BYTES 64
#define GS_MAX_RESPONSE_HEADERS 24

/* Output of one connection: plaintext is gathered, encrypted and held until the socket takes it. */
#define GS_FRAME_BYTES (16384 + 9)
#define GS_GATHER_BYTES (64 * 1024)        /* plaintext handed to TLS at once */
#define GS_OUT_HIGH_BYTES (224 * 1024)     /* no more frames are pulled from nghttp2 above this */
#define GS_OUT_CAPACITY_BYTES (352 * 1024) /* high mark + one gather + TLS overhead + handshake flight */
#define GS_OUT_TURN_BYTES (1024 * 1024)    /* a connection sends this much, then the others have their turn */
#define GS_OUT_QUEUE_EXTRA 512             /* control frames queued beyond four a stream: the peer is flooding */
#define GS_OUT_BUFFERS_KEPT 16             /* free output buffers a worker keeps */
#define GS_RECV_BYTES (256 * 1024)         /* one recv, shared by a worker's connections */
#define GS_LINGER_BYTES (4 * 1024 * 1024)  /* discarded after our last byte, so that the peer gets to read it */
#define GS_LINGER_MS 1000
#define GS_GOAWAY_MS 2000 /* a refused connection may take this long to take its GOAWAY */

/* Abuse budgets (guard.h) */
#define GS_RST_RECEIVED_BURST 100
#define GS_RST_RECEIVED_PER_S 33
#define GS_RST_SENT_BURST 100
#define GS_RST_SENT_PER_S 33
#define GS_OVERHEAD_BURST_BYTES (64 * 1024)
#define GS_OVERHEAD_PER_S_BYTES (16 * 1024)
#define GS_OVERHEAD_PER_DATA_SENT_BYTES 40 /* a peer may answer each DATA frame by two WINDOW_UPDATEs */
#define GS_OVERHEAD_PER_REQUEST_BYTES 64
#define GS_MAX_OUTBOUND_ACK 100
#define GS_MAX_CONTINUATIONS 8
#define GS_MAX_SETTINGS_ENTRIES 32

/* Time */
#define GS_TICK_MS 500
#define GS_RATE_WINDOW_MS 10000 /* body rates are judged over such a span, which is also the grace */
#define GS_SHUTDOWN_NOTICE_MS 1000
#define GS_EARLY_ANSWER_MS 1000 /* from an answer before the end of its request's body to RST_STREAM */

/* Response body that gs_stream_respond keeps a copy of in the pool instead of its own allocation. */
#define GS_POOL_BLOCK_BYTES 4096

#define GS_MAX_SETTINGS_LINE 8192
#define GS_MAX_SETTINGS 256
#define GS_MAX_WORKERS 256

#endif
