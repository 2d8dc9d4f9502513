/* SPDX-License-Identifier: PostgreSQL */
/*
 * Jobs that move or count copies in the background. SPI must be open.
 */
#ifndef GS_JOB_H
#define GS_JOB_H

#include "postgres.h"

/* One step of each running job that no other transaction is at; true when one of them has more to do at once. Never
 * waits for a lock. */
bool gs_job_step(void);

#endif
