/* SPDX-License-Identifier: PostgreSQL */
/*
 * The gateway's settings: what daemons have in common, [gateway], and one [control.NAME] for each control server. The
 * control servers stand in the struct itself, so that freeing the table's strings frees all there is.
 */
#ifndef GS_GATEWAY_SETTINGS_H
#define GS_GATEWAY_SETTINGS_H

#include "daemon/settings.h"

#define GS_GATEWAY_MAX_SERVERS 32
#define GS_GATEWAY_SERVER_NAME_SIZE 256
#define GS_GATEWAY_CONNINFO_SIZE 1024

typedef struct GsControlSetting {
	char name[GS_GATEWAY_SERVER_NAME_SIZE];
	char conninfo[GS_GATEWAY_CONNINFO_SIZE];
} GsControlSetting;

typedef struct GsGatewaySettings {
	GsCommonSettings common;
	int64_t pool_size;
	int64_t pipeline_depth;
	int64_t queue_limit;
	int64_t queue_timeout_ms;
	int64_t connect_timeout_ms;
	int64_t statement_timeout_ms;
	int64_t reconnect_min_ms;
	int64_t reconnect_max_ms;
	int64_t route_cache_entries;
	int64_t route_cache_ttl_ms;
	int64_t max_body_bytes;
	int64_t max_event_waiters;
	int64_t event_heartbeat_ms;
	int64_t entry_per_address_per_min;
	int64_t entry_per_min;
	int64_t unknown_session_per_address_per_min;
	int64_t search_per_session_per_min;
	int64_t search_per_address_per_min;
	int64_t search_per_min;
	int64_t requests_per_session_per_min;
	int64_t budget_entries;
	GsControlSetting controls[GS_GATEWAY_MAX_SERVERS];
	size_t control_count;
} GsGatewaySettings;

extern const GsSettingsTable gs_gateway_settings;

#endif
