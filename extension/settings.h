/* SPDX-License-Identifier: PostgreSQL */
/*
 * The settings groupshare.*; init.c holds the table that names, describes and bounds them. The unit is the name's last
 * word here, whatever unit the setting is shown in.
 */
#ifndef GS_SETTINGS_H
#define GS_SETTINGS_H

extern int gs_session_lifetime_s;
extern int gs_challenge_lifetime_s;
extern int gs_enrolment_code_lifetime_s;
extern int gs_ticket_lifetime_s;
extern int gs_reservation_lifetime_s;
extern int gs_placement_candidates_most;
extern int gs_device_headroom_mb;
extern int gs_device_high_water_percent;
extern int gs_device_silent_intervals;
extern int gs_device_history_retention_s;
extern int gs_placement_wait_ms;
extern int gs_placement_near_wait_ms;
extern int gs_placement_seed; /* 0 = random */
extern int gs_inquiry_lifetime_s;
extern int gs_refusal_pause_s;
extern int gs_delete_hold_s;
extern int gs_event_retention_s;
extern int gs_inventory_interval_s; /* 0: only when asked */
extern int gs_maintenance_interval_ms;
extern char *gs_databases; /* comma separated; empty: the worker serves none */

#endif
