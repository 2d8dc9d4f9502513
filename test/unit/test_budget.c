/* SPDX-License-Identifier: PostgreSQL */
/* objects: gateway/budget.o */
/* libs: cmocka */
/* Token buckets by key: how many, how soon again, whose, and what a full table forgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gateway/budget.h"

static GsBudgetKey key_of(uint8_t kind, uint32_t number)
{
	GsBudgetKey key = {.kind = kind};

	memcpy(key.bytes, &number, sizeof number);
	return key;
}

static int take_many(GsBudgets *budgets, const GsBudgetKey *key, uint64_t now_ms, double per_min, int count)
{
	int taken = 0;

	for (int i = 0; i < count; i++)
		taken += gs_budgets_take(budgets, key, now_ms, per_min) == 0;
	return taken;
}

static void holds_a_minutes_worth(void **state)
{
	GsBudgets *budgets = gs_budgets_new(64);
	GsBudgetKey key = key_of(1, 7);

	(void)state;
	assert_int_equal(take_many(budgets, &key, 1000, 60, 100), 60);
	/* One comes back each second. */
	assert_int_equal(gs_budgets_take(budgets, &key, 1000, 60), 1);
	assert_int_equal(take_many(budgets, &key, 4500, 60, 100), 3);
	/* Never more than there is room for. */
	assert_int_equal(take_many(budgets, &key, 10000000, 60, 100), 60);
	/* A clock that goes back gives nothing and takes nothing. */
	assert_int_equal(take_many(budgets, &key, 5, 60, 100), 0);
	gs_budgets_free(budgets);
}

static void says_when(void **state)
{
	GsBudgets *budgets = gs_budgets_new(64);
	GsBudgetKey key = key_of(1, 7);
	int wait_s;

	(void)state;
	assert_int_equal(take_many(budgets, &key, 1000, 2, 10), 2);
	wait_s = gs_budgets_take(budgets, &key, 1000, 2);
	assert_in_range(wait_s, 30, 31);
	assert_int_equal(gs_budgets_take(budgets, &key, 1000 + (uint64_t)wait_s * 1000, 2), 0);
	gs_budgets_free(budgets);
}

static void keys_are_apart(void **state)
{
	GsBudgets *budgets = gs_budgets_new(64);
	GsBudgetKey one = key_of(1, 7), other = key_of(1, 8), kind = key_of(2, 7);

	(void)state;
	assert_int_equal(take_many(budgets, &one, 1000, 3, 10), 3);
	assert_int_equal(take_many(budgets, &other, 1000, 3, 10), 3);
	assert_int_equal(take_many(budgets, &kind, 1000, 3, 10), 3);
	assert_int_equal(take_many(budgets, &one, 1000, 3, 10), 0);
	gs_budgets_free(budgets);
}

static void spent_ones_are_kept(void **state)
{
	GsBudgets *budgets = gs_budgets_new(4);
	GsBudgetKey spent = key_of(1, 0);

	(void)state;
	assert_int_equal(take_many(budgets, &spent, 1000, 10, 20), 10);
	for (uint32_t i = 1; i < 1000; i++) {
		GsBudgetKey key = key_of(1, i);

		assert_int_equal(gs_budgets_take(budgets, &key, 1000, 10), 0);
	}
	assert_int_equal(take_many(budgets, &spent, 1000, 10, 20), 0);
	gs_budgets_free(budgets);
}

static bool same(const char *a, const char *b)
{
	GsBudgetKey x = gs_budget_key_address(1, a), y = gs_budget_key_address(1, b);

	return memcmp(&x, &y, sizeof x) == 0;
}

static void addresses(void **state)
{
	(void)state;
	assert_true(same("192.0.2.1", "192.0.2.1"));
	assert_false(same("192.0.2.1", "192.0.2.2"));
	assert_true(same("192.0.2.1", "::ffff:192.0.2.1"));
	assert_true(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
	assert_false(same("2001:db8:1:2::1", "2001:db8:1:3::1"));
	assert_false(same("::", "0.0.0.1"));
	assert_true(same("", "nonsense"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_a_minutes_worth), cmocka_unit_test(says_when), cmocka_unit_test(keys_are_apart),
		cmocka_unit_test(spent_ones_are_kept),   cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
