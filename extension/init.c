/* SPDX-License-Identifier: PostgreSQL */
/*
 * What happens when the module is loaded: the settings are defined. With shared_preload_libraries the postmaster loads
 * it once, the background worker is registered too and shared memory asked for; without, the first call of a session
 * loads it.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "page_mark.h"
#include "settings.h"
#include "worker.h"

PG_MODULE_MAGIC;

void _PG_init(void);

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

int gs_session_lifetime_s;
int gs_challenge_lifetime_s;
int gs_enrolment_code_lifetime_s;
int gs_ticket_lifetime_s;
int gs_reservation_lifetime_s;
int gs_placement_candidates_most;
int gs_device_headroom_mb;
int gs_device_high_water_percent;
int gs_device_silent_intervals;
int gs_device_history_retention_s;
int gs_placement_wait_ms;
int gs_placement_near_wait_ms;
int gs_placement_seed;
int gs_inquiry_lifetime_s;
int gs_refusal_pause_s;
int gs_delete_hold_s;
int gs_event_retention_s;
int gs_inventory_interval_s;
int gs_maintenance_interval_ms;
char *gs_databases;

typedef struct IntSetting {
	const char *name;
	const char *description;
	int *value;
	int initial;
	int min;
	int max;
	GucContext context;
	int unit;
} IntSetting;

static const IntSetting int_settings[] = {
	{"groupshare.session_lifetime", "How long a session lasts after connecting.", &gs_session_lifetime_s, 12 * HOUR,
	 MINUTE, 365 * DAY, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.challenge_lifetime", "How long a terminal may take to sign its challenge.", &gs_challenge_lifetime_s,
	 MINUTE, 1, HOUR, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.enrolment_code_lifetime", "How long an enrolment code can be used.", &gs_enrolment_code_lifetime_s,
	 7 * DAY, MINUTE, 365 * DAY, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.ticket_lifetime", "How long a device takes a ticket.", &gs_ticket_lifetime_s, 15 * MINUTE, 1, DAY,
	 PGC_SUSET, GUC_UNIT_S},
	{"groupshare.reservation_lifetime", "How long bytes stay reserved for an upload that does not end.",
	 &gs_reservation_lifetime_s, DAY, 1, 365 * DAY, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.placement_candidates", "How many of the nearest devices with room are compared.",
	 &gs_placement_candidates_most, 10, 1, 1000, PGC_SUSET, 0},
	{"groupshare.device_headroom", "Space on a device that is never promised.", &gs_device_headroom_mb, 64, 0, INT_MAX,
	 PGC_SUSET, GUC_UNIT_MB},
	{"groupshare.device_high_water_percent", "A device used by more than this gets no new bytes.",
	 &gs_device_high_water_percent, 95, 1, 100, PGC_SUSET, 0},
	{"groupshare.device_silent_intervals", "A device that missed so many reports gets no new bytes.",
	 &gs_device_silent_intervals, 3, 1, 1000, PGC_SUSET, 0},
	{"groupshare.device_history_retention", "How long the hourly history of the devices' reports is kept.",
	 &gs_device_history_retention_s, 90 * DAY, HOUR, INT_MAX, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.placement_wait", "How long a notice waits when other notices hold all devices with room.",
	 &gs_placement_wait_ms, 2000, 0, 60000, PGC_SUSET, GUC_UNIT_MS},
	{"groupshare.placement_near_wait",
	 "How much of that a notice waits for the nearest devices before it goes farther.", &gs_placement_near_wait_ms, 100,
	 0, 60000, PGC_SUSET, GUC_UNIT_MS},
	{"groupshare.placement_seed", "Makes the choice among the candidates repeatable, for tests; 0 is random.",
	 &gs_placement_seed, 0, 0, INT_MAX, PGC_SUSET, 0},
	{"groupshare.inquiry_lifetime", "How long an inquiry stays open without a decision.", &gs_inquiry_lifetime_s,
	 14 * DAY, MINUTE, 365 * DAY, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.refusal_pause", "How long a refused terminal waits before it may ask again.", &gs_refusal_pause_s,
	 HOUR, 0, 365 * DAY, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.delete_hold", "How long the bytes of a deleted share are kept; longer than the oldest recovery point.",
	 &gs_delete_hold_s, 7 * DAY, 0, INT_MAX, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.event_retention", "How long events are kept for terminals that do not fetch them.",
	 &gs_event_retention_s, 30 * DAY, HOUR, INT_MAX, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.inventory_interval",
	 "How often each device is asked what it has, and after each of its starts; 0 is never.", &gs_inventory_interval_s,
	 DAY, 0, 365 * DAY, PGC_SUSET, GUC_UNIT_S},
	{"groupshare.maintenance_interval", "How often the worker looks for what has expired.", &gs_maintenance_interval_ms,
	 1000, 10, HOUR * 1000, PGC_SIGHUP, GUC_UNIT_MS},
};

void _PG_init(void)
{
	for (size_t i = 0; i < lengthof(int_settings); i++) {
		const IntSetting *s = &int_settings[i];

		DefineCustomIntVariable(s->name, s->description, NULL, s->value, s->initial, s->min, s->max, s->context,
								s->unit, NULL, NULL, NULL);
	}
	/* Only the postmaster can have it: a session that loads the module by itself has no worker either. */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomStringVariable("groupshare.databases", "The databases that the background worker serves.",
								   "Comma separated; a change needs a restart.", &gs_databases, "", PGC_POSTMASTER,
								   GUC_LIST_INPUT, NULL, NULL, NULL);
	MarkGUCPrefixReserved("groupshare");
	if (process_shared_preload_libraries_in_progress) {
		gs_page_mark_register();
		gs_worker_register();
	}
}
