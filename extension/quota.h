/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a terminal holds of its plan. SPI must be open.
 */
#ifndef GS_QUOTA_H
#define GS_QUOTA_H

#include "lookup.h"
#include "request.h"

/* Locks the terminal's usage row (making it when there is none): from here on no other notice, deletion or expiry of
 * this terminal's shares runs beside the caller. */
void gs_quota_lock(const GsTerminal *terminal);

/* The same, with the row in `usage`, which the caller closes. */
void gs_quota_open(const GsTerminal *terminal, GsCursor *usage);

/* Charges one share of `size` bytes to the row that gs_quota_open has locked, once; or raises GS020 (larger than the
 * plan allows any share) or GS021. */
void gs_quota_charge(const GsTerminal *terminal, const GsCursor *usage, int64 size);

/* Gives one share of `size` bytes back. The usage row is locked. */
void gs_quota_refund(const pg_uuid_t *terminal, int64 size);

#endif
