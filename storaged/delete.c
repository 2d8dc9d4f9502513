/* SPDX-License-Identifier: PostgreSQL */
/* Ends an unfinished upload; see delete.h. */
#include "storaged/delete.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/response.h"
#include "storaged/auth.h"
#include "storaged/journal.h"
#include "storaged/put.h"
#include "storaged/staged.h"

/* The question whether the object is stored, on its way through the pool. */
typedef struct Look {
	GsStore *store;
	GsStream *stream; /* NULL once closed */
	GsJob job;
	bool running;
	GsUuid object;
	GsSidecar sidecar;
	int error;
} Look;

static void send_stored(GsStream *stream)
{
	gs_problem_send(stream, 409, "stored", "the object is stored", "delete the share instead", 0);
}

static void send_gone(GsStream *stream)
{
	gs_stream_respond(stream, 204, NULL, 0, NULL, 0);
}

static void look_run(void *owner)
{
	Look *look = owner;

	look->error = gs_journal_read(&look->store->disk, &look->object, &look->sidecar);
}

static void look_done(void *owner)
{
	Look *look = owner;

	look->running = false;
	if (look->stream == NULL)
		free(look);
	else if (look->error == -ENOENT)
		send_gone(look->stream);
	else if (look->error == 0)
		send_stored(look->stream);
	else if (look->error == -ENOMEM)
		gs_problem_send(look->stream, 503, "unavailable", "out of memory", NULL, 2);
	else
		gs_problem_send(look->stream, 500, "internal", "the object can't be read", NULL, 0);
}

static void delete_begin(GsStream *stream)
{
	GsStore *store = gs_stream_program(stream);
	GsActive *active;
	GsStaged *staged;
	GsTicket ticket;
	Look *look;

	if (!gs_auth_check(stream, store, &ticket))
		return;
	active = gs_active_find(&store->active, &ticket.object);
	staged = gs_staged_find(store, &ticket.object);
	if (active != NULL && active->kind == GS_ACTIVE_RECEIPT) {
		send_stored(stream);
	} else if (active != NULL && active->kind == GS_ACTIVE_UPLOAD && gs_put_cancel(active, &ticket.server)) {
		send_gone(stream);
	} else if (active != NULL) {
		gs_problem_send(stream, 409, "busy", "another request is changing this object", "try again when it is through",
						1);
	} else if (staged != NULL && gs_uuid_equal(&staged->stage.server, &ticket.server)) {
		gs_staged_discard(store, staged);
		send_gone(stream);
	} else if ((look = calloc(1, sizeof(*look))) == NULL) {
		gs_problem_send(stream, 503, "unavailable", "out of memory", NULL, 2);
	} else {
		look->store = store;
		look->stream = stream;
		look->object = ticket.object;
		look->running = true;
		gs_stream_set_data(stream, look);
		gs_job_submit(&look->job, store, GS_JOB_LIGHT, look, look_run, look_done);
	}
}

static void delete_closed(GsStream *stream)
{
	Look *look = gs_stream_data(stream);

	if (look == NULL)
		return;
	look->stream = NULL;
	if (!look->running)
		free(look);
}

const GsHandler gs_delete_handler = {.begin = delete_begin, .closed = delete_closed};
