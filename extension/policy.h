/* SPDX-License-Identifier: PostgreSQL */
/*
 * A DBA's own say in placement: an SQL function for a plan or a group that passes candidates over or prefers them
 * otherwise. SPI must be open.
 */
#ifndef GS_POLICY_H
#define GS_POLICY_H

#include "candidates.h"

#define GS_PASSED_OVER "passed over by the policy"

typedef struct GsPolicy {
	bool set; /* else the default decides, and nothing below is valid */
	pg_uuid_t id;
	char *function; /* schema-qualified, with its argument types */
	int32 version;
	char *error; /* why the default decided instead; NULL: it did not */
	int passed_over_count;
	pg_uuid_t *passed_over; /* devices with room; palloc'd */
} GsPolicy;

/* The policy of the share's groups (the one set first, when several have one), else of the terminal's plan. */
GsPolicy gs_policy_find(const GsQuestion *question);

/* Lets the policy judge each candidate. An error in it is a WARNING and leaves all as they were. */
void gs_policy_apply(GsPolicy *policy, const GsQuestion *question, GsCandidates *candidates);

#endif
