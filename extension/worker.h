/* SPDX-License-Identifier: PostgreSQL */
/*
 * The background workers that run maintenance.
 */
#ifndef GS_WORKER_H
#define GS_WORKER_H

/* Registers the launcher of workers when groupshare.databases names any database. Call from _PG_init, after the
 * settings are defined, while shared_preload_libraries is processed. */
void gs_worker_register(void);

#endif
