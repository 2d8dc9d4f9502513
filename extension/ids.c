/* SPDX-License-Identifier: PostgreSQL */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/timestamp.h"

#include "ids.h"

#define UNIX_MS_AT_POSTGRES_EPOCH (((int64)POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)
#define RANDOM_AT 6 /* after the time */
#define RANDOM_BYTES (UUID_LEN - RANDOM_AT)
#define POOL 128

/* Ids are unique, not secret: so that not each asks the generator, it is asked for many at once. */
static const uint8 *draw(void)
{
	static uint8 pool[RANDOM_BYTES * POOL];
	static int left = 0;

	if (left == 0) {
		if (!pg_strong_random(pool, sizeof(pool)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
		left = POOL;
	}
	return pool + RANDOM_BYTES * --left;
}

pg_uuid_t gs_id_new(void)
{
	const uint64 time = pg_hton64((uint64)(GetCurrentTimestamp() / 1000 + UNIX_MS_AT_POSTGRES_EPOCH) << 16);
	pg_uuid_t id;

	memcpy(id.data, &time, RANDOM_AT);
	memcpy(id.data + RANDOM_AT, draw(), RANDOM_BYTES);
	id.data[6] = (id.data[6] & 0x0f) | 0x70; /* version */
	id.data[8] = (id.data[8] & 0x3f) | 0x80; /* variant */
	return id;
}
