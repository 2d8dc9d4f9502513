/* SPDX-License-Identifier: PostgreSQL */
/*
 * Invitations: an administrator asks a terminal in; it accepts by joining, declines by leaving. SPI must be open.
 */
#ifndef GS_INVITE_H
#define GS_INVITE_H

#include "member.h"

/* Makes an outsider of a locked group invited, or lets one in that has asked. Returns its state afterwards. */
GsMemberState gs_invite(const GsRequest *request, GsGroup *group, const pg_uuid_t *terminal, bool administrator);

/* Takes an invitation back; nothing happens to who has none. Returns the state afterwards. */
GsMemberState gs_invite_withdraw(const GsRequest *request, const GsGroup *group, const pg_uuid_t *terminal);

/* A JSON list of the terminal's open invitations, the newest first: {group, group_name, role, since}. */
Jsonb *gs_invite_list(const pg_uuid_t *terminal);

#endif
