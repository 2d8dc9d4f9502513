/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is known of a device, read by look-ups of its two rows.
 */
#ifndef GS_STANDING_H
#define GS_STANDING_H

#include "lookup.h"
#include "objection.h"

/* Columns of gs_standing_device (groupshare.device by its id). */
enum { GS_DEVICE_NAME = 1, GS_DEVICE_LOCATION, GS_DEVICE_STATE, GS_DEVICE_LATITUDE, GS_DEVICE_LONGITUDE };
extern GsLookup gs_standing_device;

/* Columns of gs_standing_ledger (groupshare.device_ledger by the device's id). */
enum {
	GS_LEDGER_EPOCH = 1,
	GS_LEDGER_REPORTED_AT,
	GS_LEDGER_INTERVAL,
	GS_LEDGER_READ_ONLY,
	GS_LEDGER_CAPACITY,
	GS_LEDGER_LIMIT,
	GS_LEDGER_AVAILABLE,
	GS_LEDGER_HIGH_WATER,
	GS_LEDGER_HEADROOM,
	GS_LEDGER_REFUSED_AT,
	GS_LEDGER_RESERVED
};
extern GsLookup gs_standing_ledger;

/* Of the two rows that the cursors stand on. */
GsStanding gs_standing_of(const GsCursor *device, const GsCursor *ledger);

#endif
