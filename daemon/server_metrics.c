/* SPDX-License-Identifier: PostgreSQL */
/* The metrics that every daemon has. */
#include "daemon/server.h"

#define REQUESTS(class_)                                                                       \
	{                                                                                          \
		.name = "groupshare_http_requests_total", .help = "finished requests by status class", \
		.type = GS_METRIC_COUNTER, .labels = "class=\"" class_ "\""                            \
	}
#define METRIC(type_, name_, help_)                 \
	{                                               \
		.name = name_, .help = help_, .type = type_ \
	}

static GsServerMetrics metrics = {
	.requests = {REQUESTS("broken"), REQUESTS("1xx"), REQUESTS("2xx"), REQUESTS("3xx"), REQUESTS("4xx"),
				 REQUESTS("5xx")},
	.duration = METRIC(GS_METRIC_HISTOGRAM, "groupshare_http_request_duration_seconds",
					   "from the request's headers to the last byte of its answer"),
	.connections = METRIC(GS_METRIC_GAUGE, "groupshare_http_connections", "open connections"),
	.accepted = METRIC(GS_METRIC_COUNTER, "groupshare_http_connections_total", "connections taken"),
	.refused =
		METRIC(GS_METRIC_COUNTER, "groupshare_http_connections_refused_total", "connections not taken for a limit"),
	.abused = METRIC(GS_METRIC_COUNTER, "groupshare_http_connections_abusive_total",
					 "connections ended for abuse or for being too slow"),
	.bytes_in = METRIC(GS_METRIC_COUNTER, "groupshare_http_received_bytes_total", "bytes from sockets"),
	.bytes_out = METRIC(GS_METRIC_COUNTER, "groupshare_http_sent_bytes_total", "bytes to sockets"),
	.expiry = METRIC(GS_METRIC_LEAST, "groupshare_tls_certificate_expiry_seconds",
					 "end of the certificate's life, seconds since 1970"),
	.workers = METRIC(GS_METRIC_GAUGE, "groupshare_workers", "workers that serve"),
};

GsServerMetrics *gs_server_metrics(void)
{
	for (size_t i = 0; i < sizeof(metrics.requests) / sizeof(metrics.requests[0]); i++)
		gs_metric_register(&metrics.requests[i]);
	gs_metric_register(&metrics.duration);
	gs_metric_register(&metrics.connections);
	gs_metric_register(&metrics.accepted);
	gs_metric_register(&metrics.refused);
	gs_metric_register(&metrics.abused);
	gs_metric_register(&metrics.bytes_in);
	gs_metric_register(&metrics.bytes_out);
	gs_metric_register(&metrics.expiry);
	gs_metric_register(&metrics.workers);
	gs_metric_set(&metrics.workers, 1);
	return &metrics;
}
