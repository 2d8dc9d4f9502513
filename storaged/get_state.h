/* SPDX-License-Identifier: PostgreSQL */
/* A download's state, shared by get.c, get_answer.c and get_open.c only; see get.c. */
#ifndef GS_GET_STATE_H
#define GS_GET_STATE_H

#include "storaged/get.h"
#include "storaged/proof.h"
#include "storaged/range.h"
#include "storaged/transfer.h"

#define GS_GET_BUFFERS 2

typedef enum GsGetState {
	GET_OPENING, /* pool */
	GET_SENDING, /* answered; reads ahead of the socket */
	GET_CLOSING, /* the stream is closed; pool */
	GET_STATES
} GsGetState;

typedef struct GsGet {
	GsTransfer transfer; /* its stream is NULL once closed */
	GsSource source;
	GsStore *store;
	GsGetState state;
	bool running; /* a job is on the pool */
	GsJob job;
	GsSidecar sidecar;
	bool whole;      /* asked for without range and conditions */
	bool read_early; /* by the job that opened it, all of it; its result is still to be taken */
	int fd, error;
	bool resized; /* the file is not as long as its sidecar says */
	GsRange range;
	uint64_t read_at, read_end; /* what of the file is still to be read */
	uint64_t to_send;
	size_t buffer_bytes;
	uint8_t *buffers[GS_GET_BUFFERS];
	size_t filled[GS_GET_BUFFERS];
	size_t front, ready, taken; /* buffer being sent; how many are filled; bytes of the front that are sent */
	size_t reading;             /* buffer that the job on the pool fills; the loop leaves it and its `filled` alone */
	int read_error;             /* of that job */
	/* The whole object is sent: its bytes are checked on the way, and the last buffer is sent only when they are right.
	 */
	GsCheck check;
} GsGet;

/* get.c */
void gs_get_set_state(GsGet *get, GsGetState state);
void gs_get_submit(GsGet *get, void (*run)(void *), void (*done)(void *));
void gs_get_close(GsGet *get);
/* Buffers and check for `range`. Any thread. False: out of memory. */
__attribute__((warn_unused_result)) bool gs_get_prepare(GsGet *get);
/* A job's work: fills the buffer `reading`, says in `read_error` how that went. */
void gs_get_read_run(void *owner);
void gs_get_read_ahead(GsGet *get);
void gs_get_take_read(GsGet *get);
void gs_get_tell_damage(GsGet *get);
/* The bytes for the socket. */
ssize_t gs_get_source_read(GsSource *source, uint8_t *buf, size_t size, bool *eof);

/* get_answer.c: what is open and said to be in range is answered, whatever the conditions make of it. */
void gs_get_answer(GsGet *get);

#endif
