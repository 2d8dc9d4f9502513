/* SPDX-License-Identifier: PostgreSQL */
/*
 * Budgets for requests, against floods and against trying out who is a terminal: per address and in all for what needs
 * no session, for sessions that nobody has accepted lately and for searching, per session for everything. A worker's
 * own; settings *_per_min.
 */
#ifndef GS_GATEWAY_ADMISSION_H
#define GS_GATEWAY_ADMISSION_H

#include <stdbool.h>

#include "daemon/stream.h"
#include "gateway/pg_request.h"
#include "gateway/routes.h"

typedef struct GsAdmission GsAdmission;

GsAdmission *gs_admission_new(size_t entries);
void gs_admission_free(GsAdmission *admission);

/* False: over a budget, and answered with 429. Before anything is asked of a control server; where it needs a session,
 * it has one. *unknown: that has not been accepted lately. */
__attribute__((warn_unused_result)) bool gs_admission_check(GsStream *stream, const GsApi *api, bool *unknown);

/* What a control server said to a request with a session, which stood so with gs_admission_check. */
void gs_admission_learn(GsStream *stream, const GsPgReply *reply, bool unknown);

#endif
