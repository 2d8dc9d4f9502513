/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sets of four slots, chosen by a keyed hash, so that nobody can choose keys that fall into another's set. When a set
 * is full, the bucket that is fullest is forgotten: it was going to be full again soonest, so forgetting it gives the
 * least away, and a spent bucket can't be pushed out by asking under new keys.
 */
#include "gateway/budget.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define WAYS 4

typedef struct Slot {
	GsBudgetKey key;
	uint64_t at_ms; /* 0: free */
	double left;    /* of 1, at at_ms */
} Slot;

struct GsBudgets {
	Slot *slots;
	size_t sets;
	uint64_t seed[2];
};

GsBudgets *gs_budgets_new(size_t entries)
{
	GsBudgets *budgets = calloc(1, sizeof *budgets);

	if (!budgets)
		return NULL;
	budgets->sets = (entries + WAYS - 1) / WAYS;
	budgets->slots = calloc(budgets->sets * WAYS, sizeof *budgets->slots);
	if (budgets->slots && getrandom(budgets->seed, sizeof budgets->seed, 0) == (ssize_t)sizeof budgets->seed)
		return budgets;
	gs_budgets_free(budgets);
	return NULL;
}

void gs_budgets_free(GsBudgets *budgets)
{
	if (!budgets)
		return;
	free(budgets->slots);
	free(budgets);
}

static uint64_t mix(uint64_t hash)
{
	hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ull;
	return hash ^ hash >> 32;
}

static Slot *set_of(const GsBudgets *budgets, const GsBudgetKey *key)
{
	uint64_t low, high;

	memcpy(&low, key->bytes, sizeof low);
	memcpy(&high, key->bytes + sizeof low, sizeof high);
	return budgets->slots +
		   mix(mix(mix(budgets->seed[0] ^ key->kind) ^ low) ^ high ^ budgets->seed[1]) % budgets->sets * WAYS;
}

static double left_at(const Slot *slot, uint64_t now_ms)
{
	double left = slot->left + (now_ms > slot->at_ms ? (double)(now_ms - slot->at_ms) / 60000 : 0);

	return slot->at_ms == 0 || left > 1 ? 1 : left;
}

static Slot *slot_of(const GsBudgets *budgets, const GsBudgetKey *key, uint64_t now_ms)
{
	Slot *set = set_of(budgets, key);
	Slot *fullest = set;

	for (Slot *slot = set; slot < set + WAYS; slot++) {
		if (slot->at_ms && slot->key.kind == key->kind && memcmp(slot->key.bytes, key->bytes, GS_BUDGET_KEY_SIZE) == 0)
			return slot;
		if (left_at(slot, now_ms) > left_at(fullest, now_ms))
			fullest = slot;
	}
	*fullest = (Slot){.key = *key, .at_ms = now_ms ? now_ms : 1, .left = 1};
	return fullest;
}

/* Shares of a whole bucket are kept, not numbers, so that the least harm is told between budgets of different size, and
 * a changed setting holds at once. */
int gs_budgets_take(GsBudgets *budgets, const GsBudgetKey *key, uint64_t now_ms, double per_min)
{
	Slot *slot = slot_of(budgets, key, now_ms);
	double left = left_at(slot, now_ms);
	double wait_s;

	if (now_ms > slot->at_ms)
		slot->at_ms = now_ms;
	slot->left = left;
	/* Sixty sixtieths are a little less than one. */
	if (left * per_min >= 1 - 1e-6) {
		slot->left = left - 1 / per_min;
		return 0;
	}
	wait_s = (1 / per_min - left) * 60;
	return wait_s < 1 ? 1 : (int)(wait_s + 0.999);
}

GsBudgetKey gs_budget_key_address(uint8_t kind, const char *address)
{
	GsBudgetKey key = {.kind = kind};
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, address, &v4) == 1) {
		memcpy(key.bytes + 12, &v4, sizeof v4);
	} else if (inet_pton(AF_INET6, address, &v6) == 1) {
		if (IN6_IS_ADDR_V4MAPPED(&v6))
			memcpy(key.bytes + 12, v6.s6_addr + 12, 4);
		else
			memcpy(key.bytes, v6.s6_addr, 8);
	}
	return key;
}
