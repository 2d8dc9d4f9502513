/* SPDX-License-Identifier: PostgreSQL */
/*
 * The table of settings and its cross checks. A conninfo is parsed here, so that a mistake in it is found by
 * --check-config; a dump shows it without its password.
 */
#include "gateway/settings.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/conninfo.h"
#include "daemon/settings_common.h"
#include "gateway/pg_pool.h"

#define NUMBER(field, fallback_, min_, max_, help_)                                                                 \
	{                                                                                                               \
		.section = "gateway", .name = #field, .type = GS_SETTING_INT, .offset = offsetof(GsGatewaySettings, field), \
		.fallback = fallback_, .min = min_, .max = max_, .help = help_                                              \
	}

/* clang-format off */
static const GsSetting settings[] = {
	GS_COMMON_SETTINGS,
	GS_COMMON_CORS(NULL),
	NUMBER(pool_size, "8", 1, GS_PG_POOL_MAX, "connections to each control server, a worker"),
	NUMBER(pipeline_depth, "8", 1, 256, "requests under way on one connection"),
	NUMBER(queue_limit, "1024", 1, 1000000, "requests that wait for a connection, a control server; past it 503"),
	NUMBER(queue_timeout_ms, "3000", 1, 600000, "a request waits this long for a connection, then 503"),
	NUMBER(connect_timeout_ms, "5000", 10, 600000, "for a connection to a control server"),
	NUMBER(statement_timeout_ms, "10000", 10, 600000, "for one request in the control server"),
	NUMBER(reconnect_min_ms, "100", 1, 600000, "first pause before connecting again"),
	NUMBER(reconnect_max_ms, "3000", 1, 600000, "longest pause before connecting again"),
	NUMBER(route_cache_entries, "65536", 4, 16777216, "terminals whose control server is remembered, a worker"),
	NUMBER(route_cache_ttl_ms, "60000", 0, 86400000, "how long it is remembered without being told of a change"),
	NUMBER(max_body_bytes, "262144", 1024, 16777216, "size of a request's body; past it 413"),
	NUMBER(max_event_waiters, "10000", 1, 1000000, "open event requests, a worker; past it 503"),
	NUMBER(event_heartbeat_ms, "15000", 100, 600000, "between two comments on a silent event stream"),
	NUMBER(entry_per_address_per_min, "600", 0, 1000000000, "enroll, challenge and connect from one address, a worker; past it 429, 0 = no limit"),
	NUMBER(entry_per_min, "60000", 0, 1000000000, "the same from all addresses"),
	NUMBER(unknown_session_per_address_per_min, "3000", 0, 1000000000, "requests from one address with sessions that were not accepted lately"),
	NUMBER(search_per_session_per_min, "300", 0, 1000000000, "searches for groups with one session, likewise"),
	NUMBER(search_per_address_per_min, "3000", 0, 1000000000, "the same from one address"),
	NUMBER(search_per_min, "60000", 0, 1000000000, "the same from all addresses"),
	NUMBER(requests_per_session_per_min, "6000", 0, 1000000000, "requests of all kinds with one session"),
	NUMBER(budget_entries, "65536", 4, 16777216, "addresses and sessions that budgets are kept for, a worker"),
	{.section = "control.*", .name = "conninfo", .type = GS_SETTING_STRING, .secret = true,
	 .help = "libpq connection string of the control server of that name"},
	{.section = NULL},
};
/* clang-format on */

static GsControlSetting *find_control(GsGatewaySettings *target, const char *label)
{
	for (size_t i = 0; i < target->control_count; i++)
		if (strcmp(target->controls[i].name, label) == 0)
			return &target->controls[i];
	return NULL;
}

static const char *control_setting(void *target, const char *section, const char *label, const char *name,
								   const char *value)
{
	GsGatewaySettings *gateway = target;
	GsControlSetting *control = find_control(gateway, label);

	(void)section;
	if (strcmp(name, "conninfo") != 0)
		return "unknown setting; a control server has conninfo";
	if (*label == '\0' || strlen(label) >= sizeof control->name)
		return "the control server's name is empty or too long";
	if (strlen(value) >= sizeof control->conninfo)
		return "the connection string is too long";
	if (control)
		return "the control server is there twice";
	if (gateway->control_count == GS_GATEWAY_MAX_SERVERS)
		return "too many control servers";
	control = &gateway->controls[gateway->control_count++];
	strcpy(control->name, label);
	strcpy(control->conninfo, value);
	return NULL;
}

static const char *check_settings(void *target)
{
	const GsGatewaySettings *gateway = target;
	const char *wrong = NULL;

	if (gateway->control_count == 0)
		return "no control server: a section [control.NAME] with conninfo is needed";
	if (gateway->reconnect_min_ms > gateway->reconnect_max_ms)
		return "reconnect_min_ms is more than reconnect_max_ms";
	for (size_t i = 0; i < gateway->control_count && !wrong; i++)
		wrong = gs_conninfo_check(gateway->controls[i].conninfo);
	return wrong;
}

static void dump_controls(const void *target, FILE *out)
{
	const GsGatewaySettings *gateway = target;

	for (size_t i = 0; i < gateway->control_count; i++) {
		fprintf(out, "\n[control.%s]\nconninfo =", gateway->controls[i].name);
		gs_conninfo_dump(gateway->controls[i].conninfo, out);
		fputc('\n', out);
	}
}

const GsSettingsTable gs_gateway_settings = {
	.settings = settings,
	.env_prefix = "GROUPSHARE_GATEWAY",
	.repeated = control_setting,
	.check = check_settings,
	.dump_repeated = dump_controls,
};
