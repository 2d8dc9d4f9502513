/* SPDX-License-Identifier: PostgreSQL */
/* What /metrics shows of the storage daemon. */
#ifndef GS_MEASURE_H
#define GS_MEASURE_H

#include "daemon/metrics.h"

#define GS_FETCH_REASONS 5 /* as in fetch.h, from GS_FETCH_SOURCE_MISSING on */

extern GsMetric gs_metric_transfers, gs_metric_uploads, gs_metric_upload_bytes, gs_metric_downloads,
	gs_metric_download_bytes, gs_metric_receipts_pending, gs_metric_capacity_bytes, gs_metric_free_bytes,
	gs_metric_used_bytes, gs_metric_read_only, gs_metric_removed, gs_metric_control_connections,
	gs_metric_commit_seconds, gs_metric_staged, gs_metric_revoked, gs_metric_damaged, gs_metric_scrubbed_bytes,
	gs_metric_fetches, gs_metric_fetches_total, gs_metric_fetched_bytes, gs_metric_fetch_failures[GS_FETCH_REASONS];

void gs_measure_register(void);

#endif
