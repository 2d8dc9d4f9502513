/* SPDX-License-Identifier: PostgreSQL */
/*
 * Abuse budgets: what a connection's peer may make us do that is no request served. Three token buckets a connection:
 *
 * reset_by_peer  streams that the peer began and reset (CVE-2023-44487): nghttp2 has this limit too, but acts on it
 * only after the whole of what it was fed, by when thousands of requests can have been begun rst       RST_STREAM
 * frames that the peer's errors made us send (CVE-2025-8671; nghttp2 1.52 limits only received ones) overhead  bytes of
 * frames that are neither header blocks nor body: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty or tiny DATA frames,
 * frames of unknown type (which nghttp2 skips without a callback, so the guard reads the frame headers itself). Body
 * sent by us earns a little back, since it rightly causes WINDOW_UPDATEs.
 *
 * and a table of connections per address, a worker.
 */
#ifndef GS_GUARD_H
#define GS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct GsBucket {
	double tokens;
	uint64_t at_ms;
} GsBucket;

typedef struct GsGuard {
	GsBucket rst, reset_by_peer;
	GsBucket overhead;
	uint8_t head[9]; /* the frame header being read */
	size_t head_used;
	size_t skip; /* bytes until the next frame header: the client preface, a payload */
} GsGuard;

void gs_guard_init(GsGuard *guard, uint64_t now_ms);
/* False: the budget is spent, the connection must end. */
__attribute__((warn_unused_result)) bool gs_guard_rst_sent(GsGuard *guard, uint64_t now_ms);
__attribute__((warn_unused_result)) bool gs_guard_rst_received(GsGuard *guard, uint64_t now_ms);
/* Plaintext from the peer, from its first byte on. */
__attribute__((warn_unused_result)) bool gs_guard_received(GsGuard *guard, uint64_t now_ms, const uint8_t *bytes,
														   size_t size);
void gs_guard_earned(GsGuard *guard, size_t bytes);

/* An IPv4 address, or the /64 of an IPv6 address: what one customer has for nothing. */
typedef struct GsAddress {
	uint8_t bytes[8];
	uint8_t family;
} GsAddress;

typedef struct GsAddressSlot {
	GsAddress address;
	uint32_t count; /* 0: free */
} GsAddressSlot;

typedef struct GsAddresses {
	GsAddressSlot *slots; /* open addressing, at least twice as many as connections can be */
	size_t mask;
	uint64_t seed;
} GsAddresses;

__attribute__((warn_unused_result)) int gs_addresses_init(GsAddresses *addresses, size_t max_connections);
/* False: this address has `limit` connections already. */
__attribute__((warn_unused_result)) bool gs_addresses_enter(GsAddresses *addresses, const GsAddress *address,
															uint32_t limit);
void gs_addresses_leave(GsAddresses *addresses, const GsAddress *address);
void gs_addresses_free(GsAddresses *addresses);

#endif
