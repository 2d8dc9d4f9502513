/* SPDX-License-Identifier: PostgreSQL */
/* Settings of groupshare-storaged: the daemons' common ones, [storage], and one [control.NAME] for each control server.
 */
#ifndef GS_STORAGED_SETTINGS_H
#define GS_STORAGED_SETTINGS_H

#include "daemon/settings.h"

#define GS_CONTROL_MAX 16
#define GS_CONTROL_NAME_MAX 255
#define GS_CONNINFO_MAX 1023

typedef struct GsControlSetting {
	char name[GS_CONTROL_NAME_MAX + 1]; /* the control server's own name; checked when it answers */
	char conninfo[GS_CONNINFO_MAX + 1];
} GsControlSetting;

typedef struct GsStorageSettings {
	GsCommonSettings common;
	char *root;
	int64_t capacity_bytes; /* 0 = as much as the disk has */
	char *public_url;       /* NULL = made of the listening address */
	int64_t report_interval_ms, receipt_wait_ms, call_timeout_ms;
	int64_t max_transfers, max_uploads, max_staged, max_receipts;
	int64_t io_buffer_bytes, io_threads;
	int64_t scrub_rate_bytes, scrub_interval_ms;
	int64_t max_fetches, fetch_rate_bytes;
	char *fetch_ca; /* NULL = the system's certificates */
	GsControlSetting controls[GS_CONTROL_MAX];
	size_t control_count;
} GsStorageSettings;

extern const GsSettingsTable gs_storage_settings;

#endif
