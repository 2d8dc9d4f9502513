/* SPDX-License-Identifier: PostgreSQL */
/*
 * A control server's clock, as a device knows it: by how much it is ahead of this machine's time since boot. The
 * device's own clock, which may be wrong and may be set, judges nothing that a control server dated. A server's answers
 * carry its time; it is taken for that of the moment in which the call was sent, so that the clock here is never behind
 * the server's and ahead by the round trip at most: no ticket lives longer for it.
 */
#ifndef GS_STORAGED_CLOCK_H
#define GS_STORAGED_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct GsClock {
	bool known; /* the server has answered since the start */
	int64_t ahead_us;
} GsClock;

/* Microseconds since boot, also those spent asleep; nobody sets it. */
int64_t gs_boot_us(void);

/* It was server_us (since 1970) there at boot_us or later. */
void gs_clock_set(GsClock *clock, int64_t server_us, int64_t boot_us);

/* Seconds since 1970 there at boot_us, rounded up; the clock must be known. */
int64_t gs_clock_s(const GsClock *clock, int64_t boot_us);

/* Now there. While it is not known: a day before the own clock, so that what is over by that is over on any clock. */
int64_t gs_clock_now_s(const GsClock *clock);

#endif
