/* SPDX-License-Identifier: PostgreSQL */
/* Clocks of control servers; see clock.h. */
#include "storaged/clock.h"

#include <time.h>

#define US_PER_S 1000000
#define DOUBT_S 86400 /* how far the own clock may be ahead */

int64_t gs_boot_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

void gs_clock_set(GsClock *clock, int64_t server_us, int64_t boot_us)
{
	clock->known = true;
	clock->ahead_us = server_us - boot_us;
}

int64_t gs_clock_s(const GsClock *clock, int64_t boot_us)
{
	return (boot_us + clock->ahead_us + US_PER_S - 1) / US_PER_S;
}

int64_t gs_clock_now_s(const GsClock *clock)
{
	return clock->known ? gs_clock_s(clock, gs_boot_us()) : (int64_t)time(NULL) - DOUBT_S;
}
