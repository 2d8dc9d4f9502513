/* SPDX-License-Identifier: PostgreSQL */
/*
 * One upload, as put.c (what is to be shared, notices), source.c (where the bytes come from) and send.c (one attempt at
 * a device) see it.
 */
#ifndef GS_CLIENT_PUT_H
#define GS_CLIENT_PUT_H

#include <sys/stat.h>

#include "client/digest.h"
#include "client/session.h"

/* A stream is kept for repetition in pieces of this size, and sent so. */
#define GS_PUT_STREAM_BYTES (4 << 20)

typedef struct GsPut {
	GsClient *client;
	const GsClientPut *want;
	char *name; /* in NFC */
	int64_t size;

	/* source.c. A file is read where it is wanted; of a stream only the latest piece is held. */
	int fd;
	bool own_fd;
	bool stream;
	struct stat before; /* a file, as it was when its digest was begun */
	bool changed;       /* it is not that any more */
	GsDigest *digest;   /* of a stream, 0 .. piece_at + piece_size */
	char *piece;
	int64_t piece_at;
	size_t piece_size;

	uint8_t sha256[GS_SHA256_BYTES];
	char sha256_hex[GS_SHA256_HEX]; /* empty until it is known: a stream's with its last piece */
	json_t *avoid;                  /* array of device names */
	json_t *notice;                 /* the latest storage allocation */
	double noticed_s;               /* when it came, monotonic clock */
	double renew_s;                 /* how long after that the next one is due */

	/* send.c. */
	bool whole;        /* the device takes no parts: one PUT */
	bool begun;        /* bytes were offered to this object */
	bool inherited;    /* some of it is from an earlier put */
	int64_t held;      /* what the device is known to hold */
	int64_t base;      /* where the current request's body begins */
	int64_t patch;     /* how much the next request carries at most; adapts to the connection */
	bool moved;        /* `held` has grown since the latest failure */
	int failures;      /* of this device in a row without that */
	int retry_after_s; /* what the latest refusal asked for; -1: nothing */
	GsWait wait;       /* for a device that fails */
} GsPut;

typedef enum GsPutNext {
	GS_PUT_DONE,
	GS_PUT_RENEW, /* no failure: only send the notice again, so that ticket and reservation last */
	GS_PUT_SAME,  /* send the notice again, the same device may answer */
	GS_PUT_OTHER, /* send it again, avoiding this device */
	GS_PUT_FAIL   /* the box says why */
} GsPutNext;

/* Opens what want names and sets name, size and, but for a stream, the digest. */
__attribute__((warn_unused_result)) int gs_put_open(GsPut *put);
void gs_put_close(GsPut *put);
/* A file that is not any more what its digest was made of; false for a stream. */
bool gs_put_differs(const GsPut *put);
/* The same; says so in the box. */
bool gs_put_has_changed(GsPut *put);
/*
 * A stream: makes `piece` hold what begins at `at`, which is within the piece or just behind it. LOCAL: it ended too
 * early or went on after `size`.
 */
__attribute__((warn_unused_result)) int gs_put_piece(GsPut *put, int64_t at);

/* The bytes, or those that are missing, to the device of put->notice. *stored: the device's final answer. */
__attribute__((warn_unused_result)) GsPutNext gs_put_send(GsPut *put, json_t **stored);

#endif
