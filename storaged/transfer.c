/* SPDX-License-Identifier: PostgreSQL */
/* The list of what runs under tickets; see transfer.h. */
#include "storaged/transfer.h"

void gs_transfer_open(GsStore *store, GsTransfer *transfer, GsStream *stream, const GsTicket *ticket,
					  void (*closed)(GsTransfer *transfer))
{
	transfer->stream = stream;
	transfer->ticket = *ticket;
	transfer->closed = closed;
	TAILQ_INSERT_TAIL(&store->open, transfer, link);
	gs_stream_set_data(stream, transfer);
}

void gs_transfer_closed(GsStream *stream)
{
	GsStore *store = gs_stream_program(stream);
	GsTransfer *transfer = gs_stream_data(stream);

	if (transfer == NULL)
		return;
	TAILQ_REMOVE(&store->open, transfer, link);
	transfer->stream = NULL;
	transfer->closed(transfer);
}
