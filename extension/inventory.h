/* SPDX-License-Identifier: PostgreSQL */
/*
 * Inventories: what the devices have against what the catalog says. SPI must be open.
 */
#ifndef GS_INVENTORY_H
#define GS_INVENTORY_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* A device's list of work with the inventory that is asked of it, if one is. */
Jsonb *gs_inventory_add_work(const pg_uuid_t *device, Jsonb *work);

/* Asks devices whose last inventory is older than groupshare.inventory_interval or of an earlier start; few at a time.
 */
void gs_inventory_request_due(void);

#endif
