/* SPDX-License-Identifier: PostgreSQL */
/*
 * The registered metrics of this process, kept in an order in which equal names are neighbours, since the Prometheus
 * text format wants HELP and TYPE once for a name and its samples together.
 */
#include "daemon/metrics.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

enum { BUCKETS = sizeof(((GsMetric *)0)->buckets) / sizeof(((GsMetric *)0)->buckets[0]) };

static GsMetric *metrics;

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
}

void gs_metric_add(GsMetric *metric, double delta)
{
	metric->value += delta;
}

void gs_metric_set(GsMetric *metric, double value)
{
	metric->value = value;
}

void gs_metric_observe(GsMetric *metric, double seconds)
{
	double bound = 0.0001;
	int i = 0;

	assert(metric->type == GS_METRIC_HISTOGRAM);
	while (i < BUCKETS - 1 && seconds > bound) {
		bound *= 2;
		i++;
	}
	metric->buckets[i]++;
	metric->value += seconds;
}

static void render_histogram(const GsMetric *metric, const char *labels, FILE *out)
{
	double bound = 0.0001;
	uint64_t total = 0;

	for (int i = 0; i < BUCKETS; i++, bound *= 2) {
		total += metric->buckets[i];
		if (i < BUCKETS - 1)
			fprintf(out, "%s_bucket{%s,le=\"%g\"} %llu\n", metric->name, labels, bound, (unsigned long long)total);
	}
	fprintf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n", metric->name, labels, (unsigned long long)total);
	fprintf(out, "%s_sum{%s} %.9g\n", metric->name, labels, metric->value);
	fprintf(out, "%s_count{%s} %llu\n", metric->name, labels, (unsigned long long)total);
}

void gs_metrics_render(FILE *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const char *last = "";

	for (const GsMetric *m = metrics; m != NULL; m = m->next) {
		char labels[128];

		snprintf(labels, sizeof(labels), "pid=\"%d\"%s%s", (int)getpid(), m->labels != NULL ? "," : "",
				 m->labels != NULL ? m->labels : "");
		if (strcmp(last, m->name) != 0)
			fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, types[m->type]);
		last = m->name;
		if (m->type == GS_METRIC_HISTOGRAM)
			render_histogram(m, labels, out);
		else
			fprintf(out, "%s{%s} %.17g\n", m->name, labels, m->value);
	}
}
