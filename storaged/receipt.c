/* SPDX-License-Identifier: PostgreSQL */
/* Receipts on their way to a control server; see receipt.h. */
#include "storaged/receipt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "storaged/control.h"
#include "storaged/fault.h"
#include "storaged/journal.h"
#include "storaged/measure.h"

static void set_state(GsReceipt *receipt, GsReceiptState state)
{
	static const bool legal[3][3] = {
		[GS_RECEIPT_QUEUED] = {[GS_RECEIPT_SENT] = true},
		[GS_RECEIPT_SENT] = {[GS_RECEIPT_QUEUED] = true, [GS_RECEIPT_FINISHING] = true},
	};

	assert(legal[receipt->state][state]);
	receipt->state = state;
}

GsReceipt *gs_receipt_new(void)
{
	return calloc(1, sizeof(GsReceipt));
}

void gs_receipt_add(GsStore *store, GsServer *server, GsReceipt *receipt, const GsSidecar *sidecar, bool staged)
{
	receipt->sidecar = *sidecar;
	receipt->server = server;
	receipt->staged = staged;
	TAILQ_INIT(&receipt->waits);
	gs_active_add(&store->active, &receipt->active, &sidecar->object, GS_ACTIVE_RECEIPT);
	TAILQ_INSERT_TAIL(&server->receipts, receipt, link);
	server->receipt_count++;
	gs_metric_add(&gs_metric_receipts_pending, 1);
	gs_fault_exit("before_receipt");
	if (server->control != NULL)
		gs_control_kick(server->control);
}

static void release_wait(GsStore *store, GsReceiptWait *wait)
{
	TAILQ_REMOVE(&wait->receipt->waits, wait, link);
	TAILQ_REMOVE(&store->waits, wait, all_link);
	wait->receipt = NULL;
}

static void arm_wait_timer(GsStore *store);

static void wait_timer_fired(uv_timer_t *timer)
{
	GsStore *store = timer->data;
	GsReceiptWait *wait;

	while ((wait = TAILQ_FIRST(&store->waits)) != NULL && wait->deadline_ms <= uv_now(store->loop)) {
		release_wait(store, wait);
		wait->done(wait, GS_RECEIPT_LATE);
	}
	arm_wait_timer(store);
}

static void arm_wait_timer(GsStore *store)
{
	GsReceiptWait *first = TAILQ_FIRST(&store->waits);
	uint64_t now = uv_now(store->loop);

	if (first != NULL)
		uv_timer_start(&store->wait_timer, wait_timer_fired, first->deadline_ms > now ? first->deadline_ms - now : 0,
					   0);
}

void gs_receipt_wait(GsStore *store, GsReceipt *receipt, GsReceiptWait *wait,
					 void (*done)(GsReceiptWait *wait, GsReceiptOutcome outcome))
{
	wait->done = done;
	wait->receipt = receipt;
	wait->deadline_ms = uv_now(store->loop) + (uint64_t)store->settings->receipt_wait_ms;
	TAILQ_INSERT_TAIL(&receipt->waits, wait, link);
	TAILQ_INSERT_TAIL(&store->waits, wait, all_link);
	if (TAILQ_FIRST(&store->waits) == wait)
		arm_wait_timer(store);
}

void gs_receipt_forget(GsStore *store, GsReceiptWait *wait)
{
	if (wait->receipt != NULL)
		release_wait(store, wait);
}

GsReceipt *gs_receipt_next(GsServer *server)
{
	return TAILQ_FIRST(&server->receipts);
}

static void sent(GsReceipt *receipt)
{
	set_state(receipt, GS_RECEIPT_SENT);
	/* From here on the server may have settled it, even if we never hear so: not to be counted as free again. */
	if (receipt->staged)
		gs_server_unstage(receipt->server, receipt->sidecar.size_bytes);
	receipt->staged = false;
}

size_t gs_receipt_send(GsServer *server, size_t most)
{
	GsReceipt *receipt = TAILQ_FIRST(&server->receipts);
	size_t count = 0;

	while (receipt != NULL && count < most) {
		sent(receipt);
		receipt = TAILQ_NEXT(receipt, link);
		count++;
	}
	return count;
}

void gs_receipt_unsent(GsServer *server, size_t count)
{
	GsReceipt *receipt = TAILQ_FIRST(&server->receipts);

	while (count-- > 0) {
		set_state(receipt, GS_RECEIPT_QUEUED);
		receipt = TAILQ_NEXT(receipt, link);
	}
}

void gs_receipt_postpone(GsReceipt *receipt)
{
	set_state(receipt, GS_RECEIPT_QUEUED);
	TAILQ_REMOVE(&receipt->server->receipts, receipt, link);
	TAILQ_INSERT_TAIL(&receipt->server->postponed, receipt, link);
}

void gs_receipt_retry(GsServer *server)
{
	TAILQ_CONCAT(&server->receipts, &server->postponed, link);
}

/* A waiter may end with this, but never waits anew. */
static void tell_waiters(GsStore *store, GsReceipt *receipt)
{
	GsReceiptWait *wait;

	while ((wait = TAILQ_FIRST(&receipt->waits)) != NULL) {
		release_wait(store, wait);
		wait->done(wait, receipt->outcome);
	}
}

static void finish_run(void *owner)
{
	GsReceipt *receipt = owner;
	const GsDisk *disk = &receipt->job.store->disk;

	if (receipt->outcome == GS_RECEIPT_STORED)
		receipt->error = gs_journal_settle(disk, &receipt->sidecar.object);
	else
		receipt->error = gs_journal_remove(disk, &receipt->sidecar.object, &receipt->freed_bytes);
}

static void finish_done(void *owner)
{
	GsReceipt *receipt = owner;
	GsStore *store = receipt->job.store;

	/* The journal then still has it: the next start sends the receipt once more, and gets the same answer. */
	if (receipt->error != 0)
		gs_log(GS_LOG_ERROR, NULL, "cannot finish a receipt on disk", "object", receipt->sidecar.object.text, "error",
			   strerror(-receipt->error), NULL);
	store->used_bytes -= receipt->freed_bytes;
	gs_active_remove(&store->active, &receipt->active);
	tell_waiters(store, receipt);
	free(receipt);
}

void gs_receipt_finish(GsStore *store, GsReceipt *receipt, GsReceiptOutcome outcome)
{
	gs_fault_exit("after_receipt");
	set_state(receipt, GS_RECEIPT_FINISHING);
	receipt->outcome = outcome;
	TAILQ_REMOVE(&receipt->server->receipts, receipt, link);
	receipt->server->receipt_count--;
	gs_metric_add(&gs_metric_receipts_pending, -1);
	gs_job_submit(&receipt->job, store, GS_JOB_LIGHT, receipt, finish_run, finish_done);
	/* Stored is stored wherever the sidecar is; of a removal nothing is said before it is done. */
	if (outcome == GS_RECEIPT_STORED)
		tell_waiters(store, receipt);
}

void gs_receipt_free_all(GsStore *store)
{
	for (size_t i = 0; i < store->server_count; i++) {
		GsReceipt *receipt;

		gs_receipt_retry(&store->servers[i]);
		while ((receipt = TAILQ_FIRST(&store->servers[i].receipts)) != NULL) {
			TAILQ_REMOVE(&store->servers[i].receipts, receipt, link);
			gs_active_remove(&store->active, &receipt->active);
			free(receipt);
		}
	}
}
