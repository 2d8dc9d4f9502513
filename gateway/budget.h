/* SPDX-License-Identifier: PostgreSQL */
/*
 * Token buckets by key, in a table of fixed size. Pure: the caller brings the time.
 */
#ifndef GS_GATEWAY_BUDGET_H
#define GS_GATEWAY_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#define GS_BUDGET_KEY_SIZE 16

typedef struct GsBudgets GsBudgets;

/* What a bucket is for: keys of two kinds are never the same. */
typedef struct GsBudgetKey {
	uint8_t kind;
	uint8_t bytes[GS_BUDGET_KEY_SIZE];
} GsBudgetKey;

/* At least `entries` buckets. NULL: out of memory, or of randomness. */
GsBudgets *gs_budgets_new(size_t entries);
void gs_budgets_free(GsBudgets *budgets);

/*
 * Takes one from the key's bucket, which holds `per_min` and gets as many back in a minute. 0: there was one. Else
 * the seconds, at least 1, until there is. A key that the table has no room for any more counts as new.
 */
__attribute__((warn_unused_result)) int gs_budgets_take(GsBudgets *budgets, const GsBudgetKey *key, uint64_t now_ms,
														double per_min);

/* The key of an address in text, without zone: an IPv4 address, also a mapped one, or the /64 of an IPv6 address, which
 * is what one customer has for nothing. What is no address shares one key. */
GsBudgetKey gs_budget_key_address(uint8_t kind, const char *address);

#endif
