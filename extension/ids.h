/* SPDX-License-Identifier: PostgreSQL */
#ifndef GS_IDS_H
#define GS_IDS_H

#include "postgres.h"

#include "utils/uuid.h"

/* A new id: a UUID of version 7 (RFC 9562), 48 bits of milliseconds since 1970 and 74 random ones. Ids that are made
 * one after the other are neighbours in an index, where random ones would each touch, and after a checkpoint log, a
 * page of their own. */
pg_uuid_t gs_id_new(void);

#endif
