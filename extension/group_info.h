/* SPDX-License-Identifier: PostgreSQL */
/*
 * Group info: a terminal's groups, their members, the members' shares, in bounded pages. SPI must be open.
 */
#ifndef GS_GROUP_INFO_H
#define GS_GROUP_INFO_H

#include "utils/array.h"

#include "reply.h"

#define GS_GROUP_INFO_PAGE 100

/*
 * Adds the members `groups` and `next` for the viewer; `after` (may be NULL) is the last id of the page before. Returns
 * the ids of the groups that they depend on: those shown, and the one after them.
 */
ArrayType *gs_group_info_page(GsReply *reply, const pg_uuid_t *viewer, const pg_uuid_t *after, int64 limit);

/* GROUP as the viewer sees it; NULL unless it is a member. */
Jsonb *gs_group_info_one(const pg_uuid_t *viewer, const pg_uuid_t *group);

#endif
