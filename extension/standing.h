/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is known of a device, read by a look-up of its ledger row.
 */
#ifndef GS_STANDING_H
#define GS_STANDING_H

#include "lookup.h"
#include "objection.h"

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
	GS_LEDGER_RESERVED,
	GS_LEDGER_ACTIVE,
	GS_LEDGER_NAME,
	GS_LEDGER_LOCATION,
	GS_LEDGER_LATITUDE,
	GS_LEDGER_LONGITUDE
};
extern GsLookup gs_standing_ledger;

/* Where a device's ledger row is, for gs_lookup_at; good until the next call. */
ItemPointer gs_standing_place(const pg_uuid_t *device);

/* Of the row that the cursor stands on. */
GsStanding gs_standing_of(const GsCursor *ledger);

#endif
