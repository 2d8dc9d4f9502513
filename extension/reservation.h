/* SPDX-License-Identifier: PostgreSQL */
/*
 * A copy of a share on a device, from its reservation to its end. SPI must be open, and the caller holds the locks that
 * reservation.c names.
 */
#ifndef GS_RESERVATION_H
#define GS_RESERVATION_H

#include "candidates.h"
#include "request.h"
#include "utils/array.h"
#include "utils/timestamp.h"

typedef struct GsAllocation {
	pg_uuid_t object;
	pg_uuid_t device;
	char *device_name;
	int64 size;
	TimestampTz expires_at;
	bool reachable; /* the device reports and holds a ticket key */
} GsAllocation;

/* Places a pending share and reserves its bytes, waiting groupshare.placement_wait. GS022, GS023. */
GsAllocation *gs_reservation_make(const GsRequest *request, const pg_uuid_t *share, int64 size, ArrayType *avoid);

/* Gives a live reservation back and makes another one for the same share. GS022, GS023. */
GsAllocation *gs_reservation_move(const GsRequest *request, const pg_uuid_t *share, const GsAllocation *old,
								  ArrayType *avoid);

/* Where does a further copy of a stored share go, near `location`? */
GsQuestion gs_reservation_further(const GsTerminal *owner, const pg_uuid_t *share, const char *location, int64 size,
								  ArrayType *avoid);

/* Reserves it, without waiting; NULL and a reason when it can't be placed now. */
GsAllocation *gs_reservation_replicate(const GsQuestion *question, const pg_uuid_t *home, char **refusal);

/* The live reservation of a share, if it has one. */
GsAllocation *gs_reservation_look(const pg_uuid_t *share);

/* The live reservation of a pending share. */
GsAllocation *gs_reservation_find(const pg_uuid_t *share);

/* A repeated notice: never shortens the life of the reservation. */
void gs_reservation_extend(GsAllocation *allocation);

/* Ends a live reservation as 'expired' or 'cancelled': the copy is abandoned, its device told to drop what it has. */
void gs_reservation_end(const GsAllocation *allocation, const char *state);

/* The bytes of these objects have arrived. The caller owes their sizes to the ledger (gs_ledger_settle), after all
 * other rows. */
void gs_reservation_settle(ArrayType *objects, int count);

/* Ends at most `limit` reservations whose time is over, with their shares; returns how many. */
int64 gs_reservation_expire_due(int64 limit);

#endif
