/* SPDX-License-Identifier: PostgreSQL */
/*
 * What must happen by the passing of time.
 */
#ifndef GS_MAINTENANCE_H
#define GS_MAINTENANCE_H

#include "postgres.h"

/* One round, in the caller's transaction; opens SPI itself. True: a batch was full, more is due already. */
bool gs_maintenance_run(void);

#endif
