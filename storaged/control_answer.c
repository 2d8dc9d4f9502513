/* SPDX-License-Identifier: PostgreSQL */
/*
 * The answers of one control server: what each means for tickets, work, receipts, damages and fetches, and which errors
 * the connection survives; see control_state.h. One function a kind of call, in the table at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/program.h"
#include "storaged/control_state.h"
#include "storaged/fault.h"
#include "storaged/inventory.h"
#include "storaged/measure.h"
#include "storaged/work.h"

void gs_control_set_announced(GsControl *control, bool announced)
{
	if (control->announced != announced)
		gs_metric_add(&gs_metric_control_connections, announced ? 1 : -1);
	control->announced = announced;
}

/* Answers: each returns what is wrong with it, or NULL ----------------------------------------------------------------
 */

static const char *limited(GsControl *control, const char *value)
{
	(void)value;
	control->limited = true;
	return NULL;
}

static const char *listened(GsControl *control, const char *value)
{
	(void)value;
	control->listening = true;
	return NULL;
}

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
	control->keyed = gs_ticket_keys_replace(&control->store->keys, &server->id, keys, reply->key_count);
	return control->keyed ? NULL : "more than 64 ticket keys";
}

static const char *announced(GsControl *control, const char *value)
{
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
		control->keyed = false;
	}
	control->server = server;
	server->control = control;
	server->device = control->reply.device;
	gs_control_set_announced(control, true);
	take_work(control);
	wrong = control->reply.more_revoked ? NULL : take_keys(control);
	if (wrong != NULL)
		return wrong;
	gs_receipt_retry(server);
	gs_log(GS_LOG_INFO, NULL, "announced", "server", control->link.name, "device", server->device.text, NULL);
	return NULL;
}

/* After a report, what was set aside. */
static void try_again(GsControl *control)
{
	memset(control->later, 0, sizeof(control->later));
	gs_receipt_retry(control->server);
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
	try_again(control);
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
	GsReceiptOutcome outcomes[GS_RECEIPT_BATCH_MAX];
	size_t count = control->receipts;

	if (!gs_reply_parse_receipts(value, outcomes, count))
		return "the answer to receipts is malformed";
	control->receipts = 0;
	gs_link_praise(&control->link);
	for (size_t i = 0; i < count; i++) {
		GsReceipt *receipt = gs_receipt_next(control->server);

		if (outcomes[i] == GS_RECEIPT_MISMATCH)
			gs_log(GS_LOG_ERROR, NULL, "the control server did not take a receipt", "server", control->link.name,
				   "object", receipt->sidecar.object.text, "error", "size or digest are not what the notice said",
				   NULL);
		gs_receipt_finish(control->store, receipt, outcomes[i]);
	}
	fetches_settled(control);
	return NULL;
}

static const char *damage_told(GsControl *control, const char *value)
{
	(void)value;
	gs_fault_exit("damage_told");
	gs_damage_told(control->damage);
	control->damage = NULL;
	return NULL;
}

static const char *fetch_told(GsControl *control, const char *value)
{
	(void)value;
	gs_fault_exit("fetch_told");
	gs_fetch_told(control->fetch);
	control->fetch = NULL;
	control->report_due = true; /* there may be another one now */
	return NULL;
}

static const char *work_told(GsControl *control, const char *value)
{
	(void)value;
	gs_fault_exit("after_work_done");
	control->work_done_count -= control->work_done_sent;
	memmove(control->work_done, control->work_done + control->work_done_sent,
			control->work_done_count * sizeof(control->work_done[0]));
	return NULL;
}

static const char *inventory_told(GsControl *control, const char *value)
{
	(void)value;
	gs_fault_exit("inventory_told");
	gs_inventory_answered(control->server, true);
	return NULL;
}

/* Errors -------------------------------------------------------------------------------------------------------------
 */

/* The three SQLSTATEs that say something about us, not about one call. */
static bool is_about_us(const char *sqlstate)
{
	return strcmp(sqlstate, "GS030") == 0 || strcmp(sqlstate, "GS031") == 0 || strcmp(sqlstate, "GS033") == 0;
}

/* Which of several it was can't be told: each is sent alone, and who fails then is set aside. */
static void receipts_failed(GsControl *control, const GsAnswer *answer)
{
	size_t count = control->receipts;
	GsReceipt *receipt = gs_receipt_next(control->server);

	control->receipts = 0;
	if (count > 1) {
		gs_log(GS_LOG_WARN, NULL, "the control server did not take receipts together", "server", control->link.name,
			   "error", answer->message, NULL);
		gs_receipt_unsent(control->server, count);
		control->lonely = count;
		return;
	}
	gs_log(GS_LOG_ERROR, NULL, "the control server did not take a receipt", "server", control->link.name, "object",
		   receipt->sidecar.object.text, "error", answer->message, NULL);
	gs_receipt_postpone(receipt);
}

/* An error of one call only; what is to be done about it. NULL when the connection may go on. */
static const char *call_failed(GsControl *control, const GsAnswer *answer)
{
	switch (control->kind) {
	case CALL_INVENTORY:
		/* A batch that comes too late, for one: the server orders another inventory when it wants one. */
		gs_log(GS_LOG_WARN, NULL, "the control server did not take an inventory", "error", answer->message, NULL);
		gs_inventory_answered(control->server, false);
		return NULL;
	case CALL_DAMAGED:
		gs_log(GS_LOG_ERROR, NULL, "the control server did not hear of a damage; told again after the next start",
			   "error", answer->message, NULL);
		return damage_told(control, "");
	case CALL_FETCH_FAILED:
		gs_log(GS_LOG_ERROR, NULL, "the control server did not hear that a fetch was given up", "error",
			   answer->message, NULL);
		return fetch_told(control, "");
	case CALL_RECEIPTS:
		receipts_failed(control, answer);
		return NULL;
	case CALL_LIMIT:
	case CALL_LISTEN:
	case CALL_ANNOUNCE:
	case CALL_REPORT:
	case CALL_WORK_DONE:
	case CALL_KINDS:
		break;
	}
	return answer->message;
}

/* Somebody over there holds a row: what was said is said again at the next report. NULL when the connection goes on. */
static const char *lock_held(GsControl *control, const GsAnswer *answer)
{
	switch (control->kind) {
	case CALL_REPORT:
		try_again(control);
		return NULL;
	case CALL_WORK_DONE:
		control->work_done_count = 0; /* the next report hands it out again */
		return NULL;
	case CALL_DAMAGED:
	case CALL_FETCH_FAILED:
		control->later[control->kind] = true;
		control->damage = NULL; /* both are still first of their queues */
		control->fetch = NULL;
		return NULL;
	case CALL_LIMIT:
	case CALL_LISTEN:
	case CALL_ANNOUNCE:
	case CALL_RECEIPTS:
	case CALL_INVENTORY:
	case CALL_KINDS:
		break;
	}
	return call_failed(control, answer);
}

static const char *failed(GsControl *control, const GsAnswer *answer)
{
	if (strcmp(answer->sqlstate, "GS031") == 0)
		gs_program_abort("another daemon has announced itself as this device since; this one must not go on");
	if (strcmp(answer->sqlstate, "GS030") == 0)
		gs_log(GS_LOG_ERROR, NULL, "the control server has no such device; its DBA can change that", "server",
			   control->link.name, "error", answer->message, NULL);
	if (answer->sqlstate[0] == '\0' || is_about_us(answer->sqlstate))
		return answer->message;
	return strcmp(answer->sqlstate, "55P03") == 0 ? lock_held(control, answer) : call_failed(control, answer);
}

const char *gs_control_take(GsControl *control, const GsAnswer *answer)
{
	static const char *(*const takers[CALL_KINDS])(GsControl *, const char *) = {
		[CALL_LIMIT] = limited,       [CALL_LISTEN] = listened,          [CALL_ANNOUNCE] = announced,
		[CALL_REPORT] = reported,     [CALL_RECEIPTS] = receipted,       [CALL_DAMAGED] = damage_told,
		[CALL_WORK_DONE] = work_told, [CALL_INVENTORY] = inventory_told, [CALL_FETCH_FAILED] = fetch_told,
	};

	return answer->value != NULL ? takers[control->kind](control, answer->value) : failed(control, answer);
}
