/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is said to one control server, and in which order; see control.h. On a new connection the space is measured
 * (pool) and announced before anything else. The number for staged bytes is read when a call is built, so that the
 * receipts sent before it are in it.
 */
#include "storaged/control.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/program.h"
#include "storaged/damage.h"
#include "storaged/fetch.h"
#include "storaged/inventory.h"
#include "storaged/link.h"
#include "storaged/measure.h"
#include "storaged/receipt.h"
#include "storaged/work.h"

typedef enum CallKind {
	CALL_LISTEN,
	CALL_ANNOUNCE,
	CALL_REPORT,
	CALL_RECEIPT,
	CALL_DAMAGED,
	CALL_WORK_DONE,
	CALL_INVENTORY,
	CALL_FETCH_FAILED
} CallKind;

struct GsControl {
	GsStore *store;
	GsLink link;
	GsServer *server;          /* who it announced as; kept over reconnects */
	bool listening, announced; /* on this connection */
	uv_timer_t report_timer;
	size_t *open_handles; /* while stopping */
	size_t own_handles;

	GsJob measure_job;
	bool measuring, measured, report_due;
	GsDiskSpace disk_space;
	int measure_error;

	CallKind kind; /* of the call on the wire */
	GsCall call;
	GsReceipt *receipt; /* on the wire */
	GsDamage *damage;   /* on the wire */
	GsFetch *fetch;     /* given up; on the wire */
	int64_t work_done[GS_WORK_MAX];
	size_t work_done_count, work_done_sent; /* to be told; of them on the wire */
	GsReply reply;
};

static void pump(GsControl *control);

static void set_announced(GsControl *control, bool announced)
{
	if (control->announced != announced)
		gs_metric_add(&gs_metric_control_connections, announced ? 1 : -1);
	control->announced = announced;
}

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
		/* A disk that can't even be measured is still reported: without room. */
		control->disk_space = (GsDiskSpace){0};
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

static void send_call(GsControl *control, CallKind kind)
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
	gs_metric_set(&gs_metric_capacity_bytes, (double)space.capacity_bytes);
	gs_metric_set(&gs_metric_free_bytes, (double)space.free_bytes);
	gs_metric_set(&gs_metric_used_bytes, (double)control->store->used_bytes);
	if (control->announced)
		gs_call_report(&control->call, control->store, &space, staged);
	else
		gs_call_announce(&control->call, control->store, &space, staged);
	send_call(control, control->announced ? CALL_REPORT : CALL_ANNOUNCE);
}

static void send_receipt(GsControl *control, GsReceipt *receipt)
{
	const GsSidecar *sidecar = &receipt->sidecar;

	control->receipt = receipt;
	gs_receipt_sent(receipt);
	gs_call_receipt(&control->call, control->store, &sidecar->object, sidecar->size_bytes, sidecar->sha256);
	send_call(control, CALL_RECEIPT);
}

/*
 * Sends the next call. Wake-ups are listened to before the announcement, whose answer has all work until then. Finished
 * work goes before a report, which would only be told the same work again; a report before the long queue of receipts.
 */
static void pump(GsControl *control)
{
	bool due = !control->announced || control->report_due;
	GsReceipt *receipt;
	GsDamage *damage;

	if (control->link.state != GS_LINK_IDLE)
		return;
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
	if ((control->fetch = gs_fetch_next_failed(control->store, control->server)) != NULL) {
		gs_call_fetch_failed(&control->call, control->store, &control->fetch->active.object,
							 gs_fetch_reason(control->fetch));
		send_call(control, CALL_FETCH_FAILED);
	} else if ((damage = gs_damage_next(control->server)) != NULL) {
		control->damage = damage;
		gs_call_damaged(&control->call, control->store, &damage->sidecar.object,
						damage->has_digest ? damage->digest : NULL);
		send_call(control, CALL_DAMAGED);
	} else if ((receipt = gs_receipt_next(control->server)) != NULL) {
		send_receipt(control, receipt);
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

/* Answers: each returns what is wrong with it, or NULL ----------------------------------------------------------------
 */

/* Time, work, then keys: no ticket is good before all revocations in force are known, which may take several pages. */
static void take_work(GsControl *control)
{
	gs_clock_set(&control->server->clock, control->reply.now_us, control->link.called_us);
	gs_work_take(control->store, control->server, control->reply.work, control->reply.work_count);
	if (control->reply.more_revoked)
		control->report_due = true;
}

static const char *take_keys(GsControl *control)
{
	GsTicketKey keys[GS_TICKET_KEYS_MAX];
	const GsReply *reply = &control->reply;
	const GsServer *server = control->server;

	for (size_t i = 0; i < reply->key_count; i++) {
		keys[i] = (GsTicketKey){.server = server->id, .device = server->device, .clock = &server->clock};
		strcpy(keys[i].kid, reply->keys[i].kid);
		memcpy(keys[i].key, reply->keys[i].key, GS_TICKET_KEY_BYTES);
	}
	return gs_ticket_keys_replace(&control->store->keys, &server->id, keys, reply->key_count)
			   ? NULL
			   : "more than 64 ticket keys";
}

static const char *announced(GsControl *control, const char *value)
{
	uint64_t interval_ms = (uint64_t)control->store->settings->report_interval_ms;
	const char *wrong;
	GsServer *server;

	if (!gs_reply_parse_announce(value, &control->reply))
		return "the answer to an announcement is malformed";
	if (strcmp(control->reply.server_name, control->link.name) != 0)
		return "conninfo leads to a control server of another name";
	server = gs_store_server(control->store, &control->reply.server, true);
	if (server == NULL)
		return "objects of more than 64 control servers are on this disk";
	if (server->control != NULL && server->control != control)
		return "another [control.NAME] leads to the same control server";
	if (control->server != NULL && control->server != server) {
		/* The database was made anew: what the old one signed is worth nothing any more. */
		if (!gs_ticket_keys_replace(&control->store->keys, &control->server->id, NULL, 0))
			return "more than 64 ticket keys";
		control->server->control = NULL;
	}
	control->server = server;
	server->control = control;
	server->device = control->reply.device;
	set_announced(control, true);
	take_work(control);
	wrong = control->reply.more_revoked ? NULL : take_keys(control);
	if (wrong != NULL)
		return wrong;
	gs_receipt_retry(server);
	uv_timer_start(&control->report_timer, report_fired, interval_ms, interval_ms);
	gs_log(GS_LOG_INFO, NULL, "announced", "server", control->link.name, "device", server->device.text, NULL);
	return NULL;
}

static const char *reported(GsControl *control, const char *value)
{
	const char *wrong = NULL;

	if (!gs_reply_parse_report(value, &control->reply))
		return "the answer to a report is malformed";
	take_work(control);
	gs_fetch_take(control->store, control->server, control->reply.fetches, control->reply.fetch_count);
	if (control->reply.has_keys && !control->reply.more_revoked)
		wrong = take_keys(control);
	if (wrong != NULL)
		return wrong;
	gs_link_praise(&control->link);
	gs_receipt_retry(control->server);
	return NULL;
}

/* What is to be fetched next is asked for as soon as the last of this lot is acknowledged. */
static void fetches_settled(GsControl *control)
{
	if (!control->server->fetched || gs_receipt_next(control->server) != NULL)
		return;
	control->server->fetched = false;
	control->report_due = true;
}

static const char *receipted(GsControl *control, const char *value)
{
	GsReceipt *receipt = control->receipt;

	if (strcmp(value, "stored") != 0 && strcmp(value, "unwanted") != 0)
		return "the answer to a receipt is malformed";
	control->receipt = NULL;
	gs_link_praise(&control->link);
	gs_receipt_finish(control->store, receipt, value[0] == 's' ? GS_RECEIPT_STORED : GS_RECEIPT_UNWANTED);
	fetches_settled(control);
	return NULL;
}

/* The three SQLSTATEs that say something about us, not about one call. */
static bool is_about_us(const char *sqlstate)
{
	return strcmp(sqlstate, "GS030") == 0 || strcmp(sqlstate, "GS031") == 0 || strcmp(sqlstate, "GS033") == 0;
}

static void damage_told(GsControl *control)
{
	gs_damage_told(control->damage);
	control->damage = NULL;
}

static void fetch_told(GsControl *control)
{
	gs_fetch_told(control->fetch);
	control->fetch = NULL;
	control->report_due = true; /* there may be another one now */
}

/* What is to be done about an error; NULL when the connection may go on. */
static const char *call_failed(GsControl *control, const GsAnswer *answer)
{
	GsReceipt *receipt = control->receipt;

	if (strcmp(answer->sqlstate, "GS031") == 0)
		gs_program_abort("another daemon has announced itself as this device since; this one must not go on");
	if (strcmp(answer->sqlstate, "GS030") == 0)
		gs_log(GS_LOG_ERROR, NULL,
			   "the control server does not know this device; there, as its DBA, run: SELECT "
			   "groupshare.add_storage_device(name, login_role, location) with the role of conninfo",
			   "server", control->link.name, NULL);
	/* A batch that comes too late, for one: the server orders another inventory when it wants one. */
	if (control->kind == CALL_INVENTORY && answer->sqlstate[0] != '\0' && !is_about_us(answer->sqlstate)) {
		gs_log(GS_LOG_WARN, NULL, "the control server did not take an inventory", "error", answer->message, NULL);
		gs_inventory_answered(control->server, false);
		return NULL;
	}
	if (control->damage != NULL && answer->sqlstate[0] != '\0' && !is_about_us(answer->sqlstate)) {
		gs_log(GS_LOG_ERROR, NULL, "the control server did not hear of a damage; told again after the next start",
			   "error", answer->message, NULL);
		damage_told(control);
		return NULL;
	}
	if (control->fetch != NULL && answer->sqlstate[0] != '\0' && !is_about_us(answer->sqlstate)) {
		gs_log(GS_LOG_ERROR, NULL, "the control server did not hear that a fetch was given up", "error",
			   answer->message, NULL);
		fetch_told(control);
		return NULL;
	}
	if (receipt == NULL || answer->sqlstate[0] == '\0' || is_about_us(answer->sqlstate))
		return answer->message;
	gs_log(GS_LOG_ERROR, NULL, "the control server did not take a receipt", "server", control->link.name, "object",
		   receipt->sidecar.object.text, "error", answer->message, NULL);
	control->receipt = NULL;
	if (strcmp(answer->sqlstate, "GS032") == 0)
		gs_receipt_finish(control->store, receipt, GS_RECEIPT_MISMATCH);
	else
		gs_receipt_postpone(receipt);
	return NULL;
}

static void work_told(GsControl *control)
{
	control->work_done_count -= control->work_done_sent;
	memmove(control->work_done, control->work_done + control->work_done_sent,
			control->work_done_count * sizeof(control->work_done[0]));
}

static void link_answered(void *owner, const GsAnswer *answer)
{
	GsControl *control = owner;
	const char *wrong = NULL;

	if (answer->value == NULL)
		wrong = call_failed(control, answer);
	else if (control->kind == CALL_LISTEN)
		control->listening = true;
	else if (control->kind == CALL_ANNOUNCE)
		wrong = announced(control, answer->value);
	else if (control->kind == CALL_REPORT)
		wrong = reported(control, answer->value);
	else if (control->kind == CALL_DAMAGED)
		damage_told(control);
	else if (control->kind == CALL_FETCH_FAILED)
		fetch_told(control);
	else if (control->kind == CALL_INVENTORY)
		gs_inventory_answered(control->server, true);
	else if (control->kind == CALL_RECEIPT)
		wrong = receipted(control, answer->value);
	else
		work_told(control);
	/* The next connection starts with an announcement, which is also what GS033 asks for. */
	if (wrong != NULL)
		gs_link_drop(&control->link, wrong);
	else
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

	if (control->receipt != NULL)
		gs_receipt_unsent(control->receipt);
	control->receipt = NULL;
	/* The batch on the wire may be lost, and what is not listed is taken for missing: begun anew when ordered again. */
	if (control->server != NULL)
		gs_inventory_answered(control->server, false);
	control->fetch = NULL;
	control->damage = NULL;       /* still first of its queue */
	control->work_done_count = 0; /* repeated by the next report */
	control->listening = false;
	control->measured = false;
	control->report_due = false;
	set_announced(control, false);
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
