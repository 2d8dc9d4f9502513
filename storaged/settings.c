/* SPDX-License-Identifier: PostgreSQL */
/* The table of settings; see settings.h. */
#include "storaged/settings.h"

#include <string.h>

#include "daemon/conninfo.h"
#include "daemon/settings_common.h"

#define STORAGE(name_, type_, field_, fallback_, min_, max_, required_, help_)                             \
	{                                                                                                      \
		.section = "storage", .name = name_, .type = type_, .offset = offsetof(GsStorageSettings, field_), \
		.fallback = fallback_, .min = min_, .max = max_, .required = required_, .help = help_              \
	}

static const GsSetting settings[] = {
	GS_COMMON_SETTINGS,
	GS_COMMON_CORS("*"),
	STORAGE("root", GS_SETTING_STRING, root, NULL, 0, 0, true, "directory that holds the objects"),
	STORAGE("capacity_bytes", GS_SETTING_INT, capacity_bytes, "0", 0, INT64_MAX, false,
			"bytes that may be stored; 0 = as much as the disk has"),
	STORAGE("public_url", GS_SETTING_STRING, public_url, NULL, 0, 0, false,
			"base URL at which terminals reach this device; default: the listening address"),
	STORAGE("report_interval_ms", GS_SETTING_INT, report_interval_ms, "5000", 100, 3600000, false,
			"pause between reports to a control server"),
	STORAGE("receipt_wait_ms", GS_SETTING_INT, receipt_wait_ms, "5000", 0, 600000, false,
			"how long an upload waits for the control server before it is answered 202"),
	STORAGE("call_timeout_ms", GS_SETTING_INT, call_timeout_ms, "30000", 100, 3600000, false,
			"for one call of a control server; after it the connection is made anew"),
	STORAGE("max_transfers", GS_SETTING_INT, max_transfers, "1024", 1, 1000000, false,
			"uploads and downloads at a time"),
	STORAGE("max_uploads", GS_SETTING_INT, max_uploads, "256", 1, 1000000, false,
			"of them uploads; each may hold [limits] stream_window_bytes in memory"),
	STORAGE("max_staged", GS_SETTING_INT, max_staged, "10000", 1, 10000000, false,
			"unfinished uploads that wait to be resumed; more: new ones are refused"),
	STORAGE("max_receipts", GS_SETTING_INT, max_receipts, "10000", 1, 10000000, false,
			"receipts waiting for a control server; more: its uploads are refused"),
	STORAGE("io_buffer_bytes", GS_SETTING_INT, io_buffer_bytes, "262144", 16384, 16777216, false,
			"size of one read or write"),
	STORAGE("io_threads", GS_SETTING_INT, io_threads, "8", 4, 128, false, "threads that do disk work"),
	STORAGE("scrub_rate_bytes", GS_SETTING_INT, scrub_rate_bytes, "8388608", 0, INT64_MAX / 1000, false,
			"bytes a second that the scrub reads at most; 0 = it doesn't"),
	STORAGE("scrub_interval_ms", GS_SETTING_INT, scrub_interval_ms, "604800000", 0, INT64_MAX, false,
			"from one beginning of the scrub to the next, when it is through by then"),
	STORAGE("max_fetches", GS_SETTING_INT, max_fetches, "4", 0, 64, false,
			"copies fetched from other devices at a time, each on a thread of its own; 0 = none"),
	STORAGE("fetch_rate_bytes", GS_SETTING_INT, fetch_rate_bytes, "0", 0, INT64_MAX / 1000, false,
			"bytes a second that all fetches together take at most; 0 = no limit"),
	STORAGE("fetch_ca", GS_SETTING_STRING, fetch_ca, NULL, 0, 0, false,
			"PEM file of the authorities whose devices are believed; default: the system's"),
	{.section = "control.*",
	 .name = "conninfo",
	 .type = GS_SETTING_STRING,
	 .secret = true,
	 .help = "a control server named as the section; libpq's connection string"},
	{0}};

static GsControlSetting *find_control(GsStorageSettings *target, const char *name)
{
	for (size_t i = 0; i < target->control_count; i++)
		if (strcmp(target->controls[i].name, name) == 0)
			return &target->controls[i];
	return NULL;
}

static const char *set_repeated(void *target_, const char *section, const char *label, const char *name,
								const char *value)
{
	GsStorageSettings *target = target_;
	GsControlSetting *control;

	(void)section;
	if (strcmp(name, "conninfo") != 0)
		return "unknown setting, [control.NAME] has: conninfo";
	if (label[0] == '\0' || strlen(label) > GS_CONTROL_NAME_MAX)
		return "a control server's name has 1 to 255 bytes";
	if (value[0] == '\0' || strlen(value) > GS_CONNINFO_MAX)
		return "conninfo has 1 to 1023 bytes";
	control = find_control(target, label);
	if (control == NULL && target->control_count == GS_CONTROL_MAX)
		return "more than 16 control servers";
	if (control == NULL)
		control = &target->controls[target->control_count++];
	strcpy(control->name, label);
	strcpy(control->conninfo, value);
	return NULL;
}

static const char *check(void *target_)
{
	GsStorageSettings *target = target_;
	const char *wrong = NULL;

	if (target->control_count == 0)
		return "no control server: add a section [control.NAME] with conninfo";
	/* One process owns the disk and its journal; threads, not processes, do the disk work. */
	if (target->common.workers != 1)
		return "[process] workers must be 1: one process owns a disk (see [storage] io_threads)";
	if (target->public_url != NULL && strncmp(target->public_url, "http://", 7) != 0 &&
		strncmp(target->public_url, "https://", 8) != 0)
		return "[storage] public_url must start with https:// or http://";
	if (target->public_url != NULL && target->public_url[strlen(target->public_url) - 1] == '/')
		return "[storage] public_url must not end with a slash";
	for (size_t i = 0; i < target->control_count && wrong == NULL; i++)
		wrong = gs_conninfo_check(target->controls[i].conninfo);
	return wrong;
}

static void dump_repeated(const void *target_, FILE *out)
{
	const GsStorageSettings *target = target_;

	for (size_t i = 0; i < target->control_count; i++) {
		fprintf(out, "\n[control.%s]\nconninfo =", target->controls[i].name);
		gs_conninfo_dump(target->controls[i].conninfo, out);
		fputc('\n', out);
	}
}

const GsSettingsTable gs_storage_settings = {.settings = settings,
											 .env_prefix = "GROUPSHARE_STORAGED",
											 .repeated = set_repeated,
											 .check = check,
											 .dump_repeated = dump_repeated};
