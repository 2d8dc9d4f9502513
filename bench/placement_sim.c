/* SPDX-License-Identifier: PostgreSQL */
/*
 * A day of placement in memory: 10,000 devices, a million uploads, the load of a day, failures, new empty devices.
 * Prints how far the bytes went, how evenly the devices filled, how hot the hottest was and what was refused, for this
 * policy and three others.
 *
 * What is chosen from what was found is extension/choice.c itself, linked in, and so are class, ring and population of
 * a tie. The search over the index is modelled: instead of areas in a B-tree, sorted rings in memory, walked in the
 * same order (levels upward, depth, class, place on the ring). All draws come from one seed, so a run can be repeated.
 *
 *     placement_sim [uploads [devices [seed]]]
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extension/choice.h"

enum {
	REGIONS = 5,
	CITIES = 8,
	SITES = 5,
	HOPS_MOST = 6,
	LEVELS = 4,
	CLASSES = 64,
	CANDIDATES = 10,
	LOOKS = 40,
	REPORTS_A_DAY = 24 * 60,
	NEW_DEVICES_PERCENT = 5,
	FAILED_PERCENT = 3
};
#define TERABYTE 1e12
#define HEADROOM 64e6
#define HIGH_WATER 0.95
#define DAY_S 86400.0

typedef struct Device {
	int site;
	int32_t place;
	double capacity;
	double available;
	int class; /* as kept in the index */
	double down_from;
	double down_to;
	double born;
	long uploads;
	double started; /* available at the start */
	long minute;    /* of its uploads in the minute */
	long in_minute;
} Device;

typedef enum Policy { OURS, RANDOM, NEAREST_ONLY, MOST_FREE, POLICIES } Policy;
static const char *const policy_names[POLICIES] = {"groupshare", "random", "nearest only", "most free"};

static Device *devices;
static int device_count;
static int *by_site[REGIONS * CITIES * SITES]; /* sorted by place */
static int site_size[REGIONS * CITIES * SITES];
static uint64_t random_state;

static uint64_t next_random(void)
{
	uint64_t z = (random_state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static double draw(void *state)
{
	(void)state;
	return (double)(next_random() >> 11) / 9007199254740992.0;
}

static int city_of(int site)
{
	return site / SITES;
}

static int region_of(int site)
{
	return site / (SITES * CITIES);
}

/* Terminals and devices both stand at sites, three deep. */
static int hops(int a, int b)
{
	return a == b ? 0 : city_of(a) == city_of(b) ? 2 : region_of(a) == region_of(b) ? 4 : HOPS_MOST;
}

static int64_t room(const Device *d)
{
	if (d->available < d->capacity * (1 - HIGH_WATER))
		return 0;
	return (int64_t)(d->available - HEADROOM);
}

static bool fits(const Device *d, double size, double now)
{
	return now >= d->born && !(now >= d->down_from && now < d->down_to) && (double)room(d) > size;
}

static int compare_places(const void *left, const void *right)
{
	const Device *a = &devices[*(const int *)left];
	const Device *b = &devices[*(const int *)right];

	return a->place < b->place ? -1 : a->place > b->place;
}

static void *checked(void *memory)
{
	if (memory == NULL) {
		perror("placement_sim");
		exit(1);
	}
	return memory;
}

static void make_device(Device *d, int number)
{
	memset(d, 0, sizeof(*d));
	d->site = (int)(draw(NULL) * REGIONS * CITIES * SITES);
	d->place = (int32_t)next_random();
	d->capacity = TERABYTE * (1 + floor(draw(NULL) * 3)) / 4;
	d->available = d->capacity * (0.04 + 0.6 * draw(NULL));
	if (number % 100 < NEW_DEVICES_PERCENT) {
		d->available = d->capacity;
		d->born = draw(NULL) * DAY_S;
	}
	if (draw(NULL) * 100 < FAILED_PERCENT) {
		d->down_from = draw(NULL) * DAY_S;
		d->down_to = d->down_from + 600 + draw(NULL) * 7200;
	}
	d->started = d->available;
	d->class = gs_choice_next_class(GS_CHOICE_CLOSED, room(d));
}

static void make_world(uint64_t seed)
{
	random_state = seed;
	memset(site_size, 0, sizeof(site_size));
	for (int i = 0; i < device_count; i++) {
		make_device(&devices[i], i);
		site_size[devices[i].site]++;
	}
	for (int s = 0; s < REGIONS * CITIES * SITES; s++) {
		free(by_site[s]);
		by_site[s] = checked(malloc(sizeof(int) * (size_t)(site_size[s] + 1)));
		site_size[s] = 0;
	}
	for (int i = 0; i < device_count; i++)
		by_site[devices[i].site][site_size[devices[i].site]++] = i;
	for (int s = 0; s < REGIONS * CITIES * SITES; s++)
		qsort(by_site[s], (size_t)site_size[s], sizeof(int), compare_places);
}

typedef struct Found {
	GsOption options[CLASSES * CANDIDATES * SITES * CITIES * REGIONS];
	size_t count;
} Found;

/* One ring: the devices of one site and class, from `start` on, as candidates.c takes them from the index. */
static void walk_ring(Found *found, int site, int class, int32_t start, double size, double now, int distance)
{
	int32_t places[CANDIDATES];
	size_t first = found->count;
	int count = 0;
	int looks = 0;
	int at = 0;
	double share;

	while (at < site_size[site] && devices[by_site[site][at]].place < start)
		at++;
	for (int i = 0; i < site_size[site] && count < CANDIDATES && looks < LOOKS; i++) {
		Device *d = &devices[by_site[site][(at + i) % site_size[site]]];

		if (d->class != class)
			continue;
		looks++;
		if (!fits(d, size, now))
			continue;
		places[count++] = d->place;
		found->options[found->count++] = (GsOption){.preference = gs_choice_preference(distance, -1), .subject = d};
	}
	if (count == 0)
		return;
	share = gs_choice_population(places, count, CANDIDATES, start) / count;
	for (size_t i = first; i < found->count; i++)
		found->options[i].weight = ((Device *)found->options[i].subject)->available * share;
}

static void search_site(Found *found, int site, int32_t start, double size, double now, int distance)
{
	uint64_t classes = 0;

	for (int i = 0; i < site_size[site]; i++)
		if (devices[by_site[site][i]].class >= gs_choice_class((int64_t)size + 1))
			classes |= 1ULL << devices[by_site[site][i]].class;
	for (int class = 0; class < CLASSES; class ++)
		if (classes & (1ULL << class))
			walk_ring(found, site, class, start, size, now, distance);
}

/* All devices are three deep, so each level adds one tie: the site, its city, its region, the world. */
static Device *place_ours(int site, double size, double now)
{
	static Found found;
	int32_t start = (int32_t)next_random();

	found.count = 0;
	for (int distance = 0; distance <= HOPS_MOST && found.count < CANDIDATES; distance += 2)
		for (int s = 0; s < REGIONS * CITIES * SITES; s++)
			if (hops(site, s) == distance)
				search_site(&found, s, start, size, now, distance);
	if (found.count == 0)
		return NULL;
	gs_choice_order(found.options, found.count, CANDIDATES, draw, NULL);
	return found.options[0].subject;
}

static Device *place_random(double size, double now)
{
	for (int tries = 0; tries < 20 * device_count; tries++) {
		Device *d = &devices[(int)(draw(NULL) * device_count)];

		if (fits(d, size, now))
			return d;
	}
	return NULL;
}

/* The first with room at the terminal's site, in a fixed order, and nowhere else. */
static Device *place_nearest(int site, double size, double now)
{
	for (int i = 0; i < site_size[site]; i++)
		if (fits(&devices[by_site[site][i]], size, now))
			return &devices[by_site[site][i]];
	return NULL;
}

static Device *place_most_free(double size, double now)
{
	Device *best = NULL;

	for (int i = 0; i < device_count; i++)
		if (fits(&devices[i], size, now) && (best == NULL || devices[i].available > best->available))
			best = &devices[i];
	return best;
}

static Device *place(Policy policy, int site, double size, double now)
{
	switch (policy) {
	case OURS:
		return place_ours(site, size, now);
	case RANDOM:
		return place_random(size, now);
	case NEAREST_ONLY:
		return place_nearest(site, size, now);
	case MOST_FREE:
		return place_most_free(size, now);
	default:
		abort();
	}
}

/* Twice the mean in the evening, a small part of it at night. */
static double time_of(long upload, long uploads)
{
	double x = (double)upload / (double)uploads;

	for (int i = 0; i < 8; i++) {
		double load = x - 0.9 * sin(2 * M_PI * x) / (2 * M_PI) - (double)upload / (double)uploads;

		x -= load / (1 - 0.9 * cos(2 * M_PI * x) + 0.05);
	}
	return fmin(fmax(x, 0), 1) * DAY_S;
}

typedef struct Result {
	long refused;
	long other_site;
	double hops;
	double spread; /* standard deviation of the used part, in percent points */
	long hottest;  /* uploads of one device in a minute */
} Result;

static void take(Device *d, double size, double now, Result *result)
{
	long minute = (long)(now / DAY_S * REPORTS_A_DAY);

	d->available -= size;
	d->class = gs_choice_next_class(d->class, room(d));
	d->uploads++;
	d->in_minute = d->minute == minute ? d->in_minute + 1 : 1;
	d->minute = minute;
	if (d->in_minute > result->hottest)
		result->hottest = d->in_minute;
}

static double spread_of_sites(void)
{
	double total = 0;
	long count = 0;

	for (int s = 0; s < REGIONS * CITIES * SITES; s++) {
		double sum = 0;
		double squares = 0;

		for (int i = 0; i < site_size[s]; i++) {
			const Device *d = &devices[by_site[s][i]];
			double used = 100 * (1 - d->available / d->capacity);

			sum += used;
			squares += used * used;
		}
		if (site_size[s] < 2)
			continue;
		total += squares - sum * sum / site_size[s];
		count += site_size[s];
	}
	return sqrt(total / (double)count);
}

static Result simulate(Policy policy, long uploads, uint64_t seed)
{
	Result result = {0};
	long placed = 0;

	make_world(seed);
	for (long i = 0; i < uploads; i++) {
		/* Half of the people live at a fifth of the sites. */
		double where = draw(NULL) < 0.5 ? draw(NULL) * 0.2 : draw(NULL);
		int site = (int)(where * REGIONS * CITIES * SITES);
		double size = 1e6 * exp(draw(NULL) * log(4000)); /* 1 MB .. 4 GB, mean 0.5 GB */
		double now = time_of(i, uploads);
		Device *d = place(policy, site, size, now);

		if (d == NULL) {
			result.refused++;
			continue;
		}
		placed++;
		result.hops += hops(site, d->site);
		result.other_site += site != d->site;
		take(d, size, now, &result);
	}
	result.hops /= (double)placed;
	result.other_site = result.other_site * 1000 / placed;
	result.spread = spread_of_sites();
	return result;
}

int main(int argc, char **argv)
{
	long uploads = argc > 1 ? atol(argv[1]) : 1000000;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;

	device_count = argc > 2 ? atoi(argv[2]) : 10000;
	if (uploads < 1 || device_count < 1) {
		fprintf(stderr, "usage: %s [uploads [devices [seed]]]\n", argv[0]);
		return 2;
	}
	devices = checked(calloc((size_t)device_count, sizeof(*devices)));
	printf("%ld uploads, %d devices, seed %llu\n", uploads, device_count, (unsigned long long)seed);
	printf("%-14s %10s %12s %16s %18s %8s\n", "policy", "mean hops", "off site %", "fill spread pp", "hottest a minute",
		   "refused");
	for (int p = 0; p < POLICIES; p++) {
		Result r = simulate((Policy)p, uploads, seed);

		printf("%-14s %10.3f %12.1f %16.2f %18ld %8ld\n", policy_names[p], r.hops, (double)r.other_site / 10, r.spread,
			   r.hottest, r.refused);
		fflush(stdout);
	}
	free(devices);
	return 0;
}
