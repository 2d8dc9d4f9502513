/* SPDX-License-Identifier: PostgreSQL */
/* objects: daemon/guard.o */
/* libs: cmocka */
/* Abuse budgets: what costs, what is free, how it comes back; connections per address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/guard.h"
#include "daemon/limits.h"

static void resets(void **state)
{
	GsGuard guard;

	(void)state;
	gs_guard_init(&guard, 1000);
	for (int i = 0; i < GS_RST_SENT_BURST; i++)
		assert_true(gs_guard_rst_sent(&guard, 1000));
	assert_false(gs_guard_rst_sent(&guard, 1000));
	gs_guard_init(&guard, 1000);
	for (int i = 0; i < 10000; i++) /* 20 a second for ever */
		assert_true(gs_guard_rst_sent(&guard, 1000 + (uint64_t)i * 50));
	gs_guard_init(&guard, 1000);
	for (int i = 0; i < GS_RST_RECEIVED_BURST; i++)
		assert_true(gs_guard_rst_received(&guard, 1000));
	assert_false(gs_guard_rst_received(&guard, 1000));
	assert_true(gs_guard_rst_sent(&guard, 1000)); /* budgets are apart */
}

/* How many such frames are taken within no time, at most `most`? Fed in pieces of `piece` bytes. */
static int taken(uint8_t type, uint8_t flags, size_t length, size_t piece, int most)
{
	GsGuard guard;
	size_t size = 9 + length;
	uint8_t *frame = calloc(1, size), preface[24] = {0};
	int count = 0;

	assert_non_null(frame);
	frame[0] = (uint8_t)(length >> 16);
	frame[1] = (uint8_t)(length >> 8);
	frame[2] = (uint8_t)length;
	frame[3] = type;
	frame[4] = flags;
	gs_guard_init(&guard, 0);
	assert_true(gs_guard_received(&guard, 0, preface, sizeof(preface)));
	while (count < most) {
		bool good = true;

		for (size_t at = 0; at < size; at += piece)
			good = gs_guard_received(&guard, 0, frame + at, size - at < piece ? size - at : piece) && good;
		if (!good)
			break;
		count++;
	}
	free(frame);
	return count;
}

static void overhead(void **state)
{
	const int most = 100000;

	(void)state;
	for (size_t piece = 1; piece <= 20; piece++) {
		assert_int_equal(taken(6, 0, 8, piece, most), GS_OVERHEAD_BURST_BYTES / 17);      /* PING */
		assert_int_equal(taken(4, 0, 0, piece, most), GS_OVERHEAD_BURST_BYTES / 9);       /* SETTINGS */
		assert_int_equal(taken(0xfa, 0, 91, piece, most), GS_OVERHEAD_BURST_BYTES / 100); /* unknown */
		assert_int_equal(taken(0, 0, 0, piece, most), GS_OVERHEAD_BURST_BYTES / 9);       /* empty DATA */
	}
	assert_int_equal(taken(0, 1, 0, 64, most), most);   /* the end of a body */
	assert_int_equal(taken(0, 0, 288, 64, most), most); /* DATA of some size */
	assert_int_equal(taken(0, 0, 16384, 4096, most), most);
	assert_int_equal(taken(1, 4, 100, 64, most), most); /* HEADERS */
	assert_true(taken(0, 0, 1, 10, most) < 8000);       /* DATA of one byte */
}

static void refill(void **state)
{
	const uint8_t ping[17] = {0, 0, 8, 6};
	const uint8_t preface[24] = {0};
	GsGuard guard;
	int count = 0;

	(void)state;
	gs_guard_init(&guard, 0);
	assert_true(gs_guard_received(&guard, 0, preface, sizeof(preface)));
	while (gs_guard_received(&guard, 0, ping, sizeof(ping)))
		count++;
	assert_int_equal(count, GS_OVERHEAD_BURST_BYTES / 17);
	assert_true(gs_guard_received(&guard, 1000, ping, sizeof(ping)));
	while (gs_guard_received(&guard, 1000, ping, sizeof(ping)))
		continue;
	gs_guard_earned(&guard, 1000);
	assert_true(gs_guard_received(&guard, 1000, ping, sizeof(ping)));
	gs_guard_earned(&guard, 1u << 30); /* what is earned is not hoarded */
	count = 0;
	while (gs_guard_received(&guard, 1000, ping, sizeof(ping)))
		count++;
	assert_int_equal(count, GS_OVERHEAD_BURST_BYTES / 17);
}

static GsAddress address_of(unsigned n)
{
	GsAddress address = {.family = 4};

	memcpy(address.bytes, &n, sizeof(n));
	return address;
}

static void addresses(void **state)
{
	enum { COUNT = 500, LIMIT = 3 };
	GsAddresses table = {0};
	int open[COUNT] = {0};

	(void)state;
	assert_int_equal(gs_addresses_init(&table, COUNT), 0);
	srand(1);
	for (int i = 0; i < 100000; i++) { /* against the obvious model */
		unsigned n = (unsigned)rand() % COUNT;
		GsAddress address = address_of(n);

		if (rand() % 2) {
			assert_int_equal(gs_addresses_enter(&table, &address, LIMIT), open[n] < LIMIT);
			if (open[n] < LIMIT)
				open[n]++;
		} else if (open[n] > 0) {
			gs_addresses_leave(&table, &address);
			open[n]--;
		}
	}
	for (unsigned n = 0; n < COUNT; n++)
		for (GsAddress address = address_of(n); open[n] > 0; open[n]--)
			gs_addresses_leave(&table, &address);
	for (size_t i = 0; i <= table.mask; i++)
		assert_int_equal(table.slots[i].count, 0);
	gs_addresses_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(resets), cmocka_unit_test(overhead), cmocka_unit_test(refill),
									   cmocka_unit_test(addresses)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
