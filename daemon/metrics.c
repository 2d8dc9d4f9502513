/* SPDX-License-Identifier: PostgreSQL */
/*
 * The registered metrics of this process, kept in an order in which equal names are neighbours, since the Prometheus
 * text format wants HELP and TYPE once for a name and its samples together. A GsMetric has the same address in every
 * worker, since all are forks of one master: by it a worker finds the others' cells. Each cell has one writer; whoever
 * reads may meet a histogram between two of its numbers, which the next scrape puts right.
 */
#include "daemon/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { BUCKETS = 16, CELLS = 96 };

typedef struct GsMetricCell {
	_Atomic(const GsMetric *) metric; /* NULL: free, and so are those behind it */
	_Atomic double value;             /* counter, gauge; histogram: the sum in seconds */
	_Atomic uint64_t buckets[BUCKETS];
} Cell;

typedef struct Part {
	Cell cells[CELLS];
} Part;

static Part alone; /* of a process that shares with nobody */
static Part *parts = &alone, *own = &alone;
static int part_count = 1;
static GsMetric *metrics;

int gs_metrics_share(int workers)
{
	void *memory =
		mmap(NULL, (size_t)workers * sizeof(Part), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -1;
	parts = own = memory;
	part_count = workers;
	return 0;
}

void gs_metrics_enter(int worker)
{
	assert(worker >= 0 && worker < part_count);
	own = &parts[worker];
}

static bool is_gauge(const GsMetric *metric)
{
	return metric->type == GS_METRIC_GAUGE || metric->type == GS_METRIC_LEAST;
}

void gs_metrics_leave(int worker)
{
	for (Cell *cell = parts[worker].cells; cell < parts[worker].cells + CELLS && cell->metric != NULL; cell++)
		if (is_gauge(cell->metric))
			cell->value = 0;
}

/* NULL: that worker has none of it. */
static Cell *find_cell(Part *part, const GsMetric *metric)
{
	for (Cell *cell = part->cells; cell < part->cells + CELLS && cell->metric != NULL; cell++)
		if (cell->metric == metric)
			return cell;
	return NULL;
}

static Cell *make_cell(const GsMetric *metric)
{
	Cell *cell = own->cells;

	while (cell < own->cells + CELLS && cell->metric != NULL)
		cell++;
	assert(cell < own->cells + CELLS);
	cell->metric = metric;
	return cell;
}

void gs_metric_register(GsMetric *metric)
{
	GsMetric **end = &metrics;

	for (GsMetric **m = &metrics; *m != NULL; m = &(*m)->next) {
		if (*m == metric)
			return;
		if ((*m)->next == NULL || strcmp((*m)->name, metric->name) == 0)
			end = &(*m)->next;
	}
	metric->next = *end;
	*end = metric;
	metric->cell = find_cell(own, metric);
	if (metric->cell == NULL)
		metric->cell = make_cell(metric);
	else if (is_gauge(metric))
		metric->cell->value = 0;
}

static void add(_Atomic double *number, double delta)
{
	double before = atomic_load_explicit(number, memory_order_relaxed); /* nobody else writes it */

	atomic_store_explicit(number, before + delta, memory_order_relaxed);
}

void gs_metric_add(GsMetric *metric, double delta)
{
	if (metric->cell != NULL)
		add(&metric->cell->value, delta);
}

void gs_metric_set(GsMetric *metric, double value)
{
	if (metric->cell != NULL)
		atomic_store_explicit(&metric->cell->value, value, memory_order_relaxed);
}

void gs_metric_observe(GsMetric *metric, double seconds)
{
	double bound = 0.0001;
	int i = 0;

	assert(metric->type == GS_METRIC_HISTOGRAM);
	if (metric->cell == NULL)
		return;
	while (i < BUCKETS - 1 && seconds > bound) {
		bound *= 2;
		i++;
	}
	atomic_fetch_add_explicit(&metric->cell->buckets[i], 1, memory_order_relaxed);
	add(&metric->cell->value, seconds);
}

/* Rendering ----------------------------------------------------------------------------------------------------- */

static double total(const GsMetric *metric)
{
	double sum = 0;

	for (int i = 0; i < part_count; i++) {
		const Cell *cell = find_cell(&parts[i], metric);
		double value = cell != NULL ? cell->value : 0;

		if (metric->type != GS_METRIC_LEAST)
			sum += value;
		else if (value != 0 && (sum == 0 || value < sum))
			sum = value;
	}
	return sum;
}

static uint64_t total_of_bucket(const GsMetric *metric, int bucket)
{
	uint64_t sum = 0;

	for (int i = 0; i < part_count; i++) {
		const Cell *cell = find_cell(&parts[i], metric);

		sum += cell != NULL ? cell->buckets[bucket] : 0;
	}
	return sum;
}

static void render_histogram(const GsMetric *metric, const char *labels, FILE *out)
{
	const char *comma = labels[0] != '\0' ? "," : "";
	double bound = 0.0001;
	uint64_t count = 0;

	for (int i = 0; i < BUCKETS; i++, bound *= 2) {
		count += total_of_bucket(metric, i);
		if (i < BUCKETS - 1)
			fprintf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", metric->name, labels, comma, bound,
					(unsigned long long)count);
	}
	fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", metric->name, labels, comma, (unsigned long long)count);
	fprintf(out, "%s_sum{%s} %.9g\n", metric->name, labels, total(metric));
	fprintf(out, "%s_count{%s} %llu\n", metric->name, labels, (unsigned long long)count);
}

void gs_metrics_render(FILE *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "gauge"};
	const char *last = "";

	for (const GsMetric *m = metrics; m != NULL; m = m->next) {
		const char *labels = m->labels != NULL ? m->labels : "";

		if (strcmp(last, m->name) != 0)
			fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, types[m->type]);
		last = m->name;
		if (m->type == GS_METRIC_HISTOGRAM)
			render_histogram(m, labels, out);
		else
			fprintf(out, "%s{%s} %.17g\n", m->name, labels, total(m));
	}
}
