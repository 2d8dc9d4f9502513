/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a group is and who may come in: name, description, room, listing, join rule, list. SPI must be open.
 */
#ifndef GS_GROUP_RULES_H
#define GS_GROUP_RULES_H

#include "group.h"
#include "utils/array.h"

/* The list as normalised identifiers in a text[]; NULL when absent. GS010 when it holds anything else. */
ArrayType *gs_group_rules_identifiers(Jsonb *object, const char *name, int most, int *count);

/* GS015 when one of them is banned from the group. */
void gs_group_rules_refuse_banned(const GsGroup *group, ArrayType *named);

/* Applies {name, description, max_members, listing, join} to a locked group, which becomes live; a new one needs join.
 */
void gs_group_rules_apply(GsGroup *group, Jsonb *settings);

#endif
