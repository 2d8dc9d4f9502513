/* SPDX-License-Identifier: PostgreSQL */
/*
 * In shared memory: how far the notes of page_change.c go, for each of many slots that subjects fall on. Tells without
 * reading a row that nothing has been noted; it never tells that something has.
 */
#ifndef GS_PAGE_MARK_H
#define GS_PAGE_MARK_H

#include "postgres.h"
#include "access/transam.h"
#include "utils/uuid.h"

/* By the postmaster alone, at its start. Without, each subject may have been noted. */
void gs_page_mark_register(void);

/* Before a snapshot is taken that marks are compared with: one from before the first use finds all in doubt. */
void gs_page_mark_begin(void);

/* This transaction notes the subject; before it commits. */
void gs_page_mark(const pg_uuid_t *subject);

/*
 * False when it is certain that each transaction that noted the subject had ended before a snapshot with this xmin was
 * taken.
 */
bool gs_page_mark_since(const pg_uuid_t *subject, FullTransactionId xmin);

#endif
