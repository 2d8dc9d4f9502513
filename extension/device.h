/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who calls a device_* function. SPI must be open.
 */
#ifndef GS_DEVICE_H
#define GS_DEVICE_H

#include "postgres.h"
#include "utils/uuid.h"

/* The device whose login role the session has, speaking with the announced epoch. GS030, GS031, GS033. */
pg_uuid_t gs_device_caller(int64 epoch);

#endif
