/* SPDX-License-Identifier: PostgreSQL */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/timestamp.h"

#include "ids.h"

#define UNIX_MS_AT_POSTGRES_EPOCH (((int64)POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)
#define RANDOM_AT 6 /* after the time */

pg_uuid_t gs_id_new(void)
{
	const uint64 time = pg_hton64((uint64)(GetCurrentTimestamp() / 1000 + UNIX_MS_AT_POSTGRES_EPOCH) << 16);
	pg_uuid_t id;

	memcpy(id.data, &time, RANDOM_AT);
	if (!pg_strong_random(id.data + RANDOM_AT, UUID_LEN - RANDOM_AT))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	id.data[6] = (id.data[6] & 0x0f) | 0x70; /* version */
	id.data[8] = (id.data[8] & 0x3f) | 0x80; /* variant */
	return id;
}
