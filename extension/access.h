/* SPDX-License-Identifier: PostgreSQL */
/*
 * May X do Y on Z: the one place that answers. Absent and invisible answer alike (GS012). SPI must be open.
 */
#ifndef GS_ACCESS_H
#define GS_ACCESS_H

#include "request.h"

typedef enum GsRole { GS_ROLE_NONE, GS_ROLE_MEMBER, GS_ROLE_ADMINISTRATOR } GsRole;

/* The terminal's role in the group now; GS_ROLE_NONE also for an absent or dissolved group. */
GsRole gs_access_role(const pg_uuid_t *terminal, const pg_uuid_t *group);

/* Raises GS012 unless a member, GS013 unless at least `need`. */
void gs_access_require(const pg_uuid_t *terminal, const pg_uuid_t *group, GsRole need);

/* True when the share is stored and visible to the terminal: its owner, or a member of a live group in which the owner
 * is a member and the share is visible. */
bool gs_access_share_visible(const pg_uuid_t *terminal, const pg_uuid_t *share);

/* True when the terminal is in at least one live group. */
bool gs_access_in_any_group(const pg_uuid_t *terminal);

#endif
