/* SPDX-License-Identifier: PostgreSQL */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "standing.h"

#define PLACES_MAX 4096

GsLookup gs_standing_ledger = {
	.table = "device_ledger",
	.index = "device_ledger_pkey",
	.columns = {"epoch", "reported_at", "report_interval_ms", "read_only", "capacity_bytes", "capacity_limit_bytes",
				"available_bytes", "high_water_percent", "headroom_bytes", "refused_at", "reserved_bytes", "active",
				"name", "location", "latitude", "longitude"},
};

GsStanding gs_standing_of(const GsCursor *ledger)
{
	return (GsStanding){
		.state = gs_lookup_bool(ledger, GS_LEDGER_ACTIVE) ? "active" : "not active",
		.name = gs_lookup_text(ledger, GS_LEDGER_NAME),
		.announced = !gs_lookup_isnull(ledger, GS_LEDGER_EPOCH),
		.reported_at = gs_lookup_timestamp(ledger, GS_LEDGER_REPORTED_AT, DT_NOEND),
		.report_interval_ms = gs_lookup_int32(ledger, GS_LEDGER_INTERVAL, 0),
		.read_only = gs_lookup_bool(ledger, GS_LEDGER_READ_ONLY),
		.capacity = gs_lookup_int64(ledger, GS_LEDGER_CAPACITY, 0),
		.capacity_limit = gs_lookup_int64(ledger, GS_LEDGER_LIMIT, PG_INT64_MAX),
		.available = gs_lookup_int64(ledger, GS_LEDGER_AVAILABLE, 0),
		.high_water_percent = gs_lookup_int32(ledger, GS_LEDGER_HIGH_WATER, 0),
		.headroom = gs_lookup_int64(ledger, GS_LEDGER_HEADROOM, -1),
	};
}

/* Where each device's row was found last. */
typedef struct Place {
	pg_uuid_t device;
	ItemPointerData at;
} Place;

static HTAB *places;

ItemPointer gs_standing_place(const pg_uuid_t *device)
{
	HASHCTL control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(Place), .hcxt = CacheMemoryContext};
	Place *place;
	bool known;

	if (places != NULL && hash_get_num_entries(places) >= PLACES_MAX &&
		hash_search(places, device, HASH_FIND, NULL) == NULL) {
		hash_destroy(places);
		places = NULL;
	}
	if (places == NULL)
		places = hash_create("groupshare devices", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	place = hash_search(places, device, HASH_ENTER, &known);
	if (!known)
		ItemPointerSetInvalid(&place->at);
	return &place->at;
}
