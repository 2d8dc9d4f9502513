/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is kept of a decision of placement: the column `candidates` of groupshare.reservation.
 */
#ifndef GS_DECISION_H
#define GS_DECISION_H

#include "policy.h"

/* groupshare.candidate[], palloc'd: the candidates in the order in which they were tried; the device that a moved
 * upload leaves comes last. */
Datum gs_decision_record(const GsQuestion *question, const GsCandidates *candidates, const GsPolicy *policy);

#endif
