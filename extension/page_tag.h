/* SPDX-License-Identifier: PostgreSQL */
/*
 * Does a page of group info still have the ETag it had? Answered without making the page. SPI must be open but for the
 * first.
 */
#ifndef GS_PAGE_TAG_H
#define GS_PAGE_TAG_H

#include "postgres.h"
#include "utils/array.h"
#include "utils/uuid.h"

typedef struct GsPageTag {
	Datum seen;                /* of gs_page_tag_begin */
	const pg_uuid_t *terminal; /* who asks */
	ArrayType *groups;         /* whose changes may change the page; bounded by the page; only for gs_page_tag_keep */
	char *request;             /* what else sets this page apart from others of the terminal, its form too */
} GsPageTag;

/* What is committed now; before anything that the page will show is read. */
Datum gs_page_tag_begin(void);

/* True when it is certain that the page would have this tag. */
bool gs_page_tag_holds(const GsPageTag *page, const char *tag);

/* The page was made and has this tag. Nothing is kept where that would not be safe or possible. */
void gs_page_tag_keep(const GsPageTag *page, const char *tag);

/* Notes of changes that no tag needs any more; returns how many. */
uint64 gs_page_tag_sweep(int64 limit);

#endif
