/* SPDX-License-Identifier: PostgreSQL */
/*
 * The pure core of placement: classes of room, the size of a tie from a sample of it, preference, and the drawn order.
 *
 * A tie (devices equally near) may have tens of thousands of members of which the search looks at a few. Each class of
 * room is sampled on its own, from a random place on; a sampled device stands for population / sample size devices, and
 * its weight is its free space times that. So the whole tie is drawn by free space, as if all had been looked at.
 */
#include "choice.h"

#include <math.h>
#include <stdlib.h>

#define EARTH_RADIUS_KM 6371.0
#define NEAREST_KM 10.0
#define KM_STEPS 32 /* more than the earth has */

int gs_choice_class(int64_t room_bytes)
{
	return room_bytes <= 0 ? GS_CHOICE_CLOSED : 63 - __builtin_clzll((unsigned long long)room_bytes);
}

int gs_choice_next_class(int kept, int64_t room_bytes)
{
	int now = gs_choice_class(room_bytes);

	return now != GS_CHOICE_CLOSED && kept == now + 1 ? kept : now;
}

double gs_choice_population(const int32_t *places, int count, int most, int32_t start)
{
	uint32_t farthest = 0;

	if (count < most || count < 2)
		return count;
	for (int i = 0; i < count; i++) {
		uint32_t walked = (uint32_t)places[i] - (uint32_t)start;

		if (walked > farthest)
			farthest = walked;
	}
	/* count - 1 and not count: the walk ended at a device, which makes the stretch look denser than it is */
	return fmax(count, (count - 1) * GS_CHOICE_RING / ((double)farthest + 1));
}

static double radians(double degrees)
{
	return degrees * (M_PI / 180);
}

double gs_choice_kilometres(double latitude_a, double longitude_a, double latitude_b, double longitude_b)
{
	double north = sin(radians(latitude_b - latitude_a) / 2);
	double east = sin(radians(longitude_b - longitude_a) / 2);
	double h = north * north + cos(radians(latitude_a)) * cos(radians(latitude_b)) * east * east;

	return 2 * EARTH_RADIUS_KM * asin(sqrt(fmin(1, h)));
}

double gs_choice_preference(int hops, double km)
{
	double step = km < 0 ? KM_STEPS - 1 : floor(log2(1 + km / NEAREST_KM));

	return -hops - step / KM_STEPS;
}

static int compare(const void *left, const void *right)
{
	const GsOption *a = left;
	const GsOption *b = right;

	if (a->refused != b->refused)
		return a->refused ? 1 : -1;
	if (a->preference != b->preference)
		return a->preference > b->preference ? -1 : 1;
	return a->key < b->key ? -1 : a->key > b->key;
}

static bool equally_preferred(const GsOption *a, const GsOption *b)
{
	return a->refused == b->refused && a->preference == b->preference;
}

void gs_choice_order(GsOption *options, size_t count, size_t most, GsDraw draw, void *state)
{
	double total = 0;

	/* Each arrives after an exponential time with its weight as rate: the order of arrival is a draw by weight. */
	for (size_t i = 0; i < count; i++) {
		options[i].key = -log(1 - draw(state)) / options[i].weight;
		options[i].score = 0;
	}
	qsort(options, count, sizeof(*options), compare);
	for (size_t i = 0; i < count && i < most && equally_preferred(&options[0], &options[i]); i++)
		total += options[i].weight;
	for (size_t i = 0; i < count && i < most && equally_preferred(&options[0], &options[i]); i++)
		options[i].score = options[i].weight / total;
}
