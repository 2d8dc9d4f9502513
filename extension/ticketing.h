/* SPDX-License-Identifier: PostgreSQL */
/*
 * Letting a terminal in at a device: the address of an object and a signed ticket for it (doc/contracts.md section 2).
 * SPI must be open.
 */
#ifndef GS_TICKETING_H
#define GS_TICKETING_H

#include "postgres.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct GsTicketScope {
	const pg_uuid_t *device;
	const pg_uuid_t *object;
	const pg_uuid_t *terminal;
	bool upload; /* PUT, PATCH, HEAD, DELETE; else GET, HEAD */
	int64 size;
	int64 rate;          /* what the terminal's plan allows it, bytes a second; 0: no limit */
	const bytea *sha256; /* NULL: not known yet */
	const char *name;
	TimestampTz until; /* uploads only: when the reservation ends */
} GsTicketScope;

typedef struct GsDesignation {
	char *url;
	char *ticket;
	TimestampTz expires_at;
} GsDesignation;

/* Signs with the newest key that the device has been told. GS025 when the device is silent or has no key. */
GsDesignation gs_ticketing_issue(const GsTicketScope *scope);

/* The same; false when the device is silent or has no key. */
bool gs_ticketing_try(const GsTicketScope *scope, GsDesignation *designation);

#endif
