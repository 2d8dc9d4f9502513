/* SPDX-License-Identifier: PostgreSQL */
/*
 * The ledger of a device: what it said last and what is promised on it. SPI must be open.
 */
#ifndef GS_LEDGER_H
#define GS_LEDGER_H

#include "postgres.h"
#include "utils/uuid.h"

/* What a device says of itself; url, report_interval_ms and version are said at the announcement only. */
typedef struct GsDeviceReport {
	int64 epoch;
	const char *url;
	const char *version;
	int64 capacity_bytes;
	int64 free_bytes;
	int64 staged_bytes;
	int32 report_interval_ms;
	bool read_only;
} GsDeviceReport;

/* May this transaction hold a ledger row? Every write notes it, a DBA's own UPDATE too (room.c). */
void gs_ledger_note_held(void);
bool gs_ledger_held(void);

/* A daemon's start: takes the ledger over and counts the live reservations anew. False: a newer epoch has announced. */
bool gs_ledger_announce(const pg_uuid_t *device, const GsDeviceReport *report);

typedef enum GsReported {
	GS_REPORT_TAKEN,
	GS_REPORT_LATE, /* another epoch, or on a younger connection, the device has announced itself since */
	GS_REPORT_HELD  /* somebody held the row for too long; what the report says, the next one says better */
} GsReported;

GsReported gs_ledger_report(const pg_uuid_t *device, const GsDeviceReport *report);

/* Give a promise back. */
void gs_ledger_release(const pg_uuid_t *device, int64 size);

/* The promised bytes lie on the device now. False: the epoch is not the announced one any more. */
bool gs_ledger_settle(const pg_uuid_t *device, int64 epoch, int64 size);

/* A terminal asked for another device instead: this one is tried last until its next report. The row must be locked. */
void gs_ledger_refuse(const pg_uuid_t *device);

/* The device has deleted copies of `size` bytes in all. */
void gs_ledger_drop(const pg_uuid_t *device, int64 size);

/* Takes devices that went silent out of the searches' way; a look every few seconds at most. Returns how many. */
int64 gs_ledger_close_silent(int64 limit);

/* Removes report history older than groupshare.device_history_retention; returns how many rows. */
int64 gs_ledger_forget(int64 limit);

#endif
