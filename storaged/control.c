/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is said to one control server, and in which order; see control.h. What the answers mean is control_answer.c. On
 * a new connection the space is measured (pool) and announced before anything else. The number for staged bytes is read
 * when a call is built, so that the receipts sent before it are in it.
 */
#include <stdlib.h>
#include <string.h>

#include "storaged/control_state.h"
#include "storaged/inventory.h"
#include "storaged/measure.h"

#define NO_ROOM_PAUSE_MS 1000

static void pump(GsControl *control);

/* Calls --------------------------------------------------------------------------------------------------------------
 */

static void measure_run(void *owner)
{
	GsControl *control = owner;

	control->measure_error = gs_disk_space(&control->store->disk, &control->disk_space);
}

static void measure_done(void *owner)
{
	GsControl *control = owner;

	control->measuring = false;
	control->measured = true;
	if (control->measure_error != 0) {
		/* A disk that can't even be measured, or be written, is still reported: without room. Said once in the log. */
		control->disk_space = (GsDiskSpace){0};
		if (!control->store->read_only)
			gs_store_set_read_only(control->store, "", -control->measure_error);
	}
	pump(control);
}

static void measure(GsControl *control)
{
	if (control->measuring)
		return;
	control->measuring = true;
	if (control->server != NULL)
		control->server->staged_floor_bytes = control->server->staged_bytes;
	gs_job_submit(&control->measure_job, control->store, GS_JOB_LIGHT, control, measure_run, measure_done);
}

static void send_call(GsControl *control, GsCallKind kind)
{
	control->kind = kind;
	gs_link_call(&control->link, &control->call);
}

static void send_space(GsControl *control)
{
	GsSpace space = gs_store_space(control->store, &control->disk_space);
	uint64_t staged = control->server != NULL ? control->server->staged_floor_bytes : 0;

	if (staged > space.capacity_bytes)
		staged = space.capacity_bytes; /* the setting was lowered */
	control->measured = false;
	control->report_due = false;
	control->said_ms = uv_now(control->store->loop);
	gs_metric_set(&gs_metric_capacity_bytes, (double)space.capacity_bytes);
	gs_metric_set(&gs_metric_free_bytes, (double)space.free_bytes);
	gs_metric_set(&gs_metric_used_bytes, (double)control->store->used_bytes);
	if (control->announced)
		gs_call_report(&control->call, control->store, &space, staged);
	else
		gs_call_announce(&control->call, control->store, &space, staged);
	send_call(control, control->announced ? CALL_REPORT : CALL_ANNOUNCE);
}

/* All that wait, as far as a call holds them: one transaction there, and one commit, for all. */
static void send_receipts(GsControl *control)
{
	bool lonely = control->lonely > 0;

	control->lonely -= lonely ? 1 : 0;
	control->receipts = gs_receipt_send(control->server, lonely ? 1 : GS_RECEIPT_BATCH_MAX);
	gs_call_receipts(&control->call, control->store, control->server, control->receipts);
	send_call(control, CALL_RECEIPTS);
}

/*
 * Sends the next call. Wake-ups are listened to before the announcement, whose answer has all work until then. Finished
 * work goes before a report, which would only be told the same work again; a report before the long queue of receipts.
 */
static void pump(GsControl *control)
{
	bool due = !control->announced || control->report_due;
	GsDamage *damage;

	if (control->link.state != GS_LINK_IDLE)
		return;
	if (!control->limited) {
		gs_call_limit(&control->call, control->store);
		send_call(control, CALL_LIMIT);
		return;
	}
	if (!control->listening) {
		gs_call_listen(&control->call);
		send_call(control, CALL_LISTEN);
		return;
	}
	if (control->announced && control->work_done_count > 0) {
		control->work_done_sent = control->work_done_count;
		gs_call_work_done(&control->call, control->store, control->work_done, control->work_done_count);
		send_call(control, CALL_WORK_DONE);
		return;
	}
	if (due && control->measured) {
		send_space(control);
		return;
	}
	if (due)
		measure(control);
	if (!control->announced)
		return;
	if (!control->later[CALL_FETCH_FAILED] &&
		(control->fetch = gs_fetch_next_failed(control->store, control->server)) != NULL) {
		gs_call_fetch_failed(&control->call, control->store, &control->fetch->active.object,
							 gs_fetch_reason(control->fetch));
		send_call(control, CALL_FETCH_FAILED);
	} else if (!control->later[CALL_DAMAGED] && (damage = gs_damage_next(control->server)) != NULL) {
		control->damage = damage;
		gs_call_damaged(&control->call, control->store, &damage->sidecar.object,
						damage->has_digest ? damage->digest : NULL);
		send_call(control, CALL_DAMAGED);
	} else if (gs_receipt_next(control->server) != NULL) {
		send_receipts(control);
	} else if (control->server->inventory != NULL && gs_inventory_call(control->server->inventory, &control->call)) {
		send_call(control, CALL_INVENTORY);
	}
}

static void report_fired(uv_timer_t *timer)
{
	GsControl *control = timer->data;

	control->report_due = true;
	pump(control);
}

/* Answers ------------------------------------------------------------------------------------------------------------
 */

static void link_answered(void *owner, const GsAnswer *answer)
{
	GsControl *control = owner;
	uint64_t interval_ms = (uint64_t)control->store->settings->report_interval_ms;
	bool announcing = control->kind == CALL_ANNOUNCE; /* what an answer brings may be called for at once */
	const char *wrong = gs_control_take(control, answer);

	/* The next connection starts with an announcement, which is also what GS033 asks for. */
	if (wrong != NULL) {
		gs_link_drop(&control->link, wrong);
		return;
	}
	if (announcing)
		uv_timer_start(&control->report_timer, report_fired, interval_ms, interval_ms);
	pump(control);
}

static void link_up(void *owner)
{
	pump(owner);
}

/* New work that should not wait. The payload: whom it is for, empty for all. */
static void link_notified(void *owner, const char *payload)
{
	GsControl *control = owner;

	if (!control->announced || (payload[0] != '\0' && strstr(payload, control->server->device.text) == NULL))
		return;
	control->report_due = true;
	pump(control);
}

static void link_down(void *owner)
{
	GsControl *control = owner;

	if (control->server != NULL)
		gs_receipt_unsent(control->server, control->receipts);
	control->receipts = 0;
	control->lonely = 0;
	/* The batch on the wire may be lost, and what is not listed is taken for missing: begun anew when ordered again. */
	if (control->server != NULL)
		gs_inventory_answered(control->server, false);
	control->fetch = NULL;
	memset(control->later, 0, sizeof(control->later));
	control->damage = NULL;       /* still first of its queue */
	control->work_done_count = 0; /* repeated by the next report */
	control->limited = false;
	control->listening = false;
	control->measured = false;
	control->report_due = false;
	gs_control_set_announced(control, false);
	uv_timer_stop(&control->report_timer);
}

/* From outside -------------------------------------------------------------------------------------------------------
 */

GsControl *gs_control_start(GsStore *store, const char *name, const char *conninfo)
{
	static const GsLinkOwner callbacks = {
		.up = link_up, .answered = link_answered, .notified = link_notified, .down = link_down};
	GsControl *control = calloc(1, sizeof(*control));

	if (control == NULL)
		return NULL;
	control->store = store;
	uv_timer_init(store->loop, &control->report_timer);
	control->report_timer.data = control;
	gs_link_start(&control->link, store, name, conninfo, &callbacks, control);
	return control;
}

const char *gs_control_name(const GsControl *control)
{
	return control->link.name;
}

void gs_control_set_conninfo(GsControl *control, const char *conninfo)
{
	strcpy(control->link.conninfo, conninfo);
}

void gs_control_report(GsControl *control)
{
	control->report_due = true;
	pump(control);
}

void gs_control_no_room(GsControl *control)
{
	uint64_t since_ms = uv_now(control->store->loop) - control->said_ms;
	uint64_t interval_ms = (uint64_t)control->store->settings->report_interval_ms;

	if (!control->announced)
		return; /* the announcement will say it */
	if (since_ms >= NO_ROOM_PAUSE_MS)
		gs_control_report(control);
	else if (uv_timer_get_due_in(&control->report_timer) > NO_ROOM_PAUSE_MS - since_ms)
		uv_timer_start(&control->report_timer, report_fired, NO_ROOM_PAUSE_MS - since_ms, interval_ms);
}

void gs_control_kick(GsControl *control)
{
	pump(control);
}

void gs_control_work_done(GsControl *control, const int64_t *ids, size_t count)
{
	if (count > GS_WORK_MAX - control->work_done_count)
		return;
	memcpy(control->work_done + control->work_done_count, ids, count * sizeof(*ids));
	control->work_done_count += count;
	pump(control);
}

bool gs_control_announced(const GsControl *control)
{
	return control->announced;
}

bool gs_control_keyed(const GsControl *control)
{
	return control->keyed;
}

static void control_closed(GsControl *control)
{
	--*control->open_handles;
	if (--control->own_handles == 0)
		free(control);
}

static void link_closed(uv_handle_t *handle)
{
	GsLink *link = handle->data;

	control_closed(link->owner);
}

static void report_timer_closed(uv_handle_t *handle)
{
	control_closed(handle->data);
}

void gs_control_stop(GsControl *control, size_t *open_handles)
{
	link_down(control);
	control->own_handles = 2;
	control->open_handles = open_handles;
	*open_handles += 2;
	gs_link_stop(&control->link, link_closed);
	uv_close((uv_handle_t *)&control->report_timer, report_timer_closed);
}
