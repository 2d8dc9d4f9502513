/* SPDX-License-Identifier: PostgreSQL */
/* The list of what runs under tickets; see transfer.h. */
#include "storaged/transfer.h"

#include "daemon/log.h"

void gs_transfer_open(GsStore *store, GsTransfer *transfer, GsStream *stream, const GsTicket *ticket,
					  void (*closed)(GsTransfer *transfer), void (*go)(GsPaced *paced))
{
	transfer->stream = stream;
	transfer->ticket = *ticket;
	transfer->closed = closed;
	TAILQ_INSERT_TAIL(&store->open, transfer, link);
	gs_stream_set_data(stream, transfer);
	if (!gs_pace_join(store, &transfer->paced, ticket, go))
		gs_stream_reset(stream);
}

void gs_transfer_closed(GsStream *stream)
{
	GsStore *store = gs_stream_program(stream);
	GsTransfer *transfer = gs_stream_data(stream);

	if (transfer == NULL)
		return;
	TAILQ_REMOVE(&store->open, transfer, link);
	transfer->stream = NULL;
	gs_pace_leave(&transfer->paced, transfer->owed);
	transfer->owed = 0;
	transfer->closed(transfer);
}

void gs_transfer_cut_revoked(GsStore *store)
{
	GsTransfer *transfer;

	/* A reset closes its stream later, from the connection's own turn: the list stays as it is here. */
	TAILQ_FOREACH(transfer, &store->open, link)
	if (gs_revocation_covers(&store->revocations, &transfer->ticket)) {
		gs_log(GS_LOG_INFO, gs_stream_request_id(transfer->stream), "a transfer is cut: its ticket was revoked",
			   "object", transfer->ticket.object.text, NULL);
		gs_stream_reset(transfer->stream);
	}
}
