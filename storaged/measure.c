/* SPDX-License-Identifier: PostgreSQL */
/* The storage daemon's metrics; see measure.h. */
#include "storaged/measure.h"

#define METRIC(variable, name_, type_, help_) \
	GsMetric variable = {.name = "groupshare_storaged_" name_, .help = help_, .type = GS_METRIC_##type_}

METRIC(gs_metric_transfers, "transfers", GAUGE, "uploads and downloads running");
METRIC(gs_metric_uploads, "uploads_total", COUNTER, "objects stored");
METRIC(gs_metric_upload_bytes, "upload_bytes_total", COUNTER, "bytes written to staged files");
METRIC(gs_metric_downloads, "downloads_total", COUNTER, "objects, or parts of them, served");
METRIC(gs_metric_download_bytes, "download_bytes_total", COUNTER, "bytes handed to the network");
METRIC(gs_metric_receipts_pending, "receipts_pending", GAUGE,
	   "objects stored, not acknowledged by their control server");
METRIC(gs_metric_capacity_bytes, "capacity_bytes", GAUGE, "bytes that may be stored, as reported last");
METRIC(gs_metric_free_bytes, "free_bytes", GAUGE, "free bytes, as reported last");
METRIC(gs_metric_used_bytes, "used_bytes", GAUGE, "bytes of stored and staged objects");
METRIC(gs_metric_staged, "staged", GAUGE, "unfinished uploads that wait to be resumed");
METRIC(gs_metric_revoked, "revocations_total", COUNTER, "revocations that control servers have told");
METRIC(gs_metric_damaged, "damaged_total", COUNTER, "objects found damaged and put into quarantine");
METRIC(gs_metric_scrubbed_bytes, "scrubbed_bytes_total", COUNTER, "bytes read by the scrub");
METRIC(gs_metric_fetches, "fetches", GAUGE, "copies being fetched from other devices");
METRIC(gs_metric_fetches_total, "fetches_total", COUNTER, "copies fetched from other devices and stored");
METRIC(gs_metric_fetched_bytes, "fetched_bytes_total", COUNTER, "bytes fetched from other devices");
#define FAILURE(reason)                                                                           \
	{                                                                                             \
		.name = "groupshare_storaged_fetch_failures_total", .help = "fetches that were given up", \
		.type = GS_METRIC_COUNTER, .labels = "reason=\"" reason "\""                              \
	}
GsMetric gs_metric_fetch_failures[GS_FETCH_REASONS] = {FAILURE("source_missing"), FAILURE("source_damaged"),
													   FAILURE("source_unreachable"), FAILURE("no_room"),
													   FAILURE("failed")};
METRIC(gs_metric_read_only, "read_only", GAUGE, "1 after a disk failure");
METRIC(gs_metric_removed, "removed_total", COUNTER, "objects deleted on a control server's order");
METRIC(gs_metric_control_connections, "control_connections", GAUGE, "control servers that know this device as present");
METRIC(gs_metric_commit_seconds, "commit_seconds", HISTOGRAM, "from the last byte written to the object being durable");

void gs_measure_register(void)
{
	GsMetric *const metrics[] = {&gs_metric_transfers,      &gs_metric_uploads,        &gs_metric_upload_bytes,
								 &gs_metric_downloads,      &gs_metric_download_bytes, &gs_metric_receipts_pending,
								 &gs_metric_capacity_bytes, &gs_metric_free_bytes,     &gs_metric_used_bytes,
								 &gs_metric_read_only,      &gs_metric_removed,        &gs_metric_control_connections,
								 &gs_metric_commit_seconds, &gs_metric_staged,         &gs_metric_revoked,
								 &gs_metric_damaged,        &gs_metric_scrubbed_bytes, &gs_metric_fetches,
								 &gs_metric_fetches_total,  &gs_metric_fetched_bytes};

	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		gs_metric_register(metrics[i]);
	for (size_t i = 0; i < GS_FETCH_REASONS; i++)
		gs_metric_register(&gs_metric_fetch_failures[i]);
}
