/* SPDX-License-Identifier: PostgreSQL */
/* Token buckets, and the count of connections per address. Pure: the caller brings the time. */
#include "daemon/guard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/limits.h"

static void bucket_refill(GsBucket *bucket, uint64_t now_ms, double burst, double per_s)
{
	if (now_ms > bucket->at_ms)
		bucket->tokens += (double)(now_ms - bucket->at_ms) / 1000 * per_s;
	if (bucket->tokens > burst)
		bucket->tokens = burst;
	bucket->at_ms = now_ms;
}

void gs_guard_init(GsGuard *guard, uint64_t now_ms)
{
	guard->rst = (GsBucket){GS_RST_SENT_BURST, now_ms};
	guard->reset_by_peer = (GsBucket){GS_RST_RECEIVED_BURST, now_ms};
	guard->overhead = (GsBucket){GS_OVERHEAD_BURST_BYTES, now_ms};
	guard->head_used = 0;
	guard->skip = 24; /* the client preface */
}

bool gs_guard_rst_sent(GsGuard *guard, uint64_t now_ms)
{
	bucket_refill(&guard->rst, now_ms, GS_RST_SENT_BURST, GS_RST_SENT_PER_S);
	guard->rst.tokens -= 1;
	return guard->rst.tokens >= 0;
}

bool gs_guard_rst_received(GsGuard *guard, uint64_t now_ms)
{
	bucket_refill(&guard->reset_by_peer, now_ms, GS_RST_RECEIVED_BURST, GS_RST_RECEIVED_PER_S);
	guard->reset_by_peer.tokens -= 1;
	return guard->reset_by_peer.tokens >= 0;
}

/* What a frame costs by its header (RFC 9113, 4.1). */
static double frame_cost(const uint8_t head[9])
{
	const size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
	enum { DATA = 0, HEADERS = 1, END_STREAM = 1 };

	switch (head[3]) {
	case DATA: /* from 288 bytes on the payload pays for the header */
		return head[4] & END_STREAM || length / 32 >= 9 ? 0 : 9 - (double)length / 32;
	case HEADERS: /* bounded as requests are; CONTINUATION is bounded by nghttp2, but costs */
		return 0;
	default:
		return 9 + (double)length;
	}
}

bool gs_guard_received(GsGuard *guard, uint64_t now_ms, const uint8_t *bytes, size_t size)
{
	bucket_refill(&guard->overhead, now_ms, GS_OVERHEAD_BURST_BYTES, GS_OVERHEAD_PER_S_BYTES);
	while (size > 0) {
		size_t count = guard->skip > 0 ? guard->skip : sizeof(guard->head) - guard->head_used;

		if (count > size)
			count = size;
		if (guard->skip > 0) {
			guard->skip -= count;
		} else {
			memcpy(guard->head + guard->head_used, bytes, count);
			guard->head_used += count;
		}
		if (guard->head_used == sizeof(guard->head)) {
			guard->overhead.tokens -= frame_cost(guard->head);
			guard->skip = (size_t)guard->head[0] << 16 | (size_t)guard->head[1] << 8 | guard->head[2];
			guard->head_used = 0;
		}
		bytes += count;
		size -= count;
	}
	return guard->overhead.tokens >= 0;
}

void gs_guard_earned(GsGuard *guard, size_t bytes)
{
	guard->overhead.tokens += (double)bytes;
}

/* Addresses ----------------------------------------------------------------------------------------------------- */

int gs_addresses_init(GsAddresses *addresses, size_t max_connections)
{
	size_t size = 16;

	while (size < max_connections * 2)
		size *= 2;
	addresses->slots = calloc(size, sizeof(GsAddressSlot));
	if (addresses->slots == NULL)
		return -1;
	addresses->mask = size - 1;
	/* keyed, so that nobody can choose addresses that collide */
	if (getrandom(&addresses->seed, sizeof(addresses->seed), 0) != (ssize_t)sizeof(addresses->seed))
		return -1;
	return 0;
}

static size_t address_hash(const GsAddresses *addresses, const GsAddress *address)
{
	uint64_t hash;

	memcpy(&hash, address->bytes, sizeof(hash));
	hash = (hash ^ addresses->seed ^ address->family) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 29 ^ addresses->seed) * 0xbf58476d1ce4e5b9ull;
	return (size_t)(hash ^ hash >> 32) & addresses->mask;
}

static bool address_equal(const GsAddress *a, const GsAddress *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool gs_addresses_enter(GsAddresses *addresses, const GsAddress *address, uint32_t limit)
{
	size_t i = address_hash(addresses, address);

	while (addresses->slots[i].count > 0 && !address_equal(&addresses->slots[i].address, address))
		i = (i + 1) & addresses->mask;
	if (addresses->slots[i].count >= limit)
		return false;
	addresses->slots[i].address = *address;
	addresses->slots[i].count++;
	return true;
}

/* Fills the hole at i, so that a probe never stops short of an entry behind it. */
static void slot_remove(GsAddresses *addresses, size_t hole)
{
	size_t i = hole;

	for (;;) {
		size_t home;

		i = (i + 1) & addresses->mask;
		if (addresses->slots[i].count == 0)
			break;
		home = address_hash(addresses, &addresses->slots[i].address);
		if (((i - home) & addresses->mask) >= ((i - hole) & addresses->mask)) {
			addresses->slots[hole] = addresses->slots[i];
			hole = i;
		}
	}
	addresses->slots[hole].count = 0;
}

void gs_addresses_leave(GsAddresses *addresses, const GsAddress *address)
{
	size_t i = address_hash(addresses, address);

	while (!address_equal(&addresses->slots[i].address, address)) {
		assert(addresses->slots[i].count > 0);
		i = (i + 1) & addresses->mask;
	}
	assert(addresses->slots[i].count > 0);
	if (--addresses->slots[i].count == 0)
		slot_remove(addresses, i);
}

void gs_addresses_free(GsAddresses *addresses)
{
	free(addresses->slots);
	addresses->slots = NULL;
}
