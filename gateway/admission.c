/* SPDX-License-Identifier: PostgreSQL */
/*
 * The address comes before the total, so that one address that floods is stopped by its own budget and leaves the total
 * to others. A session's bucket is found by the SHA-256 of its text, not by the terminal that it names: the gateway
 * can't verify a session, and by a made-up one anybody could spend another terminal's budget. For the same reason a
 * session that no control server has accepted lately is asked about at its address's cost: made-up ones, each with a
 * budget of its own, get no further than that. Nothing in an answer depends on whom the request is about, so a refusal
 * tells nothing either.
 */
#include "gateway/admission.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/metrics.h"
#include "daemon/response.h"
#include "gateway/budget.h"
#include "gateway/gateway.h"
#include "gateway/known.h"

/* What a bucket is for. Never reuse a number: it is half of the key. */
enum {
	ENTRY_OF_ADDRESS = 1,
	ENTRY_IN_ALL,
	SEARCH_OF_ADDRESS,
	SEARCH_OF_SESSION,
	SEARCH_IN_ALL,
	ALL_OF_SESSION,
	UNKNOWN_OF_ADDRESS
};

struct GsAdmission {
	GsBudgets *budgets;
	GsKnown *known;
};

static GsMetric refused_metric = {.name = "groupshare_gateway_over_budget_total",
								  .help = "Requests refused with 429 by the gateway's budgets.",
								  .type = GS_METRIC_COUNTER};

GsAdmission *gs_admission_new(size_t entries)
{
	GsAdmission *admission = calloc(1, sizeof *admission);

	if (!admission)
		return NULL;
	admission->budgets = gs_budgets_new(entries);
	admission->known = gs_known_new(entries);
	if (admission->budgets && admission->known) {
		gs_metric_register(&refused_metric);
		return admission;
	}
	gs_admission_free(admission);
	return NULL;
}

void gs_admission_free(GsAdmission *admission)
{
	if (!admission)
		return;
	gs_budgets_free(admission->budgets);
	gs_known_free(admission->known);
	free(admission);
}

/* 0, or seconds to wait. */
static int take(GsStream *stream, GsBudgetKey key, int64_t per_min)
{
	const GsGateway *gateway = gs_stream_program(stream);

	if (per_min == 0)
		return 0;
	return gs_budgets_take(gateway->admission->budgets, &key, uv_now(gs_stream_loop(stream)), (double)per_min);
}

static int take_address(GsStream *stream, uint8_t kind, int64_t per_min)
{
	const char *peer = gs_stream_peer(stream);
	char address[64];

	/* fe80::1%eth0 */
	snprintf(address, sizeof address, "%.*s", (int)strcspn(peer ? peer : "", "%"), peer ? peer : "");
	return take(stream, gs_budget_key_address(kind, address), per_min);
}

static GsBudgetKey digest_of(const char *session)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	GsBudgetKey key = {.kind = ALL_OF_SESSION};

	_Static_assert(sizeof key.bytes == GS_KNOWN_DIGEST_SIZE, "one digest for both tables");
	SHA256((const uint8_t *)session, strlen(session), digest);
	memcpy(key.bytes, digest, sizeof key.bytes);
	return key;
}

static int take_total(GsStream *stream, uint8_t kind, int64_t per_min)
{
	return take(stream, (GsBudgetKey){.kind = kind}, per_min);
}

static int wait_for_session(GsStream *stream, const GsApi *api, bool *unknown)
{
	const GsGateway *gateway = gs_stream_program(stream);
	const GsGatewaySettings *settings = gateway->settings;
	GsBudgetKey key = digest_of(gs_stream_bearer(stream));
	int wait_s = 0;

	*unknown = !gs_known_has(gateway->admission->known, key.bytes, uv_now(gs_stream_loop(stream)));
	if (*unknown)
		wait_s = take_address(stream, UNKNOWN_OF_ADDRESS, settings->unknown_session_per_address_per_min);
	if (!wait_s)
		wait_s = take(stream, key, settings->requests_per_session_per_min);
	if (wait_s || !api->search)
		return wait_s;
	key.kind = SEARCH_OF_SESSION;
	wait_s = take(stream, key, settings->search_per_session_per_min);
	if (!wait_s)
		wait_s = take_address(stream, SEARCH_OF_ADDRESS, settings->search_per_address_per_min);
	return wait_s ? wait_s : take_total(stream, SEARCH_IN_ALL, settings->search_per_min);
}

static int wait_for_entry(GsStream *stream)
{
	const GsGatewaySettings *settings = ((GsGateway *)gs_stream_program(stream))->settings;
	int wait_s = take_address(stream, ENTRY_OF_ADDRESS, settings->entry_per_address_per_min);

	return wait_s ? wait_s : take_total(stream, ENTRY_IN_ALL, settings->entry_per_min);
}

bool gs_admission_check(GsStream *stream, const GsApi *api, bool *unknown)
{
	int wait_s;

	*unknown = false;
	wait_s = api->session ? wait_for_session(stream, api, unknown) : wait_for_entry(stream);
	if (wait_s == 0)
		return true;
	gs_metric_add(&refused_metric, 1);
	gs_problem_send(stream, 429, "too_many_requests",
					"There were too many requests of this kind; this one was not carried out.",
					"Ask again after the time that Retry-After says.", wait_s);
	return false;
}

void gs_admission_learn(GsStream *stream, const GsPgReply *reply, bool unknown)
{
	GsKnown *known = ((GsGateway *)gs_stream_program(stream))->admission->known;

	if (reply->outcome == GS_PG_ROW && unknown)
		gs_known_add(known, digest_of(gs_stream_bearer(stream)).bytes, uv_now(gs_stream_loop(stream)));
	else if (reply->outcome == GS_PG_ERROR && strcmp(reply->sqlstate, "GS002") == 0 && !unknown)
		gs_known_remove(known, digest_of(gs_stream_bearer(stream)).bytes);
}
