/* SPDX-License-Identifier: PostgreSQL */
/*
 * Devices by the names that DBAs give them. SPI must be open.
 */
#ifndef GS_DEVICE_NAMED_H
#define GS_DEVICE_NAMED_H

#include "postgres.h"
#include "utils/uuid.h"

/* Raises GS012 when there is none. Its row is not locked. */
pg_uuid_t *gs_device_named(const char *name);

/* For who has looked for it in a statement of his own: GS012. */
void gs_device_missing(const char *name) pg_attribute_noreturn();

#endif
