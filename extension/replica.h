/* SPDX-License-Identifier: PostgreSQL */
/*
 * Keeping as many good copies of a share as its owner's plan says. SPI must be open.
 */
#ifndef GS_REPLICA_H
#define GS_REPLICA_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "reservation.h"

#define GS_OUT_OF_REACH "no device that has it is reachable"

typedef struct GsCopies {
	int64 good;     /* stored, and not leaving */
	int64 stored;   /* all of them */
	int64 pending;  /* on their way */
	bool reachable; /* a device that has it reports */
	char *location; /* where it was uploaded from */
} GsCopies;

/* What there is of a share. */
GsCopies gs_replica_look(const pg_uuid_t *share);

/* Where no further copy of it goes: text[] of device names. */
ArrayType *gs_replica_avoid(const pg_uuid_t *share);

/* The worker shall look at the copies of this stored share: now / now, if its plan has more than one copy / after a
 * while that grows with each failure. */
void gs_replica_want(const pg_uuid_t *share);
void gs_replica_want_more(ArrayType *shares);
void gs_replica_failed(const pg_uuid_t *share, const char *problem);

/* The share has been deleted. */
void gs_replica_forget(const pg_uuid_t *share);

/* A pending copy that was to be fetched is uploaded by the owner instead. */
void gs_replica_withdraw(const pg_uuid_t *object);

/* Looks at no more than `limit` shares that are due; returns how many. Never waits for a lock. */
int64 gs_replica_tend(int64 limit);

/* A device's list of work with the copies that it shall fetch. */
Jsonb *gs_replica_add_work(const pg_uuid_t *device, Jsonb *work);

#endif
