/* SPDX-License-Identifier: PostgreSQL */
/*
 * Inquiries: may this terminal join? SPI must be open, the group's lock held where one is opened or closed.
 */
#ifndef GS_INQUIRY_H
#define GS_INQUIRY_H

#include "group.h"

/* The open inquiry of the terminal in the group; NULL when there is none. */
pg_uuid_t *gs_inquiry_open_one(const pg_uuid_t *group, const pg_uuid_t *terminal);

/* Opens one and puts it to the administrators. GS026 during the pause after a refusal, or after too many requests. */
pg_uuid_t *gs_inquiry_open(const GsRequest *request, const GsGroup *group);

/* The caller decides the terminal's open inquiry, which there must be: it becomes a member. */
void gs_inquiry_allow(const GsRequest *request, const GsGroup *group, const pg_uuid_t *terminal);

/* Closes the terminal's open inquiry, if any, without a decider; a requester who is refused is told. */
void gs_inquiry_close(const GsGroup *group, const pg_uuid_t *terminal, const char *state);

/* The group ends: its inquiries are cancelled and the requesters told. */
void gs_inquiry_close_group(const GsGroup *group);

/* Expires at most `limit` inquiries that nobody decided in groupshare.inquiry_lifetime; returns how many. */
uint64 gs_inquiry_expire(int64 limit);

#endif
