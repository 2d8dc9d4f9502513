/* SPDX-License-Identifier: PostgreSQL */
/*
 * What runs under a ticket: each upload and download whose stream is open is in one list, so that a revocation finds
 * it. Embedded as the first member of its owner; a stream's data is such a pointer. Loop thread only.
 */
#ifndef GS_TRANSFER_H
#define GS_TRANSFER_H

#include "daemon/stream.h"
#include "storaged/pace.h"

typedef struct GsTransfer {
	GsStream *stream;
	GsTicket ticket;
	/* The stream is closed, `stream` is NULL: for handlers that serve several kinds. */
	void (*closed)(struct GsTransfer *transfer);
	GsPaced paced;
	uint64_t owed; /* bytes that came and wait to be paid (uploads of a terminal with a rate) */
	TAILQ_ENTRY(GsTransfer) link;
} GsTransfer;

/* Makes it the stream's data. `go`: gs_pace_room was 0 and is not any more. Out of memory: the stream is reset. */
void gs_transfer_open(GsStore *store, GsTransfer *transfer, GsStream *stream, const GsTicket *ticket,
					  void (*closed)(GsTransfer *transfer), void (*go)(GsPaced *paced));
/* For GsHandler.closed. */
void gs_transfer_closed(GsStream *stream);

/* Resets the streams whose tickets have been revoked. */
void gs_transfer_cut_revoked(GsStore *store);

#endif
