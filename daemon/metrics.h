/* SPDX-License-Identifier: PostgreSQL */
/*
 * Counters, gauges and latency histograms, named statically, rendered as Prometheus text for /metrics. The numbers lie
 * in memory that all workers of a daemon share, each in its own part, and whichever worker is scraped renders the sums.
 * A worker that takes the place of a dead one goes on with its counters; its gauges begin anew. Loop thread only.
 */
#ifndef GS_METRICS_H
#define GS_METRICS_H

#include <stdio.h>

struct GsMetricCell;

typedef struct GsMetric {
	const char *name; /* groupshare_gateway_requests_total */
	const char *help;
	enum {
		GS_METRIC_COUNTER,
		GS_METRIC_GAUGE,
		GS_METRIC_HISTOGRAM, /* of seconds; bounds are 0.1 ms * 2^i, the last of 16 is +Inf */
		GS_METRIC_LEAST      /* a gauge of which the smallest is told, not the sum; 0 is none */
	} type;
	const char *labels; /* NULL or e.g. class="2xx"; metrics of one name differ in it */
	struct GsMetric *next;
	struct GsMetricCell *cell; /* in this worker's part; NULL before it is registered, and then nothing is counted */
} GsMetric;

/* Before the first fork: room for so many workers. 0, or -1 when there is no memory. */
__attribute__((warn_unused_result)) int gs_metrics_share(int workers);
/* In the worker, before it registers its metrics, at most 96. */
void gs_metrics_enter(int worker);
/* In the master, when that worker is dead. */
void gs_metrics_leave(int worker);

void gs_metric_register(GsMetric *metric);
void gs_metric_add(GsMetric *metric, double delta);
void gs_metric_set(GsMetric *metric, double value);
void gs_metric_observe(GsMetric *metric, double seconds);
void gs_metrics_render(FILE *out);

#endif
