/* SPDX-License-Identifier: PostgreSQL */
/*
 * Memberships: one row for a terminal and group, ever. SPI must be open, and the group's lock held (group.h) wherever a
 * state is set.
 */
#ifndef GS_MEMBER_H
#define GS_MEMBER_H

#include "group.h"

typedef enum GsMemberState {
	GS_MEMBER_NONE,          /* no row: never had to do with the group */
	GS_MEMBER_INVITED,       /* asked in, has not accepted */
	GS_MEMBER_PENDING,       /* asked to join, no decision yet */
	GS_MEMBER_MEMBER,        /* sees and shares */
	GS_MEMBER_ADMINISTRATOR, /* a member that decides */
	GS_MEMBER_REFUSED,       /* asked and was refused */
	GS_MEMBER_LEFT,          /* went, or withdrew its request or declined */
	GS_MEMBER_REMOVED,       /* was put out, may come back by the group's rule */
	GS_MEMBER_BANNED         /* may not come back on any way */
} GsMemberState;

/* The one table of legal moves; a trigger holds a DBA's own UPDATE to it as well. */
bool gs_member_may_move(GsMemberState from, GsMemberState to);

/* The states that it may go to from this one, for a message. */
const char *gs_member_moves(GsMemberState from);

/* The state's name as in the table; GS_MEMBER_NONE has none (NULL). */
const char *gs_member_state_name(GsMemberState state);
GsMemberState gs_member_state_from(const char *name);

GsMemberState gs_member_state(const pg_uuid_t *group, const pg_uuid_t *terminal);

/* The only setters; an illegal move is a programmer's error. The second moves to INVITED and keeps the offered role. */
void gs_member_invite(const pg_uuid_t *group, const pg_uuid_t *terminal, bool administrator);
void gs_member_set(const pg_uuid_t *group, const pg_uuid_t *terminal, GsMemberState to);

/* The role that an invited terminal was offered. */
GsMemberState gs_member_offered(const pg_uuid_t *group, const pg_uuid_t *terminal);

/* Event of kind member to the group's members and to the terminal itself. */
void gs_member_tell(const GsGroup *group, const pg_uuid_t *terminal, GsMemberState state);

/* Makes a member administrator, or an administrator a member: sets, tells, audits. */
void gs_member_set_role(const GsRequest *request, const GsGroup *group, const pg_uuid_t *terminal, bool administrator);

/* What the audit says of a role that was given or offered. */
Jsonb *gs_member_role_detail(bool administrator);

/*
 * Takes a terminal out of a locked group: `to` is LEFT, REMOVED or BANNED. The last administrator hands over to the
 * oldest member; with nobody left the group is dissolved.
 */
void gs_member_depart(const GsRequest *request, GsGroup *group, const pg_uuid_t *terminal, GsMemberState to);

/* Leaves every group, locking them in the order of their ids. */
void gs_member_leave_all(const pg_uuid_t *terminal, const char *identifier);

#endif
