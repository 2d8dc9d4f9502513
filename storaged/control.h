/* SPDX-License-Identifier: PostgreSQL */
/*
 * The connection to one control server: announces this device, reports its space, sends receipts and takes work. Calls
 * travel one after the other on one connection; what waits is bounded: one report, one batch of finished work, and the
 * server's receipts (max_receipts). A lost connection is made again with a growing, jittered pause. Loop thread only.
 */
#ifndef GS_CONTROL_H
#define GS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct GsControl GsControl;
struct GsStore;

/* NULL when out of memory. Connects by itself. */
GsControl *gs_control_start(struct GsStore *store, const char *name, const char *conninfo);
const char *gs_control_name(const GsControl *control);
/* For the next connection. */
void gs_control_set_conninfo(GsControl *control, const char *conninfo);
/* There may be new work for this device: reports at once. */
void gs_control_report(GsControl *control);
/* Bytes were refused that the server took for fitting: it hears at once how much room there is, once a second. */
void gs_control_no_room(GsControl *control);
/* A receipt was queued. */
void gs_control_kick(GsControl *control);
/* To be told to the server; what does not fit, GS_WORK_MAX at a time, the server repeats. */
void gs_control_work_done(GsControl *control, const int64_t *ids, size_t count);
/* The server knows this device as present. */
bool gs_control_announced(const GsControl *control);
/* Its ticket keys are known: what it has signed can be judged. */
bool gs_control_keyed(const GsControl *control);
/* Releases everything once its handles are closed; no job of it may be running. *open_handles goes back to 0 then. */
void gs_control_stop(GsControl *control, size_t *open_handles);

#endif
