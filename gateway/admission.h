/* SPDX-License-Identifier: PostgreSQL */
/*
 * Budgets for requests, against floods and against trying out who is a terminal: per address and in all for what needs
 * no session and for searching, per session for everything. A worker's own; settings *_per_min.
 */
#ifndef GS_GATEWAY_ADMISSION_H
#define GS_GATEWAY_ADMISSION_H

#include <stdbool.h>

#include "daemon/stream.h"
#include "gateway/routes.h"

typedef struct GsAdmission GsAdmission;

GsAdmission *gs_admission_new(size_t entries);
void gs_admission_free(GsAdmission *admission);

/* False: over a budget, and answered with 429. Before anything is asked of a control server. */
__attribute__((warn_unused_result)) bool gs_admission_check(GsStream *stream, const GsApi *api);

#endif
