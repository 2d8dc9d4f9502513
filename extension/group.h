/* SPDX-License-Identifier: PostgreSQL */
/*
 * Groups: their row, their lock, their end. SPI must be open.
 */
#ifndef GS_GROUP_H
#define GS_GROUP_H

#include "request.h"

typedef enum GsGroupState {
	GS_GROUP_NEW,      /* created, waits for its settings */
	GS_GROUP_LIVE,     /* established */
	GS_GROUP_DISSOLVED /* ended; nobody sees it any more */
} GsGroupState;

typedef enum GsJoinRule { GS_JOIN_UNSET, GS_JOIN_ANYONE, GS_JOIN_LISTED, GS_JOIN_CONFIRM } GsJoinRule;

typedef struct GsGroup {
	pg_uuid_t id;
	char *name;
	GsGroupState state;
	GsJoinRule rule;
	bool hidden;
	pg_uuid_t *steps_down; /* NULL, or the administrator that goes when an invited one joins */
} GsGroup;

/*
 * Locks the group's row (FOR NO KEY UPDATE) until the transaction ends; whoever changes a group or its memberships
 * holds this lock first. NULL when there is none or it is dissolved.
 */
GsGroup *gs_group_lock(const pg_uuid_t *id);

/* The same for a caller that must be a member (GS012) with at least `administrator` (GS013) when asked for. */
GsGroup *gs_group_lock_for(const GsRequest *request, const pg_uuid_t *id, bool administrator);

/* Ends a locked group: closes inquiries, tells its members. */
void gs_group_dissolve(const GsRequest *request, GsGroup *group);

/*
 * Removes at most `limit` rows of groups that were dissolved longer than groupshare.event_retention ago. True when
 * there are more.
 */
bool gs_group_sweep(int64 limit);

/* {"group":ID,"group_name":NAME,"change":CHANGE} for events of kind group. */
Jsonb *gs_group_event(const GsGroup *group, const char *change);

/* A plain name for a state, as in the tables and on the wire. */
const char *gs_group_state_name(GsGroupState state);

/*
 * Applies a settings object {administrators, join, listing, name, description, max_members} by an administrator to a
 * locked group; a new group becomes live. Unknown members GS011, anything wrong GS010.
 */
void gs_group_settings_apply(const GsRequest *request, GsGroup *group, Jsonb *settings);

#endif
