/* SPDX-License-Identifier: PostgreSQL */
/*
 * Counters, gauges and latency histograms, named statically, rendered as Prometheus text for /metrics. Per worker (the
 * worker's pid is a label), not thread-safe: loop thread only. Register once at start.
 */
#ifndef GS_METRICS_H
#define GS_METRICS_H

#include <stdint.h>
#include <stdio.h>

typedef struct GsMetric {
	const char *name; /* groupshare_gateway_requests_total */
	const char *help;
	enum { GS_METRIC_COUNTER, GS_METRIC_GAUGE, GS_METRIC_HISTOGRAM } type;
	double value;         /* counter, gauge; histogram: the sum in seconds */
	uint64_t buckets[16]; /* histogram: bounds are 0.1 ms * 2^i, the last is +Inf */
	struct GsMetric *next;
	const char *labels; /* NULL or e.g. class="2xx"; metrics of one name differ in it */
} GsMetric;

void gs_metric_register(GsMetric *metric);
void gs_metric_add(GsMetric *metric, double delta);
void gs_metric_set(GsMetric *metric, double value);
void gs_metric_observe(GsMetric *metric, double seconds);
void gs_metrics_render(FILE *out);

#endif
